// The audit log: who has changed what, the newest first.

import { get, query as queryOf } from "../core/api.js";
import { h, put } from "../core/dom.js";
import { parse, point } from "../core/time.js";
import { filters } from "../parts/filters.js";
import { AUDIT, tabs } from "./admin.js";

/** Entries that are read at once. */
const PAGE = 50;
/** So long after the last key the log is asked, rather than for each letter. */
const TYPED_MS = 250;

export const style = "admin";
export const title = () => "Admin: Audit log";

export function open(root, { query }) {
  let ended = false;
  let turn = 0;
  let timer = null;
  let last = null;
  const body = h("div", { class: "admin" });
  const search = filters({ query, placeholder: "Who", change: () => (clearTimeout(timer), (timer = setTimeout(() => read(true), TYPED_MS))) });
  const rows = h("tbody");
  const status = h("p", { class: "soft", role: "status" });
  const older = h("button", { type: "button", hidden: true, on: { click: () => read(false) } }, "Older entries");
  const heads = ["Time", "Who", "Role", "From", "Call", "Status"].map((one) => h("th", { scope: "col" }, one));
  const grid = h("div", { class: "grid", tabindex: "0", role: "region", "aria-label": "Audit log", hidden: true },
    h("table", {}, h("caption", { class: "sr" }, "Audit log"), h("thead", {}, h("tr", {}, heads)), rows));
  put(root, h("div", { class: "head" }, h("h1", {}, "Admin")), tabs(AUDIT), body);
  put(body, h("p", { class: "soft" }, "Every call that changed something or was refused, with who made it. Boards’ own events stand in their logs."),
    search.element, grid, status, older);

  async function read(anew) {
    const mine = ++turn;
    const who = search.values().q.trim();
    try {
      const { entries, more } = await get(`audit${queryOf({ limit: PAGE, who, before: anew ? null : last })}`);
      if (ended || mine !== turn) return;
      if (anew) put(rows);
      for (const one of entries) rows.append(line(one));
      last = entries.at(-1)?.id ?? last;
      grid.hidden = rows.children.length === 0;
      older.hidden = !more;
      put(status, grid.hidden ? (who ? `Nothing of ${who} stands here.` : "Nothing was changed yet.") : more ? null : "That is all that is kept.");
    } catch (error) {
      if (!ended && mine === turn) put(status, h("span", { class: "wrong" }, error.message));
    }
  }

  read(true);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

function line(one) {
  const at = parse(one.time);
  const good = one.status < 400;
  return h("tr", {},
    h("td", {}, h("time", { datetime: one.time, title: one.time }, at === null ? one.time : point(at))),
    h("td", {}, one.who ?? "nobody"), h("td", {}, one.role ?? ""), h("td", {}, [one.from, one.via].filter(Boolean).join(", by ")),
    h("td", { class: "mono", title: `${one.method} ${one.path}` }, `${one.method} ${one.path}`),
    h("td", {}, h("span", { class: `state group-${good ? "free" : "failed"}` }, String(one.status))));
}
