// The next thing a human should do, and the one click that leads there.

import { advice } from "../../core/advice.js";
import { h, put } from "../../core/dom.js";
import { href } from "../../core/router.js";
import { show } from "../../parts/dialog.js";
import { parse, point } from "../../core/time.js";

/** More than this is no list of what is next. */
const SHOWN = 7;

function showSenders(senders) {
  show("Unknown senders", h("div", { class: "senders" },
    h("p", { class: "soft" }, "They send syslog lines, but no device has this address or name. Add the device, or put its address right."),
    senders.map((one) => h("section", {},
      h("h3", { class: "mono" }, one.hostname && one.hostname !== one.address ? `${one.address} (${one.hostname})` : one.address),
      h("p", { class: "soft small" }, `${one.lines} lines, the last ${point(parse(one.last))}`),
      h("pre", { class: "small" }, one.log.map(({ message }) => message).join("\n")))),
    h("p", {}, h("a", { href: href("admin", "devices") }, "Devices in Admin"))));
}

/** Gives `{element, update(known)}`. `openAbout()` shows the services. */
export function next({ openAbout }) {
  const list = h("ol", { class: "next" });
  const element = h("section", { class: "card", "aria-labelledby": "next-title" }, h("h2", { id: "next-title" }, "Next for a human"), list);
  let is = "";

  function way(one, senders) {
    if (one.show === "unknown") return h("button", { type: "button", on: { click: () => showSenders(senders) } }, one.action);
    if (one.link.query?.about) return h("button", { type: "button", on: { click: openAbout } }, one.action);
    const query = one.link.query ? `?${new URLSearchParams(one.link.query)}` : "";
    return h("a", { class: "button", href: href(...one.link.page) + query }, one.action);
  }

  return {
    element,
    update(known) {
      const all = advice(known);
      const now = JSON.stringify([all, known.senders]);
      if (now === is) return;
      is = now;
      put(list, all.slice(0, SHOWN).map((one) => h("li", { class: `group-${one.group}` },
        h("div", { class: "grow" }, h("p", { class: ["state", `group-${one.group}`, "wraps"] }, one.what), h("p", { class: "soft small" }, one.why)), way(one, known.senders))),
      all.length > SHOWN && h("li", { class: "soft" }, `and ${all.length - SHOWN} more`),
      !all.length && h("li", { class: "soft calm" }, h("span", { class: "state group-free" }, "Nothing. All runs by itself.")));
    },
  };
}
