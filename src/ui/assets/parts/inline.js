// A value that is changed where it stands: a pencil makes a field of it, Enter keeps, Escape leaves it as it was.

import { h, newId, put } from "../core/dom.js";

/** So long after a save the lists may still have what stood here before. */
const STALE_MS = 1000;

/**
 * `label` names the value, which an operator may change; `save(text)` may throw an `ApiError`, whose words then stand beside the field; `options()` gives a
 * promise of suggestions; `empty` is shown for nothing. Gives `{element, set(text)}`.
 */
export function inline({ label, save, options = null, empty = "none" }) {
  let value = "";
  let editing = false;
  /** What stood here before the last save, while the lists may still say so. */
  let stale = null;
  /** What the lists say. */
  let told = "";
  const element = h("div", { class: "inline" });

  function show() {
    editing = false;
    const edit = h("button", { type: "button", class: "quiet", needs: "operator", "aria-label": `Edit ${label}`, title: `Edit ${label}`, on: { click: open } }, "✎");
    put(element, h("span", { class: value ? null : "soft" }, value || empty), edit);
    return edit;
  }

  async function open() {
    editing = true;
    const id = newId("choices");
    const list = options && h("datalist", { id });
    const box = h("input", { type: "text", value, "aria-label": label, list: options && id, autocomplete: "off" });
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    const keep = h("button", { class: "primary" }, "Save");
    const form = h("form", { class: "inline-form", on: { submit: send, keydown: (event) => event.key === "Escape" && show().focus() } },
      box, list, keep, h("button", { type: "button", on: { click: () => show().focus() } }, "Cancel"), wrong);
    put(element, form);
    box.select();
    box.focus();
    if (list) for (const one of await options().catch(() => [])) list.append(h("option", { value: one }));

    async function send(event) {
      event.preventDefault();
      keep.disabled = true;
      try {
        await save(box.value.trim());
        stale = value;
        value = box.value.trim();
        show().focus();
        setTimeout(() => {
          stale = null;
          set(told);
        }, STALE_MS);
      } catch (error) {
        wrong.hidden = false;
        wrong.textContent = error.message;
        box.setAttribute("aria-invalid", "true");
        keep.disabled = false;
      }
    }
  }

  /** Shows another value, unless somebody is writing one. */
  function set(text) {
    told = text;
    if (text === value || text === stale || editing) return;
    value = text;
    const focused = element.contains(document.activeElement);
    const edit = show();
    if (focused) edit.focus();
  }

  show();
  return { element, set };
}
