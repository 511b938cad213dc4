// The rack as a picture: relay boards with their banks and relays, every device a cell in its state's colour.

import { get } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { layout } from "../core/power.js";
import { recall, remember } from "../core/prefs.js";
import { href, setQuery } from "../core/router.js";
import { GROUPS, groupOf, inWords } from "../core/states.js";
import { tally } from "../core/tally.js";
import { actionBar } from "../parts/device-actions.js";
import { filters } from "../parts/filters.js";
import { warn } from "../parts/toast.js";
import { commonStart, makeCell } from "./rack/cell.js";
import { MODES, palette } from "./rack/colours.js";
import { boardPanel, otherPanel } from "./rack/panel.js";
import { frame, picks } from "./rack/picks.js";
import { stepTo } from "./rack/walk.js";
import { whyCard } from "./rack/why.js";

/** Boards whose cells are made before the first paint: more than a screen shows. The others come while nothing else is to do. */
const AT_ONCE = 8;
/** How long making cells may take at a time; a frame has 16 ms. */
const TURN_MS = 8;
/** How often times in cells are brought up to date. */
const TICK_MS = 30_000;

const idle = globalThis.requestIdleCallback ?? ((act) => setTimeout(act, 1));

export const style = "rack";
export const title = () => "Rack";

export function open(root, { query }) {
  const cells = new Map();
  let relayBoards = [];
  let panels = [];
  let panelOf = new Map();
  let placed = new Map();
  let names = [];
  let unfilled = [];
  let closed = false;
  let current = null;
  let selecting = false;

  const mode = () => MODES.find((one) => one.name === by.value) ?? MODES[0];
  let colour = null;
  let counts = null;
  let marked = null;
  let shown = { q: "" };

  const by = h("select", { "aria-label": "Colour by", on: { change: () => (remember("rack.by", by.value), setQuery({ by: by.value }), recolour()) } },
    MODES.map((one) => h("option", { value: one.name }, `Colour by ${one.title.toLowerCase()}`)));
  by.value = MODES.some((one) => one.name === query.get("by")) ? query.get("by") : recall("rack.by", "state");
  const found = h("span", { class: "soft", role: "status" });
  const take = h("button", { type: "button", hidden: true, on: { click: () => pick.only(names.filter((name) => matches(live.devices.get(name)))) } }, "Select these");
  const touch = h("button", { type: "button", class: "touch-only", "aria-pressed": "false", on: { click: () => {
    selecting = !selecting;
    touch.setAttribute("aria-pressed", String(selecting));
  } } }, "Select by tapping");
  const legend = h("ul", { class: "legend", "aria-label": "Colours" });
  const area = h("div", { class: "rack" });
  const nothing = h("p", { class: "empty", hidden: true }, "No devices yet. ", h("a", { href: href("admin") }, "Add relay boards and devices"), ", or import a lab file.");
  const search = filters({
    query, placeholder: "Find boards: name, MAC, comment, image",
    choices: [
      { name: "group", title: "State", options: () => GROUPS.map(({ name, title: words }) => [name, words]) },
      { name: "environment", title: "Environment", options: () => live.valuesOf((device) => device.environment) },
    ],
    change: (values) => ((shown = { ...values }), redraw()),
  });
  shown = { ...search.values() };
  search.element.addEventListener("keydown", (event) => {
    const first = event.key === "Enter" && names.find((name) => matches(live.devices.get(name)));
    if (first) focus(first);
  });

  const cellOf = (name) => cells.get(name) ?? (panelOf.has(name) && fillPanel(panelOf.get(name)), cells.get(name));
  const pick = picks({ cellOf: (name) => cells.get(name), order: () => names, changed: (list) => bar.set(list) });
  const bar = actionBar({ clear: pick.clear, keep: pick.only });
  const why = whyCard({ boardNames: () => new Map(relayBoards.length ? panels.map((panel) => [panel.key, panel.name]) : []), select: pick.toggle });

  put(root,
    h("div", { class: "head" }, h("h1", {}, "Rack"), by, touch),
    fill(search.element, take, found), legend, area, nothing, bar.element, why.element);

  // -- what is drawn ---------------------------------------------------------------------------------------------------------

  const active = () => Boolean(shown.q || shown.group || shown.environment || marked !== null);

  const texts = new WeakMap();
  function textOf(device) {
    let text = texts.get(device);
    if (text === undefined) {
      text = [device.name, device.fqdn, device.mac_address, device.comments, device.image, device.hardware_type, device.relay_info, device.state, inWords(device.state)]
        .filter(Boolean).join("\n").toLowerCase();
      texts.set(device, text);
    }
    return text;
  }

  function matches(device) {
    if (!device) return false;
    return (!shown.q || textOf(device).includes(shown.q.trim().toLowerCase())) && (!shown.group || groupOf(device) === shown.group) &&
      (!shown.environment || device.environment === shown.environment) && (marked === null || mode().key(device) === marked);
  }

  function drawCell(cell, now = mode(), filtered = active()) {
    const device = live.devices.get(cell.name);
    if (!device) return;
    const hit = filtered && matches(device);
    cell.draw(device, { kind: colour(now.key(device)), note: now.note(device), dim: filtered && !hit, found: hit });
  }

  function redraw() {
    const now = mode(), filtered = active();
    for (const cell of cells.values()) drawCell(cell, now, filtered);
    drawFound();
  }

  function drawFound() {
    take.hidden = !active();
    if (!active()) return say(found, "");
    let hits = 0;
    for (const name of names) if (matches(live.devices.get(name))) hits++;
    take.disabled = hits === 0;
    say(found, `${hits} of ${names.length}`);
  }

  function recolour() {
    const now = mode();
    marked = null;
    counts = tally((device) => [now.key(device)]);
    counts.update(live.devices.keys(), live.devices);
    colour = palette(now);
    for (const key of counts.keys().sort()) colour(key);
    area.dataset.by = now.name;
    drawLegend();
    redraw();
  }

  let legendIs = "";
  function drawLegend() {
    const now = mode();
    const keys = now.order ?? counts.keys().sort();
    const entries = keys.filter((key) => counts.count(key)).map((key) => [key, counts.count(key)]);
    const is = JSON.stringify([now.name, marked, entries]);
    if (is === legendIs) return;
    legendIs = is;
    const had = legend.contains(document.activeElement) && document.activeElement.dataset.key;
    put(legend, entries.map(([key, count]) => h("li", {}, h("button", {
      type: "button", class: ["quiet", colour(key)], "aria-pressed": String(marked === key), data: { key },
      on: { click: () => ((marked = marked === key ? null : key), drawLegend(), redraw()) },
    }, h("span", { class: "swatch", "aria-hidden": "true" }), `${now.title_of(key)} `, h("strong", {}, count)))));
    if (had !== false) [...legend.querySelectorAll("button")].find((button) => button.dataset.key === had)?.focus();
  }

  function drawSums(panel) {
    const sums = new Map();
    for (const name of panel.names) {
      const device = live.devices.get(name);
      if (device) sums.set(groupOf(device), (sums.get(groupOf(device)) ?? 0) + 1);
    }
    panel.sums(sums);
  }

  // -- how it is laid out ----------------------------------------------------------------------------------------------------

  function arrange() {
    const plan = layout(live.devices.values(), relayBoards);
    const before = new Map(panels.map((panel) => [panel.key, panel]));
    panels = plan.boards.map((board) => {
      const is = JSON.stringify(board);
      const known = before.get(board.key);
      return known?.is === is ? known : Object.assign(boardPanel(board, pick.box), { is, filled: false });
    });
    if (plan.others.length) {
      const is = JSON.stringify(plan.others);
      const known = before.get("");
      panels.push(known?.is === is ? known : Object.assign(otherPanel(plan.others, pick.box), { is, filled: false }));
    }
    for (const panel of before.values()) if (!panels.includes(panel)) pick.forgetBoxes(panel.element), panel.element.remove();
    panelOf = new Map(panels.flatMap((panel) => panel.names.map((name) => [name, panel])));
    placed = new Map([...live.devices.values()].map((device) => [device.name, device.relay_info]));
    names = panels.flatMap((panel) => panel.names);
    for (const [name, cell] of cells) if (!panelOf.has(name)) cell.element.remove(), cells.delete(name);
    pick.only(pick.names().filter((name) => panelOf.has(name)));
    let next = area.firstChild;
    for (const panel of panels) {
      if (panel.element === next) next = next.nextSibling;
      else area.insertBefore(panel.element, next);
      drawSums(panel);
    }
    unfilled = panels.filter((panel) => !panel.filled);
    for (const panel of unfilled.splice(0, AT_ONCE)) fillPanel(panel);
    idle(fillMore);
    if (!panelOf.has(current)) current = names[0] ?? null;
    if (current) cellOf(current).link.tabIndex = 0;
    nothing.hidden = panels.length > 0;
    search.refresh();
    drawFound();
  }

  function fillMore() {
    const until = performance.now() + TURN_MS;
    while (unfilled.length && performance.now() < until) fillPanel(unfilled.shift());
    if (unfilled.length && !closed) idle(fillMore);
  }

  function fillPanel(panel) {
    if (panel.filled) return;
    panel.filled = true;
    const start = commonStart(panel.names);
    panel.fill((name) => {
      let cell = cells.get(name);
      if (!cell) {
        cells.set(name, (cell = makeCell(name, start)));
        cell.pick(pick.has(name));
      }
      drawCell(cell);
      return cell;
    });
  }

  // -- what people do --------------------------------------------------------------------------------------------------------

  const nameAt = (event) => event.target.closest?.(".cell[data-name]")?.dataset.name;

  function focus(name) {
    if (current && cells.has(current)) cells.get(current).link.tabIndex = -1;
    current = name;
    const { link } = cellOf(name);
    link.tabIndex = 0;
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }

  let byTouch = false;
  area.addEventListener("pointerdown", (event) => (byTouch = event.pointerType === "touch"));
  area.addEventListener("click", (event) => {
    const name = nameAt(event);
    if (!name) return;
    if (event.shiftKey) event.preventDefault(), pick.range(name);
    else if (event.ctrlKey || event.metaKey || selecting || pick.size) event.preventDefault(), pick.toggle(name);
    else if (byTouch) event.preventDefault(), why.pin(cellOf(name));
  });
  area.addEventListener("dragstart", (event) => event.preventDefault());
  area.addEventListener("keydown", (event) => {
    const name = nameAt(event);
    if (event.key === "Escape") {
      if (why.shown) why.hide();
      else pick.clear();
    }
    if (!name) return;
    if (event.key === " ") {
      event.preventDefault();
      pick.toggle(name);
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      pick.only(active() ? names.filter((one) => matches(live.devices.get(one))) : names);
    } else if (["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
      const next = stepTo(event.key, name, { panels: () => panels, cellOf, order: () => names });
      if (!next) return;
      event.preventDefault();
      if (event.shiftKey) pick.from(name);
      focus(next);
      if (event.shiftKey) pick.range(next);
    }
  });
  area.addEventListener("pointerover", (event) => {
    const name = nameAt(event);
    if (event.pointerType !== "touch" && name) why.over(cellOf(name));
  });
  area.addEventListener("pointerout", (event) => event.pointerType !== "touch" && nameAt(event) && why.out());
  area.addEventListener("focusin", (event) => {
    const name = nameAt(event);
    if (!name) return;
    if (name !== current) {
      if (cells.has(current)) cells.get(current).link.tabIndex = -1;
      current = name;
      cellOf(name).link.tabIndex = 0;
    }
    if (event.target.matches(":focus-visible")) why.over(cellOf(name), true);
  });
  area.addEventListener("focusout", () => why.out());
  const endFrame = frame(area, {
    panels: () => panels, cellOf,
    done: (list, adds) => (adds ? pick.add(list) : pick.only(list)),
  });

  // -- what changes ----------------------------------------------------------------------------------------------------------

  async function readBoards() {
    try {
      relayBoards = (await get("relay/list")).relay_boards;
    } catch (error) {
      if (!closed && live.status.connected) warn(`The relay boards could not be read: ${error.message}`);
    }
    if (closed) return;
    arrange();
    const wanted = query.get("board");
    if (wanted) panels.find((panel) => panel.name === wanted)?.element.scrollIntoView({ block: "start" });
    query.delete("board");
  }

  // Arranged once, when the boards' names are known: a panel is made anew when its name changes.
  recolour();
  readBoards();

  const end = live.subscribe((news) => {
    if (news.kinds.has("relay_board")) readBoards();
    if (!news.devices.size) return;
    counts.update(news.devices, live.devices);
    const moved = [...news.devices].some((name) => placed.get(name) !== live.devices.get(name)?.relay_info);
    if (moved) arrange();
    const now = mode(), filtered = active();
    const touched = new Set();
    for (const name of news.devices) {
      const cell = cells.get(name);
      if (cell) drawCell(cell, now, filtered);
      if (panelOf.has(name)) touched.add(panelOf.get(name));
    }
    for (const panel of touched) drawSums(panel);
    drawLegend();
    if (filtered) drawFound();
    why.changed(news.devices);
  });
  const ticking = setInterval(() => mode().ticks && (recount(), redraw()), TICK_MS);
  function recount() {
    counts.update(live.devices.keys(), live.devices);
    drawLegend();
  }

  return () => {
    closed = true;
    end();
    endFrame();
    clearInterval(ticking);
    why.close();
  };
}
