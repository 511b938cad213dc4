// What a board would read if a PXE config had what is being written: rendered by the server, as it would be for the board.

import { get, path, post } from "../core/api.js";
import { h, put } from "../core/dom.js";
import { devices } from "../core/live.js";
import { recall, remember } from "../core/prefs.js";
import { selectLine } from "./select-line.js";

/** Typing rests so long before it is rendered. */
const REST_MS = 250;

/** The pane beside a text area. */
export function preview(area) {
  const names = [...devices.keys()].sort();
  const kept = recall("preview-device");
  const device = h("input", { id: "preview-device", list: "preview-devices", value: names.includes(kept) ? kept : (names[0] ?? ""), autocomplete: "off", on: { input: later } });
  const list = h("datalist", { id: "preview-devices" }, names.slice(0, 500).map((name) => h("option", { value: name })));
  const image = h("select", { id: "preview-image", on: { change: draw } }, h("option", { value: "" }, "made-up words"));
  const text = h("pre", { class: "preview", tabindex: "0", "aria-label": "Rendered text" });
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const element = h("section", { class: "card", "aria-label": "Preview" }, h("h2", {}, "What the board would read"),
    h("div", { class: "preview-for" }, h("label", { for: "preview-device" }, "For"), device, list, h("label", { for: "preview-image" }, "Boot config of"), image), wrong, text);
  let turn = 0;
  let timer = null;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(draw, REST_MS);
  }

  function fail(message, line = null) {
    text.classList.add("stale");
    wrong.hidden = false;
    put(wrong, line ? [h("button", { type: "button", class: "small", on: { click: () => selectLine(area, line) } }, `Line ${line}`), " ", message] : message);
  }

  async function draw() {
    const mine = ++turn;
    if (!device.value) return fail("Name a board to see what it would get.");
    try {
      const answer = await post(path`device/${device.value}/pxe-draft`, { contents: area.value, image: image.value || null });
      if (mine !== turn) return;
      remember("preview-device", device.value);
      if (answer.error) return fail(answer.error.why, answer.error.line);
      wrong.hidden = true;
      text.classList.remove("stale");
      text.textContent = answer.text;
    } catch (error) {
      if (mine === turn) fail(error.message);
    }
  }

  area.addEventListener("input", later);
  draw();
  get("lab/export?format=json&kind=image").then(
    ({ image: images }) => image.append(...images.map(({ name }) => h("option", { value: name }, name))),
    () => {},
  );
  return {
    element,
    close() {
      turn++;
      clearTimeout(timer);
    },
  };
}
