// Why requests wait: the last words of their logs, read for those that are looked at and kept up to date.

import { get, path } from "../core/api.js";
import { h, say } from "../core/dom.js";

/** A request looks for a board every ten seconds, and its log says more only then. */
const AGAIN_MS = 10_000;
/** Logs that are read at once: the browser has few connections. */
const AT_ONCE = 2;

/** What a log says of why there is no board: its last words, and what the last look for boards came to. */
export function lastReason(log) {
  const said = log.map(({ message }) => message).filter((message) => !message.startsWith("entering state "));
  const last = said.at(-1) ?? "";
  const look = said.findLast((message) => message.startsWith("No board: "));
  return look && last.startsWith("Request failed") ? `${last} ${look}` : (look ?? last);
}

/** Elements that tell why. `of(id)` gives one; `close()` ends the reading. */
export function reasons() {
  const texts = new Map();
  const shown = new Map();
  const waiting = new Set();
  let running = 0;

  async function next() {
    const [id] = waiting;
    if (id === undefined || running >= AT_ONCE) return;
    waiting.delete(id);
    running++;
    try {
      const { log } = await get(path`request/${id}/status`);
      texts.set(id, lastReason(log));
      draw(id);
    } catch {
      // The request is gone, or the connection; then the page says so elsewhere.
    } finally {
      running--;
      next();
    }
  }

  function draw(id) {
    const element = shown.get(id);
    const text = texts.get(id) ?? "";
    if (!element) return;
    say(element, text);
    element.title = text;
  }

  const timer = setInterval(() => {
    for (const [id, element] of shown) {
      if (element.isConnected) waiting.add(id);
      else shown.delete(id), texts.delete(id);
    }
    for (let at = 0; at < AT_ONCE; at++) next();
  }, AGAIN_MS);

  return {
    of(id) {
      const element = h("span", { class: "why soft" });
      shown.set(id, element);
      if (texts.has(id)) draw(id);
      else waiting.add(id), next();
      return element;
    },
    close: () => clearInterval(timer),
  };
}
