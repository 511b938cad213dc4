// How a device was: what it came to, for how long, and why, the newest first.

import { get, path, query } from "../core/api.js";
import { h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { groupTitle, inWords } from "../core/states.js";
import { parse, point, since, span } from "../core/time.js";
import { requestLink } from "./badge.js";
import { visible } from "./text.js";

const FIRST = 12;
/** All that a page should hold; more is a report's matter. */
const ALL = 200;

/** Gives `{element, close()}`. */
export function history(name) {
  let limit = FIRST, turn = 0;
  const body = h("tbody");
  const none = h("p", { class: "empty" }, "Nothing is known of its past yet.");
  const more = h("button", { type: "button", hidden: true, on: { click: () => ((limit = ALL), read()) } }, "Show more");
  const grid = h("table", { hidden: true }, h("caption", { class: "sr" }, "History"),
    h("thead", {}, h("tr", {}, ["Since", "Was", "For", "With", "Why"].map((text) => h("th", { scope: "col" }, text)))), body);
  const element = h("section", { class: "card history", "aria-label": "History" }, h("h2", {}, "History"), h("div", { class: "scrolls-sideways", tabindex: "0", role: "group", "aria-label": "What it was" }, grid), none, more);

  async function read() {
    const mine = ++turn;
    try {
      const answer = await get(`${path`device/${name}/history`}/${query({ limit: limit + 1 })}`);
      if (mine !== turn) return;
      const spells = answer.history.slice(0, limit);
      more.hidden = answer.history.length <= limit || limit === ALL;
      grid.hidden = spells.length === 0;
      none.hidden = spells.length > 0;
      put(body, spells.map(row));
    } catch (error) {
      if (mine === turn && grid.hidden) none.textContent = `Its past cannot be read: ${error.message}`;
    }
  }

  function row(spell) {
    const at = parse(spell.at);
    const words = spell.group === "failed" || spell.group === "out" ? inWords(spell.state) : groupTitle(spell.group);
    return h("tr", {}, h("td", { title: spell.at }, point(at)),
      h("td", {}, h("span", { class: ["state", `group-${spell.group}`], title: spell.state }, words)),
      h("td", {}, spell.lasts ? since(at) : span(spell.lasted_s * 1000)),
      h("td", {}, spell.image ?? "", spell.request_id ? [" ", requestLink(spell.request_id)] : ""),
      h("td", { class: "cause" }, visible(spell.cause ?? "")));
  }

  let state = live.devices.get(name)?.state;
  const end = live.subscribe((news) => {
    const now = live.devices.get(name)?.state;
    if (!news.devices.has(name) || now === state) return;
    state = now;
    read();
  });
  read();
  return {
    element,
    close() {
      turn++;
      end();
    },
  };
}
