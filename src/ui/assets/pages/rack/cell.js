// A device's place in the picture of the rack.

import { h, say } from "../../core/dom.js";
import { groupOf, inWords } from "../../core/states.js";
import { href } from "../../core/router.js";

/** Letters that fit into a cell. */
const FIT = 7;

/** What all these names begin with, up to a separator or a number: what need not be said in each cell. */
export function commonStart(names) {
  if (names.length < 2) return "";
  let start = names[0];
  for (const name of names) {
    while (!name.startsWith(start)) start = start.slice(0, -1);
  }
  return /^(.*[-_.]|.*?[^\d](?=\d)|)/.exec(start.replace(/\d+$/, ""))[0];
}

/** What tells devices apart: without what they all begin with and without the domain; of what is too long the end, where numbers are. */
function shorten(name, start = "") {
  const own = (name.slice(start.length) || name).split(".")[0];
  return own.length <= FIT ? own : `…${own.slice(1 - FIT)}`;
}

/** Makes a cell; `draw(device, look)` brings it up to date and touches only what differs. */
export function makeCell(name, start) {
  const text = h("span", { class: "name" }, shorten(name, start));
  const note = h("span", { class: "note" });
  const link = h("a", { href: href("devices", name), tabindex: "-1", draggable: "false" },
    h("span", { class: "top" }, h("span", { class: "sign", "aria-hidden": "true" }), text), note);
  const element = h("div", { role: "gridcell", class: "cell", "aria-selected": "false", data: { name } }, link);
  let shown = "";
  let label = "";

  return {
    name, element, link,
    /** `look` is `{kind, note, dim, found}`. */
    draw(device, look) {
      const group = groupOf(device);
      const kind = `cell sign-${group} ${look.kind}${look.dim ? " dim" : ""}${look.found ? " found" : ""}`;
      if (kind !== shown) element.className = shown = kind;
      say(note, look.note);
      const words = `${name}: ${group === "used" ? "in use" : device.state === "ready" ? "free" : inWords(device.state)}`;
      if (words !== label) link.setAttribute("aria-label", (label = words));
    },
    pick(on) {
      element.setAttribute("aria-selected", String(on));
    },
  };
}
