// Why a cell looks as it does: a card beside it, for the pointer and for the keyboard; on a phone at the lower edge, with what can
// be done next.

import { get, path } from "../../core/api.js";
import { h, newId, put } from "../../core/dom.js";
import * as live from "../../core/live.js";
import { placeInWords } from "../../core/power.js";
import { href } from "../../core/router.js";
import { parse, since } from "../../core/time.js";
import { deviceState } from "../../parts/badge.js";

/** Before a card opens under a pointer that is only passing, and before the log is asked. */
const REST_MS = 90;
const ASK_MS = 200;
/** Last lines that are remembered; then all are forgotten. */
const KEPT = 500;

const request = (device) => {
  const one = live.requests.get(device.request_id);
  return one ? `#${one.id} of ${one.assignee}` : `#${device.request_id}`;
};

/** Gives `{element, over(cell), out(), pin(cell), hide(), close(), shown}`. `boardNames()` gives relay boards' names by key. */
export function whyCard({ boardNames, select }) {
  const id = newId("why");
  const element = h("div", { class: "why", id, hidden: true });
  const lines = new Map();
  let cell = null, timer = null, asking = null, last = null;

  function draw(pinned) {
    const device = live.devices.get(cell.name);
    if (!device) return hide();
    last = h("dd", { class: "last" });
    const fact = (title, ...value) => [h("dt", {}, title), h("dd", {}, ...value)];
    const at = parse(device.state_since);
    put(element,
      h("div", { class: "why-head" }, h("strong", { class: "mono" }, device.name), deviceState(device), at && h("span", { class: "soft" }, "for ", since(at))),
      h("dl", { class: "facts small" },
        device.request_id !== null && device.request_id !== undefined && fact("request", request(device)),
        (device.image || device.next_image) && fact("image", device.image ?? "", device.next_image && ` → ${device.next_image}`),
        fact("environment", device.environment || "none"),
        fact("power", placeInWords(device.relay_info, boardNames())),
        device.comments && fact("comment", device.comments),
        h("dt", {}, "log"), last),
      pinned && h("div", { class: "buttons" },
        h("button", { type: "button", on: { click: hide } }, "Close"),
        h("button", { type: "button", on: { click: () => (select(device.name), hide()) } }, "Select"),
        h("a", { class: "button primary", href: href("devices", device.name) }, "Open")));
    lastLine(device);
  }

  /** What is known is shown until the newer is there: a board that is imaged changes several times a second. */
  function lastLine(device) {
    const known = lines.get(device.name);
    put(last, known?.text ?? "…");
    if (known?.row === device) return;
    clearTimeout(asking);
    asking = setTimeout(async () => {
      let text;
      try {
        const { log } = await get(path`device/${device.name}/log?limit=1`);
        text = log.length ? log[0].message : "nothing yet";
        if (lines.size > KEPT) lines.clear();
        lines.set(device.name, { row: device, text });
      } catch (error) {
        text = error.message;
      }
      if (cell?.name === device.name) put(last, text);
    }, ASK_MS);
  }

  function place() {
    const box = cell.element.getBoundingClientRect();
    const { offsetWidth: wide, offsetHeight: high } = element;
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - wide - 8));
    const below = box.bottom + 6;
    const top = below + high < innerHeight - 8 ? below : Math.max(8, box.top - high - 6);
    element.style.setProperty("left", `${left}px`);
    element.style.setProperty("top", `${top}px`);
  }

  function show(one, pinned) {
    cell?.link.removeAttribute("aria-describedby");
    cell = one;
    element.hidden = false;
    element.classList.toggle("pinned", pinned);
    draw(pinned);
    if (cell && !pinned) place();
    cell?.link.setAttribute("aria-describedby", id);
  }

  function hide() {
    clearTimeout(timer);
    clearTimeout(asking);
    cell?.link.removeAttribute("aria-describedby");
    cell = null;
    element.hidden = true;
  }

  const over = (one, at_once = false) => {
    if (cell === one) return void clearTimeout(timer);
    clearTimeout(timer);
    timer = setTimeout(() => show(one, false), at_once ? 0 : REST_MS);
  };
  const out = () => {
    clearTimeout(timer);
    if (!element.classList.contains("pinned")) timer = setTimeout(hide, REST_MS * 2);
  };
  return {
    element, over, out, hide,
    pin: (one) => (clearTimeout(timer), show(one, true)),
    /** Draws it anew when its device has changed. */
    changed: (names) => cell && names.has(cell.name) && draw(element.classList.contains("pinned")),
    get shown() {
      return cell !== null;
    },
    close: hide,
  };
}
