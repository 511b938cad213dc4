// Dialogs: the browser's own, which keep the keyboard inside and give the focus back.

import { fill, h, newId } from "../core/dom.js";
import { form } from "./form.js";

function open(title, content, { wide = false } = {}) {
  const id = newId("dialog");
  const box = h("dialog", { "aria-labelledby": id, class: wide ? "wide-dialog" : null });
  fill(box, fill(h("div"), h("h2", { id }, title), content));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** Asks before something is done that hurts. The promise tells the answer. `what` says in words what will happen. */
export function confirm(title, what, { action = "Do it", danger = true } = {}) {
  return new Promise((answer) => {
    let yes = false;
    const buttons = h("div", { class: "buttons" },
      h("button", { type: "button", autofocus: true, on: { click: () => box.close() } }, "Cancel"),
      h("button", { type: "button", class: ["primary", danger && "danger"], on: { click: () => ((yes = true), box.close()) } }, action));
    const box = open(title, [fill(h("div", {}), typeof what === "string" ? h("p", {}, what) : what), buttons]);
    box.addEventListener("close", () => answer(yes));
  });
}

/** A form in a dialog; see `form`. It closes when `submit` has succeeded. The promise gives its values, or `null`. */
export function ask(title, { about = null, submit = async () => {}, ...rest }) {
  return new Promise((answer) => {
    let given = null;
    const made = form({
      ...rest,
      cancel: () => box.close(),
      submit: async (values) => {
        await submit(values);
        given = values;
        box.close();
      },
    });
    const box = open(title, [about && h("p", { class: "soft" }, about), made.element]);
    made.element.querySelector("input, select, textarea")?.focus();
    box.addEventListener("close", () => answer(given));
  });
}

/** Shows something. */
export function show(title, content) {
  const box = open(title, [content, h("div", { class: "buttons" }, h("button", { type: "button", on: { click: () => box.close() } }, "Close"))], { wide: true });
  return box;
}
