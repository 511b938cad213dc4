// The repair list: what has failed, in the order in which one walks along the rack, and what is out of service and why.

import { get } from "../core/api.js";
import { fill, h, newId, put, say, setOrder } from "../core/dom.js";
import * as live from "../core/live.js";
import { boardKey } from "../core/power.js";
import { setQuery } from "../core/router.js";
import { groupOf, inWords } from "../core/states.js";
import { action, doTo, askComment } from "../parts/device-actions.js";
import { filters } from "../parts/filters.js";
import { warn } from "../parts/toast.js";
import { item } from "./repair/item.js";
import { byPlace, joined, read } from "./repair/list.js";

/** The server's list is read again so long after a device has failed: failures come in crowds. */
const READ_MS = 500;

/** Boards of a section that are shown before somebody asks for more: nobody walks to more of them at once. */
const SHOWN = 60;

const SECTIONS = [
  { name: "failed", title: "Failed", group: "failed", empty: "Nothing has failed." },
  { name: "out", title: "Out of service", group: "out", about: "Taken out by people; the comment says who and why.", empty: "Nothing is out of service." },
];

export const style = "repair";
export const title = () => "Repair";

export function open(root, { query }) {
  let rows = new Map();
  let boardNames = new Map();
  let closed = false;
  let anchor = null;
  const items = new Map();
  const picked = new Set();
  /** What was sent through its test from here stays in sight until it is known how that ended. */
  const sent = new Set();

  const search = filters({
    query, placeholder: "Find: name, place, cause, comment",
    choices: [
      { name: "state", title: "State", options: () => live.valuesOf((one) => (["failed", "out"].includes(groupOf(one)) ? one.state : [])).map((state) => [state, inWords(state)]) },
      { name: "environment", title: "Environment", options: () => live.valuesOf((one) => one.environment) },
    ],
    change: () => draw(),
  });
  const sections = SECTIONS.map((section) => {
    const id = newId(section.name);
    const count = h("span", { class: "badge" });
    const list = h("div", { class: "places" });
    const more = h("button", { type: "button", hidden: true, on: { click: () => ((mine.limit *= 4), draw()) } });
    const element = h("section", { class: "repair", "aria-labelledby": id, id: section.name },
      h("div", { class: "rowwise" }, h("h2", { id }, section.title), count, section.about && h("span", { class: "soft small" }, section.about)), list, more);
    const mine = { ...section, element, list, count, more, limit: SHOWN };
    return mine;
  });
  const tested = h("section", { class: "repair", "aria-label": "Sent through their test from here", hidden: true });
  const testedList = h("div", { class: "places" });
  fill(tested, h("div", { class: "rowwise" }, h("h2", { class: "grow" }, "Under test"), h("button", { type: "button", class: "quiet", on: { click: () => {
    for (const name of [...sent]) if (live.devices.get(name)?.state === "ready") sent.delete(name);
    draw();
  } } }, "Clear those that work")), testedList);

  const bulkCount = h("strong", { role: "status" });
  const bulk = h("div", { class: "actions", role: "toolbar", "aria-label": "Actions on the selected boards", hidden: true }, bulkCount,
    h("button", { type: "button", class: "primary", needs: "operator", on: { click: () => testAll() } }, "Fixed: test them"),
    h("button", { type: "button", needs: "operator", on: { click: commentAll } }, "Comment…"),
    h("button", { type: "button", class: "quiet", on: { click: () => pickOnly([]) } }, "Clear selection"));

  put(root, h("div", { class: "head" }, h("h1", {}, "Repair"), h("button", { type: "button", class: "no-print", on: { click: print_ } }, "Print")),
    search.element, h("p", { class: "print-only small" }, "Mozpool, ", new Date().toLocaleString()), tested, sections.map((one) => one.element), bulk);

  /** What has not been looked at yet has no last words; on paper all are wanted. */
  function print_() {
    for (const one of items.values()) one.load();
    // The lines come by calls of their own, which end quickly.
    setTimeout(() => closed || print(), 300);
  }

  // -- selection -------------------------------------------------------------------------------------------------------------

  function pick(name, on, shift) {
    const names = shownNames();
    const [from, to] = [names.indexOf(anchor), names.indexOf(name)];
    const range = shift && from >= 0 ? names.slice(Math.min(from, to), Math.max(from, to) + 1) : [name];
    for (const one of range) on ? picked.add(one) : picked.delete(one);
    anchor = name;
    drawPicks();
  }

  function pickOnly(names) {
    picked.clear();
    for (const name of names) picked.add(name);
    drawPicks();
  }

  function drawPicks() {
    for (const [name, one] of items) one.pick(picked.has(name));
    for (const box of root.querySelectorAll("input[data-board]")) {
      const names = JSON.parse(box.dataset.names);
      const on = names.filter((name) => picked.has(name)).length;
      box.checked = on > 0 && on === names.length;
      box.indeterminate = on > 0 && on < names.length;
    }
    bulk.hidden = picked.size === 0;
    say(bulkCount, picked.size === 1 ? "1 board" : `${picked.size} boards`);
  }

  const shownNames = () => [...root.querySelectorAll(".repair .item")].map((element) => element.dataset.name);

  async function testAll() {
    // Who is asked for does not change while it is done: boards leave the list, and people select others.
    const asked = [...picked];
    const locked = asked.filter((name) => live.devices.get(name)?.state === "locked_out");
    const others = asked.filter((name) => !locked.includes(name));
    const refused = [];
    if (others.length) {
      const no = await doTo(others, action("self-test"));
      if (no === null) return;
      refused.push(...no);
    }
    if (locked.length) refused.push(...(await doTo(locked, action("put-back"))));
    for (const name of asked) if (!refused.includes(name)) sent.add(name), picked.delete(name);
    draw();
  }

  async function commentAll() {
    const asked = [...picked];
    const refused = await askComment(asked);
    if (refused) pickOnly([...picked].filter((name) => refused.includes(name) || !asked.includes(name)));
  }

  // -- drawing ---------------------------------------------------------------------------------------------------------------

  function matches(device, values) {
    const text = [device.name, device.fqdn, device.cause, device.comments, inWords(device.state), device.relay_info, boardNames.get(boardKey((device.relay_info ?? "").replace(/:bank.*$/i, ""))), device.image]
      .filter(Boolean).join("\n").toLowerCase();
    return (!values.q || text.includes(values.q.trim().toLowerCase())) && (!values.state || device.state === values.state) &&
      (!values.environment || device.environment === values.environment);
  }

  function itemOf(device) {
    let one = items.get(device.name);
    if (!one) {
      one = item(device.name, { pick, sent: (name) => (sent.add(name), draw()) });
      items.set(device.name, one);
      looker.observe(one.element);
    }
    one.update(device, boardNames);
    return one.element;
  }

  function draw() {
    const values = search.values();
    search.refresh();
    const all = [...live.devices.values()];
    const kept = new Set();
    const testing = all.filter((device) => sent.has(device.name) && !["failed", "out"].includes(groupOf(device)));
    tested.hidden = testing.length === 0;
    setOrder(testedList, testing.map((device) => (kept.add(device.name), itemOf(joined(device, rows.get(device.name))))));
    for (const section of sections) {
      const mine = all.filter((device) => groupOf(device) === section.group).map((device) => joined(device, rows.get(device.name)));
      const shown = mine.filter((device) => matches(device, values));
      say(section.count, shown.length === mine.length ? mine.length : `${shown.length} of ${mine.length}`);
      const places = first(byPlace(shown, boardNames), section.limit);
      section.more.hidden = shown.length <= section.limit;
      say(section.more, `Show more: ${Math.min(section.limit, shown.length)} of ${shown.length} are shown`);
      if (places.length) setOrder(section.list, places.flatMap(([board, devices]) => {
        for (const device of devices) kept.add(device.name);
        return [boardHead(section, board, devices), ...devices.map(itemOf)];
      }));
      else put(section.list, h("p", { class: "empty" }, mine.length ? "Nothing of it fits what is searched for." : section.empty));
    }
    for (const [name, one] of items) if (!kept.has(name)) looker.unobserve(one.element), one.element.remove(), items.delete(name);
    for (const name of picked) if (!kept.has(name)) picked.delete(name);
    drawPicks();
  }

  /** The first so many devices of all places. */
  function first(places, limit) {
    const some = [];
    for (const [board, devices] of places) {
      if (limit <= 0) break;
      some.push([board, devices.slice(0, limit)]);
      limit -= devices.length;
    }
    return some;
  }

  const heads = new Map();
  function boardHead(section, board, devices) {
    const key = `${section.name} ${board}`;
    let head = heads.get(key);
    const names = devices.map((device) => device.name);
    if (!head) {
      const box = h("input", { type: "checkbox", "aria-label": `Select all of ${board} (${section.title.toLowerCase()})`, data: { board }, on: { change: () => {
        for (const name of JSON.parse(box.dataset.names)) box.checked ? picked.add(name) : picked.delete(name);
        drawPicks();
      } } });
      const count = h("span", { class: "soft small" });
      head = { box, count, element: h("div", { class: "place-head" }, box, h("h3", {}, board), count) };
      heads.set(key, head);
    }
    head.box.dataset.names = JSON.stringify(names);
    say(head.count, names.length === 1 ? "1 board" : `${names.length} boards`);
    return head.element;
  }

  const looker = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) items.get(target.dataset.name)?.load();
  }, { rootMargin: "300px" });

  // -- what changes ----------------------------------------------------------------------------------------------------------

  let due = null;
  async function reread() {
    due = null;
    try {
      const [list, relays] = await Promise.all([read(), get("relay/list")]);
      if (closed) return;
      rows = list;
      boardNames = new Map(relays.relay_boards.map((board) => [boardKey(board.fqdn), board.name]));
      draw();
    } catch (error) {
      if (!closed && live.status.connected) warn(`The repair list could not be read: ${error.message}`);
    }
  }

  draw();
  reread().then(() => {
    if (query.get("show") === "out") document.getElementById("out")?.scrollIntoView({ block: "start" });
    setQuery({ show: null });
  });

  const known = new Map();
  const end = live.subscribe((news) => {
    let touched = false, failed = false;
    for (const name of news.devices) {
      const group = live.devices.has(name) ? groupOf(live.devices.get(name)) : null;
      const listed = ["failed", "out"].includes(group);
      if (listed || known.has(name) || items.has(name) || sent.has(name)) touched = true;
      if (group === "failed" && known.get(name) !== "failed") failed = true;
      if (listed) known.set(name, group);
      else known.delete(name);
    }
    if (touched) draw();
    if (failed || news.kinds.has("relay_board")) due ??= setTimeout(reread, READ_MS);
  });

  return () => {
    closed = true;
    end();
    clearTimeout(due);
    looker.disconnect();
  };
}
