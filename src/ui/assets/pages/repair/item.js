// One board that is to be repaired or put back: where it is, what is wrong since when, its last words, a comment, and the way back.

import { get, path } from "../../core/api.js";
import { lookAt, outOf } from "../../core/causes.js";
import { h, newId, put, say } from "../../core/dom.js";
import * as live from "../../core/live.js";
import { placeInWords } from "../../core/power.js";
import { href } from "../../core/router.js";
import { groupOf } from "../../core/states.js";
import { parse, point, since } from "../../core/time.js";
import { deviceState, logLink } from "../../parts/badge.js";
import { action, actionButton, setComment } from "../../parts/device-actions.js";

/** Last lines of the log that are shown at once; the others on demand. */
const LINES = 3;
const LINES_MAX = 10;

/** The comment in place: it is saved when it is left or by Enter, and Escape takes it back. */
function commentField(device) {
  const id = newId("comment");
  let saved = device.comments ?? "";
  /** What it was before it was saved here: the lists may say so for a moment longer. */
  let stale = null;
  const told = h("span", { class: "small soft", role: "status" });
  const wrong = h("span", { class: "wrong", role: "alert", id: `${id}-wrong`, hidden: true });
  const input = h("input", { id, needs: "operator", value: saved, placeholder: "what was found, what was done", autocomplete: "off", "aria-describedby": `${id}-wrong`, on: {
    change: save,
    keydown: (event) => {
      if (event.key === "Enter") input.blur();
      if (event.key === "Escape") (input.value = saved), input.blur();
    },
  } });

  async function save() {
    const text = input.value.trim();
    if (text === saved) return;
    say(told, "is saved …");
    wrong.hidden = true;
    try {
      await setComment(device.name, text);
      stale = saved;
      saved = text;
      say(told, "saved");
    } catch (error) {
      say(told, "");
      wrong.hidden = false;
      say(wrong, error.message);
    }
  }

  return {
    element: h("div", { class: "comment" }, h("label", { for: id }, "Comment"), input, told, wrong),
    /** A comment that somebody else has set. What is being written here stays; Escape shows the other's. */
    update(text) {
      if (text === stale) return;
      stale = null;
      if (text === saved) return;
      saved = text;
      if (document.activeElement !== input) input.value = text;
    },
  };
}

const line = ({ timestamp, source, message }) => h("li", {}, h("span", { class: "soft" }, `${point(parse(timestamp))} `), source ? `${source}: ${message}` : message);

/** The last words. What the list does not bring is read when the item is looked at. */
function lastWords(device) {
  const list = h("ol", { class: "words mono" });
  const more = h("button", { type: "button", class: "quiet small", hidden: true, on: { click: () => ((all = true), draw()) } });
  let lines = null;
  let all = false;

  function draw() {
    const shown = all ? lines : lines.slice(-LINES);
    put(list, shown.map(line), !lines.length && h("li", { class: "soft" }, "It has said nothing."));
    more.hidden = shown.length === lines.length;
    say(more, `${lines.length - shown.length} lines before`);
  }

  async function read() {
    try {
      lines = (await get(path`device/${device.name}/log?limit=${LINES_MAX}`)).log;
    } catch (error) {
      return void put(list, h("li", { class: "wrong" }, error.message));
    }
    draw();
  }

  return {
    element: h("div", { class: "said" }, h("span", { class: "small soft" }, "Last words"), list, more),
    set(given) {
      if (given) (lines = given), draw();
      else if (!lines) put(list, h("li", { class: "soft" }, "…")), read();
    },
  };
}

/**
 * Makes an item. `pick(name, on, shift)` for its tick box, `sent(name)` when it was sent through its test. Gives
 * `{element, update(device, boardNames), pick(on), load()}`.
 */
export function item(name, { pick, sent }) {
  const id = newId("item");
  const box = h("input", { type: "checkbox", "aria-label": `Select ${name}`, class: "item-pick", on: { click: (event) => pick(name, box.checked, event.shiftKey) } });
  const state = h("span");
  const place = h("span", { class: "place" });
  const time = h("span", { class: "soft" });
  const cause = h("p", { class: "cause" });
  const buttons = h("div", { class: "item-buttons rowwise" });
  const held = h("p", { class: "small", hidden: true });
  const comment = commentField(live.devices.get(name) ?? { name });
  const words = lastWords({ name });
  const element = h("article", { class: "item card", "aria-labelledby": id, data: { name } },
    h("div", { class: "item-head" }, box, h("span", { class: "paper-tick", "aria-hidden": "true" }), h("h3", { id }, h("a", { href: href("devices", name), class: "mono" }, name)), state, place, time),
    cause, held, words.element, comment.element, buttons);
  let is = "";
  let loaded = false;
  let now = null;

  return {
    name, element,
    update(device, boardNames) {
      now = device;
      const key = JSON.stringify([device.state, device.since, device.failures, device.cause, device.last_log?.at(-1), device.request_id]);
      comment.update(device.comments ?? "");
      say(place, placeInWords(device.relay_info, boardNames));
      if (key === is) return;
      is = key;
      const group = groupOf(device);
      element.className = `item card group-${group}`;
      put(state, deviceState(device));
      const at = parse(device.since);
      put(time, at ? ["since ", point(at), h("span", { class: "no-print" }, " (", since(at), ")")] : "", device.failures > 1 ? `, ${device.failures} failures within a week` : "");
      const look = lookAt(device.state);
      put(cause, group === "failed" ? [h("strong", {}, device.cause), look ? ` Look at: ${look}.` : ""] : group === "out" ? outOf(device.state) ?? "" : "");
      held.hidden = device.request_id === null || device.request_id === undefined;
      say(held, `Request #${device.request_id} holds it.`);
      put(buttons, wayBack(device), h("a", { class: "button", href: `${href("devices", name)}#timeline` }, "Timeline"), logLink("device", name));
      if (loaded) words.set(device.last_log);
    },
    pick: (on) => (box.checked = on),
    /** Reads what only those who look need. */
    load() {
      if (loaded || !now) return;
      loaded = true;
      words.set(now.last_log);
    },
  };

  function wayBack(device) {
    const group = groupOf(device);
    if (group === "failed") return actionButton(name, action("self-test"), { title: "Fixed: test it", primary: true, done: () => sent(name) });
    if (device.state === "locked_out") return actionButton(name, action("put-back"), { title: "Put back", primary: true, done: () => sent(name) });
    if (group === "out") return actionButton(name, action("self-test"), { title: "Put back: test it", primary: true, done: () => sent(name) });
    return h("span", { class: "soft" }, device.state === "ready" ? "It works again." : "It is under test.");
  }
}
