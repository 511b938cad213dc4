// Text to be taken elsewhere: shown as it is, with a button that copies it.

import { h } from "../core/dom.js";

/** How long the button says that it was done. */
const SAID_MS = 2000;

/** A line with a button. `label` says for those who hear the page what is copied. */
export function copyable(text, label = text) {
  const line = h("code", {}, text);
  const button = h("button", { type: "button", class: "quiet small", "aria-label": `Copy ${label}`, on: { click: copy } }, "Copy");
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS browsers keep the clipboard to themselves; then the text is selected for Ctrl+C.
      getSelection().selectAllChildren(line);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy"), SAID_MS);
  }
  return h("div", { class: "copyable" }, line, button);
}
