// Messages in a corner. Good news goes by itself; bad news stays until it is put away.

import { fill, h } from "../core/dom.js";

const GOES_AFTER_MS = 6000;
/** More than these nobody reads; the oldest go. */
const SHOWN_MAX = 4;

export const place = h("div", { class: "messages", role: "region", "aria-label": "Messages", "aria-live": "polite" });

function show(kind, content) {
  const close = h("button", { type: "button", class: "quiet", "aria-label": "Put this message away", on: { click: () => box.remove() } }, "×");
  const box = h("div", { class: ["message", kind], role: kind === "bad" ? "alert" : null }, fill(h("div", { class: "grow" }), content), close);
  place.append(box);
  while (place.children.length > SHOWN_MAX) place.firstChild.remove();
  if (kind !== "bad") setTimeout(() => box.remove(), GOES_AFTER_MS);
  return box;
}

export const tell = (...content) => show("good", content);
export const warn = (...content) => show("bad", content);
