// Who are you? A token is shown once; from then on a cookie says it, which no script can read.

import { h, put } from "../core/dom.js";
import { isStranger, logIn, session } from "../core/session.js";
import { form } from "../parts/form.js";
import { place as messages } from "../parts/toast.js";

export const style = "login";
export const title = () => "Log in";

export function open(root, { query }) {
  const next = wayBack(query.get("next"));
  if (!isStranger()) {
    const who = session.mode === "open" ? "This server asks nobody who they are." : `You are logged in as ${session.name}.`;
    put(root, h("h1", {}, "Log in"), h("p", {}, who), h("p", {}, h("a", { href: next }, "Go on")));
    return;
  }
  // That calls were refused is what brought us here.
  put(messages);
  const made = form({
    fields: [{ name: "token", label: "Token", type: "password", required: true, autocomplete: "current-password", placeholder: "mzp_…" }],
    action: "Log in",
    submit: async ({ token }) => {
      await logIn(token.trim());
      // All of the page is made anew, for whoever it is now.
      location.replace(next);
    },
  });
  put(root, h("h1", {}, "Log in"),
    h("section", { class: "card", "aria-label": "Log in" },
      h("p", {}, "This server asks who you are. Your token says it."), made.element),
    h("section", { class: "soft small", "aria-label": "How to get a token" },
      h("p", {}, "You have none? An admin of this Mozpool makes one for you: on the page Admin, Tokens, or on the server:"),
      h("pre", {}, "mozpool token create NAME --role requester"),
      h("p", {}, "This page does not keep it. A cookie keeps you logged in for twelve hours.")));
  made.input("token").focus();
}

/** Where to go afterwards: a page of this server, whatever an address says that somebody was sent. */
function wayBack(text) {
  const to = text && URL.canParse(text, location.origin) ? new URL(text, location.origin) : null;
  return to && to.origin === location.origin && to.pathname.startsWith("/ui/") && !to.pathname.startsWith("/ui/login") ? to.pathname + to.search : "/ui/";
}
