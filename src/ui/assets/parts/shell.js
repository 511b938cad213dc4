// What surrounds every page: the ways to all pages, the state of the connection, jobs, theme, and the keys.

import { h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { recall, setTheme } from "../core/prefs.js";
import { go, href } from "../core/router.js";
import { logOut, onSession, session } from "../core/session.js";
import { tally } from "../core/tally.js";
import { since } from "../core/time.js";
import { show } from "./dialog.js";
import { counter } from "./jobs.js";
import { place as messages, warn } from "./toast.js";

/** The pages in the bar: address, title, sign on a phone, key after `g`. */
const WAYS = [
  [[], "Overview", "⌂", "o"],
  [["rack"], "Rack", "▦", "k"],
  [["devices"], "Devices", "☰", "d"],
  [["requests"], "Requests", "⇄", "r"],
  [["repair"], "Repair", "✚", "f"],
  [["reports"], "Reports", "◔", "p"],
  [["admin"], "Admin", "⚙", "a"],
];

const THEMES = ["auto", "light", "dark"];

/** Builds it and gives the element that pages are drawn into. */
export function shell(root, base) {
  const failed = h("span", { class: "count", hidden: true });
  const links = WAYS.map(([parts, title, sign]) =>
    h("a", { href: href(...parts) }, h("span", { class: "icon", "aria-hidden": "true" }, sign), title, title === "Repair" && failed));
  const theme = h("button", { type: "button", class: "quiet", on: { click: turnTheme } });
  const keys = h("button", { type: "button", class: "quiet", title: "Keys (?)", "aria-label": "Keys", on: { click: showKeys } }, "?");
  const who = h("div", { class: "who", hidden: true });
  const notice = h("div", { class: "connection", role: "status", hidden: true });
  const page = h("main", { id: "page", tabindex: "-1" });
  put(root,
    h("header", { class: "bar" },
      h("a", { class: "brand", href: href(), "aria-label": "Mozpool" }, h("img", { src: `${base}/icon.svg`, alt: "" }), h("span", {}, "Mozpool")),
      h("nav", { "aria-label": "Pages" }, links), counter, who, theme, keys),
    notice, page, messages);

  drawTheme();
  drawWho();
  onSession(drawWho);
  const groups = tally();
  live.subscribe((news) => {
    if (news.status) drawNotice();
    if (news.devices.size) {
      groups.update(news.devices, live.devices);
      const count = groups.count("failed");
      failed.hidden = count === 0;
      say(failed, count);
    }
  });

  /** Who is logged in, and the way out. */
  function drawWho() {
    const { mode, name, role, environments } = session;
    who.hidden = mode !== "token" || name === null;
    const may = `${name} has the role ${role}${environments.length ? ` for ${environments.join(", ")}` : ""}`;
    put(who, !who.hidden && [h("span", { class: "name", title: may }, name), h("span", { class: "soft role" }, role),
      h("button", { type: "button", class: "quiet", on: { click: leave } }, "Log out")]);
  }

  async function leave() {
    try {
      await logOut();
      // What was shown is gone with whoever saw it.
      location.assign("/ui/login");
    } catch (error) {
      warn(`You are still logged in: ${error.message}`);
    }
  }

  function turnTheme() {
    const now = recall("theme", "auto");
    setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
    drawTheme();
  }

  function drawTheme() {
    const now = recall("theme", "auto");
    theme.textContent = { auto: "◐", light: "☀", dark: "☾" }[now];
    theme.setAttribute("aria-label", `Colours: ${now}`);
    theme.title = `Colours: ${now === "auto" ? "as the system" : now}`;
  }

  function drawNotice() {
    const { connected, ready, newVersion, error } = live.status;
    put(notice);
    notice.hidden = false;
    notice.classList.toggle("news", connected);
    if (!connected && error) {
      put(notice, h("strong", {}, ready ? "Connection lost" : "No connection"), h("span", {}, `${error}. What you see is as it was `),
        since(live.status.since), h("span", {}, "ago; it is tried again."));
    } else if (newVersion) {
      put(notice, h("span", {}, `The server runs version ${newVersion} now.`), h("button", { type: "button", on: { click: () => location.reload() } }, "Reload the page"));
    } else {
      notice.hidden = true;
    }
  }

  listenForKeys();
  return {
    page,
    /** Marks the way that leads to where we are. */
    at() {
      const here = location.pathname.replace(/\/$/, "");
      for (const link of links) {
        const own = link.pathname.replace(/\/$/, "");
        const on = own === "/ui" ? here === "/ui" : here === own || here.startsWith(`${own}/`);
        if (on) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
  };
}

const KEYS = [
  ...WAYS.map(([, title, , key]) => [`g ${key}`, `go to ${title}`]),
  ["n", "new request"],
  ["/", "search on this page"],
  ["Shift + click", "select a range"],
  ["?", "this list"],
];

function showKeys() {
  show("Keys", h("table", {}, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, what))))));
}

function listenForKeys() {
  let before = null;
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = before === "g" && WAYS.find(([, , , key]) => key === event.key);
    before = event.key;
    if (way) go(href(...way[0]));
    else if (event.key === "?") showKeys();
    else if (event.key === "n") go(href("requests", "new"));
    else if (event.key === "/") {
      const box = document.querySelector("[data-hotkey='/']");
      if (!box) return;
      event.preventDefault();
      box.focus();
    }
  });
}
