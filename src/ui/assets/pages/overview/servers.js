// The imaging servers of the pool: which live, what they own, what is wrong with them. A server that is alone has nothing to say here.

import { h, put } from "../../core/dom.js";
import { href } from "../../core/router.js";
import { ago, parse } from "../../core/time.js";

/** How a server is, in words: `{group, words, since}`; `since` is when it was heard of last, if that matters. */
export function life({ alive, fault, last_seen }) {
  if (fault) return { group: "failed", words: "not spoken to", since: null };
  if (alive) return { group: "free", words: "alive", since: null };
  return last_seen ? { group: "failed", words: "gone", since: parse(last_seen) } : { group: "out", words: "not seen yet", since: null };
}

/** Gives `{element, update(servers, own)}`; `own` is the name of the server that shows the page. */
export function servers() {
  const rows = h("tbody");
  const element = h("section", { class: "card", "aria-labelledby": "servers-title", hidden: true },
    h("h2", { id: "servers-title" }, "Imaging servers"),
    h("div", { class: "matrix-box", tabindex: "0", role: "region", "aria-label": "The pool's imaging servers" },
      h("table", { class: "servers" }, h("caption", { class: "sr" }, "Imaging servers"),
        h("thead", {}, h("tr", {}, ["server", "state", "devices", "version"].map((title) => h("th", { scope: "col" }, title)))), rows)));
  let is = "";

  const row = (server, own) => {
    const { group, words, since } = life(server);
    const name = server.name === own ? [server.name, h("div", { class: "soft small" }, "this one")] : h("a", { href: `${server.url.replace(/\/$/, "")}/ui/` }, server.name);
    return h("tr", {},
      h("th", { scope: "row" }, name),
      // Why is said in full by the advice beside it.
      h("td", { title: server.fault }, h("span", { class: ["state", `group-${group}`] }, words), since && h("span", { class: "soft small" }, " ", ago(since))),
      h("td", { class: "num" }, h("a", { href: `${href("devices")}?${new URLSearchParams({ server: server.name })}`, "aria-label": `${server.devices} devices of ${server.name}` }, server.devices)),
      h("td", { class: "soft" }, server.version ?? "–"));
  };

  return {
    element,
    update(servers, own) {
      element.hidden = !servers || servers.length < 2;
      const now = JSON.stringify([servers, own]);
      if (element.hidden || now === is) return;
      is = now;
      put(rows, servers.map((server) => row(server, own)));
    },
  };
}
