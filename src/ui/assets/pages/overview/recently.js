// The last changes in words, the newest first.

import { h, put } from "../../core/dom.js";
import { recent } from "../../core/recent.js";
import { groupOf, inWords, requestGroup, requestInWords } from "../../core/states.js";
import { ago, parse } from "../../core/time.js";
import { deviceLink, requestLink } from "../../parts/badge.js";

const SHOWN = 20;

const stateWords = (data) => (data.state === "ready" ? (data.request_id === null ? "free" : "ready for its request") : inWords(data.state));

function line({ at, kind, data }) {
  const device = kind === "device";
  const group = device ? groupOf(data) : requestGroup(data.state);
  return h("li", { class: "line" },
    device ? deviceLink(data.name) : requestLink(data.id),
    h("span", { class: ["state", "grow", `group-${group}`] }, device ? stateWords(data) : `${requestInWords(data.state)}${data.assignee ? ` (${data.assignee})` : ""}`),
    ago(parse(at), { class: "soft num small" }));
}

/** Gives `{element, close()}`. */
export function recently() {
  const list = h("ol", { class: "lines recent" });
  const lines = new Map();
  const close = recent(SHOWN, (changes) => {
    for (const seq of lines.keys()) if (!changes.some((one) => one.seq === seq)) lines.delete(seq);
    for (const one of changes) if (!lines.has(one.seq)) lines.set(one.seq, line(one));
    put(list, [...changes].reverse().map((one) => lines.get(one.seq)), !changes.length && h("li", { class: "soft" }, "Nothing has happened lately."));
  });
  return { element: h("section", { class: "card", "aria-labelledby": "recent-title" }, h("h2", { id: "recent-title" }, "Recent changes"), list), close };
}
