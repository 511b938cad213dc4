// A table for up to many thousands of rows: sorted, filtered, with a selection, and drawn only where it is looked at. Rows are
// objects that are replaced when they change; a row that is the same object is not drawn again, so nothing moves under a pointer.

import { h, newId, put, setOrder } from "../core/dom.js";

/** Rows above and below the visible ones that are drawn, too: for quick scrolling. */
const SPARE = 12;
/** Up to so many rows all are drawn: small tables print, and are found by the browser's own search. */
const ALL_UP_TO = 120;
/** Where more than one row in so many has another place, all are sorted; where fewer, they are put between the others. */
const FEW = 8;

const compare = new Intl.Collator(undefined, { numeric: true }).compare;

/**
 * A table. `columns`: `{name, title, cell(row) → node or text, value(row) → what it is sorted by, class}`; without `value` it is
 * not sorted by. `key(row)` identifies a row, `label(row)` names it for those who hear the page. `select: true` adds tick boxes,
 * which rows do not get of which `selectable(row)` is false. `open(row)` is called for a double click or Enter. `onSelect(keys)`;
 * `onSort({name, descending})`.
 * Gives `{element, setRows(rows), selected(), clearSelection(), select(keys), close()}`.
 */
export function table({
  caption, columns, key, label = key, select = false, selectable = () => true, open = null, onSelect = () => {}, onSort = () => {},
  sort = null, empty = "Nothing here.",
}) {
  /** What is known of each row, by its key: `{name, row, value, can}`; `value` is what it is sorted by. */
  let entries = new Map();
  /** The same in the order that is shown. */
  let order = [];
  let by = sort ?? { name: null, descending: false };
  let anchor = null;
  let can = 0;
  const drawn = new Map();
  const picked = new Set();

  const id = newId("table");
  const all = select && h("input", { type: "checkbox", "aria-label": "Select all shown", on: { change: () => pickAll(all.checked) } });
  const heads = columns.map((column) => {
    const text = column.value
      ? h("button", { type: "button", on: { click: () => sortBy(column.name, by.name === column.name && !by.descending) } }, column.title)
      : column.title;
    return h("th", { scope: "col", class: column.class, data: { column: column.name } }, text);
  });
  const above = pad(), below = pad();
  const body = h("tbody");
  const nothing = h("p", { class: "empty", hidden: true }, empty);
  const element = h("div", { class: "grid", tabindex: "0", role: "region", "aria-labelledby": id, on: { scroll: later, keydown: onKey } },
    h("table", { "aria-rowcount": "0" },
      h("caption", { class: "sr", id }, caption),
      h("thead", {}, h("tr", {}, select && h("th", { scope: "col", class: "pick" }, all), heads)), body), nothing);
  const whole = element.firstChild;

  function pad() {
    const cell = h("td", { colspan: columns.length + (select ? 1 : 0) });
    return { row: h("tr", { class: "pad", "aria-hidden": "true" }, cell), cell, set: (px) => cell.style.setProperty("height", `${px}px`) };
  }

  function sortBy(name, descending = false) {
    by = { name, descending };
    onSort(by);
    const valueOf = sorted();
    for (const entry of entries.values()) entry.value = valueOf?.(entry.row) ?? "";
    if (valueOf) order.sort(inOrder);
    drawHeads();
    draw();
    element.scrollTop = 0;
  }

  /** What rows are sorted by now, or `undefined`. */
  const sorted = () => columns.find((one) => one.name === by.name)?.value;

  function inOrder({ value: x, name: a }, { value: y, name: b }) {
    const first = typeof x === "number" && typeof y === "number" ? (x === y ? 0 : x - y) : compare(String(x), String(y));
    return (by.descending ? -first : first) || compare(String(a), String(b));
  }

  function drawHeads() {
    for (const head of heads) {
      if (head.dataset.column === by.name) head.setAttribute("aria-sort", by.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /** Other rows. To sort thousands takes longer than a frame, so where few of them have another place only those are put into it. */
  function setRows(list) {
    const valueOf = sorted();
    const before = entries;
    const moved = new Set();
    entries = new Map();
    can = 0;
    for (const row of list) {
      const name = key(row);
      let entry = before.get(name);
      if (entry?.row !== row) {
        const value = valueOf?.(row) ?? "";
        const stays = entry && entry.value === value;
        entry = Object.assign(entry ?? { name }, { row, value, can: selectable(row) });
        if (!stays) moved.add(entry);
      }
      if (entry.can) can++;
      entries.set(name, entry);
    }
    if (!valueOf) {
      order = [...entries.values()];
    } else if (moved.size * FEW > entries.size) {
      order = [...entries.values()].sort(inOrder);
    } else {
      // An entry is the same object for as long as its row is shown.
      if (moved.size || entries.size !== order.length) order = order.filter((entry) => entries.get(entry.name) === entry && !moved.has(entry));
      if (moved.size) order = merged(order, [...moved].sort(inOrder));
    }
    let gone = false;
    for (const one of picked) if (!entries.get(one)?.can) picked.delete(one), (gone = true);
    whole.setAttribute("aria-rowcount", order.length);
    nothing.hidden = order.length > 0;
    draw();
    if (gone) picksChanged();
    else drawAll();
  }

  /** Two sorted lists as one; the second is short. */
  function merged(long, short) {
    const made = [];
    let done = 0;
    for (const entry of short) {
      let from = done, to = long.length;
      while (from < to) {
        const middle = (from + to) >> 1;
        if (inOrder(long[middle], entry) < 0) from = middle + 1;
        else to = middle;
      }
      while (done < from) made.push(long[done++]);
      made.push(entry);
    }
    while (done < long.length) made.push(long[done++]);
    return made;
  }

  let due = false;
  function later() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => ((due = false), draw()));
  }

  function draw() {
    const height = drawn.size ? body.querySelector("tr:not(.pad)")?.offsetHeight || 36 : 36;
    let from = 0, to = order.length;
    if (order.length > ALL_UP_TO) {
      // A table that is not scrolled itself is scrolled with the page.
      const own = element.scrollHeight > element.clientHeight + 1 && getComputedStyle(element).maxHeight !== "none";
      const top = own ? element.scrollTop : Math.max(0, -element.getBoundingClientRect().top);
      const seen = own ? element.clientHeight : innerHeight;
      from = Math.max(0, Math.min(Math.floor(top / height) - SPARE, order.length - ALL_UP_TO));
      to = Math.min(order.length, from + Math.ceil(seen / height) + 2 * SPARE);
    }
    const keep = new Set();
    const wanted = [];
    for (let at = from; at < to; at++) {
      const { row, name } = order[at];
      keep.add(name);
      let line = drawn.get(name);
      if (!line || line.row !== row) {
        const fresh = makeLine(row, name);
        if (line) replace(line.element, fresh.element);
        drawn.set(name, (line = fresh));
      }
      line.element.setAttribute("aria-rowindex", at + 2);
      mark(line);
      wanted.push(line.element);
    }
    for (const [name, line] of drawn) if (!keep.has(name)) line.element.remove(), drawn.delete(name);
    above.set(from * height);
    below.set((order.length - to) * height);
    setOrder(body, [above.row, ...wanted, below.row]);
  }

  /** A line for the same row; who has the focus in one has it at the same place of the other. */
  function replace(old, fresh) {
    const places = (line) => [...line.querySelectorAll("input, a, button")];
    const at = old.contains(document.activeElement) ? places(old).indexOf(document.activeElement) : -1;
    old.replaceWith(fresh);
    if (at >= 0) places(fresh)[at]?.focus({ preventScroll: true });
  }

  function makeLine(row, name) {
    const box = select && selectable(row) && h("input", { type: "checkbox", "aria-label": `Select ${label(row)}`, on: { click: (event) => pick(name, event) } });
    const element = h("tr", { data: { key: name }, on: { dblclick: (event) => event.target.closest("a, input, button") || open?.(row) } },
      select && h("td", { class: "pick" }, box),
      columns.map((column) => h("td", { class: column.class, data: { column: column.name } }, column.cell(row))));
    return { row, element, box, name };
  }

  function mark(line) {
    if (!line.box) return;
    const on = picked.has(line.name);
    line.box.checked = on;
    line.element.setAttribute("aria-selected", String(on));
  }

  function pick(name, event) {
    const on = !picked.has(name);
    const names = order.filter((entry) => entry.can).map((entry) => entry.name);
    const [from, to] = [names.indexOf(anchor), names.indexOf(name)];
    // With shift all rows between this and the last one, of those that are shown.
    const range = event.shiftKey && from >= 0 ? names.slice(Math.min(from, to), Math.max(from, to) + 1) : [name];
    for (const one of range) on ? picked.add(one) : picked.delete(one);
    anchor = name;
    picksChanged();
  }

  function pickAll(on) {
    picked.clear();
    if (on) for (const entry of order) if (entry.can) picked.add(entry.name);
    picksChanged();
  }

  function picksChanged() {
    for (const line of drawn.values()) mark(line);
    drawAll();
    onSelect([...picked]);
  }

  function drawAll() {
    if (!all) return;
    all.checked = can > 0 && picked.size === can;
    all.indeterminate = picked.size > 0 && picked.size < can;
  }

  function onKey(event) {
    const line = event.target.closest?.("tr[data-key]");
    if (!line || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    if (event.key === "Enter") {
      if (event.target.matches("a, button")) return;
      const entry = order.find((one) => String(one.name) === line.dataset.key);
      return void (entry && open?.(entry.row));
    }
    const next = event.key === "ArrowDown" ? line.nextElementSibling : line.previousElementSibling;
    const target = next?.querySelector("input, a, button");
    if (target) {
      event.preventDefault();
      target.focus();
    }
  }

  addEventListener("scroll", later, { passive: true });
  addEventListener("resize", later);
  put(body, above.row, below.row);
  drawHeads();

  return {
    element,
    setRows,
    selected: () => [...picked],
    clearSelection: () => pickAll(false),
    select(keys) {
      picked.clear();
      for (const one of keys) picked.add(one);
      picksChanged();
    },
    close() {
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
    },
  };
}
