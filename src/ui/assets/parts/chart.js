// Charts, drawn as SVG as wide as there is room. Each has a title and a description; the figures stand in a table beside it, and
// what colours tell is told by patterns, too.

import { h, newId, put, s } from "../core/dom.js";

/** Rows that one chart shows; the table has all. */
export const SHOWN_MAX = 24;
const ROW = 28;
const BAR = 18;
const TALL = 240;
/** What a letter takes at the charts' size, in pixels, a little more rather than less. */
const LETTER = 7.2;
/** Width before the first measure. */
const WIDE = 800;

/**
 * A chart that draws itself anew when its room changes. `draw(width)` gives `{height, content}`; `about` is read to those who hear the
 * page instead of seeing it.
 */
function canvas(title, about, draw) {
  const [name, description] = [newId("chart"), newId("chart")];
  const svg = s("svg", { class: "chart", role: "img", "aria-labelledby": `${name} ${description}` });
  const box = h("div", { class: "chart-box" }, svg);
  let width = 0;
  function redraw() {
    const now = Math.round(box.clientWidth) || WIDE;
    if (now === width) return;
    width = now;
    const { height, content } = draw(width);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    put(svg, s("title", { id: name }, title), s("desc", { id: description }, about), content);
  }
  redraw();
  const watch = new ResizeObserver(redraw);
  watch.observe(box);
  return { element: box, close: () => watch.disconnect() };
}

const cut = (text, px) => (text.length * LETTER <= px ? text : `${text.slice(0, Math.max(1, Math.floor(px / LETTER) - 1))}…`);
const label = (x, y, text, px, properties = {}) => s("text", { x, y, ...properties }, cut(text, px), s("title", {}, text));
const sum = (row, series) => series.reduce((total, one) => total + (row.values[one.name] ?? 0), 0);

/** Signs of series in an SVG of their own: `failed` is striped, `out` dotted, and so on, for those who do not see colours. */
function patterns(id) {
  const pattern = (name, size, ...content) => s("pattern", { id: `${id}-${name}`, width: size, height: size, patternUnits: "userSpaceOnUse" }, content);
  const line = (d) => s("path", { d, class: "pattern" });
  return s("defs", {}, pattern("working", 6, line("M0 3H6")), pattern("failed", 7, line("M-1 8L8 -1M-1 1L1 -1M6 8L8 6")), pattern("out", 6, s("circle", { cx: 3, cy: 3, r: 1.2, class: "dot" })));
}

const PATTERNED = new Set(["working", "failed", "out"]);

function block(id, series, x, y, width, height, text) {
  const shape = { x, y, width: Math.max(0, width), height };
  return s("g", { class: `group-${series.name}` }, s("rect", { ...shape, class: "block" }), PATTERNED.has(series.name) && s("rect", { ...shape, fill: `url(#${id}-${series.name})` }), s("title", {}, text));
}

/**
 * A bar per row, of parts: `rows` are `{label, values: {series: number}}`, `series` `{name, title}`, names those of state groups.
 * `whole` is what a full bar means; without it the largest row is. `show(number)` puts a number in words.
 */
export function stacked({ title, about, rows, series, whole = null, show }) {
  const id = newId("pattern");
  const top = whole ?? Math.max(1, ...rows.map((row) => sum(row, series)));
  return canvas(title, about, (width) => {
    const names = namesWidth(rows, width);
    const room = width - names - 8;
    const content = rows.map((row, place) => {
      const y = place * ROW;
      let x = names;
      const parts = series.map((one) => {
        const value = row.values[one.name] ?? 0;
        const long = (value / top) * room;
        const words = show(value);
        const drawn = value > 0 && [block(id, one, x, y + 5, long - 1, BAR, `${row.label}: ${words} ${one.title}`),
          words.length * LETTER + 14 < long && s("text", { x: x + 5, y: y + 18, class: `on-group group-${one.name}` }, words)];
        x += long;
        return drawn;
      });
      return [label(0, y + 19, row.label, names - 8), parts];
    });
    return { height: rows.length * ROW + 4, content: [patterns(id), content] };
  });
}

/** A bar per row; `more(row)` may give a second number, which a line shows at its end. */
export function bars({ title, about, rows, show, more = () => null }) {
  const top = Math.max(1e-9, ...rows.map((row) => Math.max(row.value ?? 0, more(row) ?? 0)));
  return canvas(title, about, (width) => {
    const names = namesWidth(rows, width);
    const figures = rows.some((row) => more(row) !== null) ? 150 : 76;
    const room = Math.max(20, width - names - figures - 8);
    const content = rows.map((row, place) => {
      const y = place * ROW;
      const long = ((row.value ?? 0) / top) * room;
      const far = more(row);
      const end = names + (Math.max(row.value ?? 0, far ?? 0) / top) * room;
      return [label(0, y + 19, row.label, names - 8),
        s("g", { class: "beam" }, s("rect", { x: names, y: y + 5, width: Math.max(1, long), height: BAR, rx: 2 }), s("title", {}, `${row.label}: ${show(row.value)}${far === null ? "" : `, ${show(far)}`}`)),
        far !== null && s("path", { d: `M${names + long} ${y + 14}H${end}M${end} ${y + 8}v12`, class: "whisker" }),
        s("text", { x: end + 6, y: y + 19, class: "figure" }, row.value === null ? "–" : far === null ? show(row.value) : `${show(row.value)} to ${show(far)}`)];
    });
    return { height: rows.length * ROW + 4, content };
  });
}

/** By day: `series` are `{name, title}`; the first is drawn full, the others dashed. `pile` puts them onto each other. */
export function days({ title, about, rows, series, show, pile = false, whole = null }) {
  const id = newId("pattern");
  const value = (row, one) => row.values[one.name];
  const top = whole ?? Math.max(1e-9, ...rows.map((row) => (pile ? sum(row, series) : Math.max(...series.map((one) => value(row, one) ?? 0)))));
  return canvas(title, about, (width) => {
    const left = Math.max(...[0, top / 2, top].map((n) => show(n).length)) * LETTER + 14;
    const [room, tall] = [width - left - 8, TALL - 40];
    const step = room / Math.max(1, rows.length);
    const broad = Math.min(step * 0.8, 56);
    const x = (place) => left + step * (place + 0.5);
    const y = (number) => 10 + tall - (number / top) * tall;
    const grid = [0, top / 2, top].map((n) => [s("path", { d: `M${left} ${y(n)}H${width - 8}`, class: "axis" }), s("text", { x: left - 6, y: y(n) + 4, class: "end" }, show(n))]);
    // Days are named as often as there is room for "23 Nov".
    const every = Math.max(1, Math.ceil(52 / step));
    const names = rows.map((row, place) => place % every === 0 && s("text", { x: x(place), y: TALL - 10, class: "middle" }, shortDay(row.label)));
    const drawn = pile
      ? rows.map((row, place) => {
          let from = 0;
          return series.map((one) => {
            const n = value(row, one) ?? 0;
            const at = y(from + n);
            const tile = n > 0 && block(id, one, x(place) - broad / 2, at, broad, Math.max(0, y(from) - at - 0.5), `${row.label}: ${show(n)} ${one.title}`);
            from += n;
            return tile;
          });
        })
      : series.map((one, nth) => [
          s("path", { d: path(rows.map((row, place) => (value(row, one) == null ? null : [x(place), y(value(row, one))]))), class: ["curve", nth > 0 && "second"] }),
          rows.map((row, place) => value(row, one) != null && s("g", { class: ["point", nth > 0 && "second"] }, s("circle", { cx: x(place), cy: y(value(row, one)), r: 3 }), s("title", {}, `${row.label}: ${show(value(row, one))} ${one.title}`))),
        ]);
    return { height: TALL, content: [patterns(id), grid, names, drawn] };
  });
}

/** A line through points; it breaks where there is none. */
function path(points) {
  let text = "";
  let begun = false;
  for (const point of points) {
    if (point) text += `${begun ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    begun = point !== null;
  }
  return text;
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const shortDay = (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? DAY.format(new Date(`${text}T00:00:00Z`)) : text);

const namesWidth = (rows, width) => Math.min(width * 0.34, Math.max(40, ...rows.map((row) => row.label.length * LETTER)) + 12);

/** What the colours and patterns of a chart mean. */
export const legend = (series) =>
  h("ul", { class: "chart-legend" }, series.map((one) => h("li", { class: one.group ? ["state", `group-${one.name}`] : ["key", one.second && "second"] }, one.title)));
