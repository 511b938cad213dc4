// Work on many things: a bounded number of calls at once, a count of what is left, and one message about what was refused.

import { h } from "../core/dom.js";
import { tell, warn } from "./toast.js";

/** Calls at once. The browser has six connections, and one of them is the stream of changes. */
const AT_ONCE = 4;

let left = 0;
const spinner = h("span", { class: "spinner", "aria-hidden": "true" });
const words = h("span");
export const counter = h("div", { class: "jobs", role: "status", hidden: true }, spinner, words);

function count(by) {
  left += by;
  counter.hidden = left === 0;
  words.textContent = left === 1 ? "1 job queued" : `${left} jobs queued`;
}

/**
 * Does `act(item)` for each item. Refusals do not stop the others; they are told together at the end, each in the words of the
 * API's error. Gives the items that were refused.
 */
export async function run(title, items, act, nameOf = String) {
  const waiting = [...items];
  const refused = [];
  count(waiting.length);
  const worker = async () => {
    for (let item; (item = waiting.shift()) !== undefined; ) {
      try {
        await act(item);
      } catch (error) {
        refused.push([item, error.message]);
      } finally {
        count(-1);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, worker));
  const all = items.length;
  if (refused.length) {
    const head = all === 1 ? `${title}: refused` : `${title}: ${refused.length} of ${all} refused`;
    warn(h("strong", {}, head), h("ul", {}, refused.map(([item, why]) => h("li", {}, `${nameOf(item)}: ${why}`))));
  } else if (all) {
    tell(all === 1 ? `${title}: ${nameOf(items[0])}` : `${title}: all ${all} done`);
  }
  return refused.map(([item]) => item);
}
