// The five large figures with their shares, and the matrix of environments and hardware types. Both are counted change by change.

import { query } from "../../core/api.js";
import { h, put, say } from "../../core/dom.js";
import { href } from "../../core/router.js";
import { GROUPS, groupOf } from "../../core/states.js";
import { tally } from "../../core/tally.js";

const SEPARATOR = "\u0000";
const compare = new Intl.Collator(undefined, { numeric: true }).compare;

const listOf = (values) => href("devices") + query(values);

const share = (count, all) => {
  if (!all) return "–";
  const percent = (100 * count) / all;
  return count && percent < 1 ? "< 1 %" : `${Math.round(percent)} %`;
};

/** A bar of the groups' shares; what it shows is said in words elsewhere. */
export function meter(count) {
  const all = GROUPS.reduce((sum, { name }) => sum + count(name), 0);
  return h("span", { class: "meter", "aria-hidden": "true" }, GROUPS.filter(({ name }) => count(name)).map(({ name }) =>
    h("span", { class: `group-${name}`, style: { width: `${(100 * count(name)) / all}%` } })));
}

/** Gives `{figures, matrix, update(names, devices)}`. */
export function figures() {
  const groups = tally();
  const places = tally((device) => [[device.environment ?? "", device.hardware_type ?? "", groupOf(device)].join(SEPARATOR)]);

  const cards = GROUPS.map(({ name, title, about }) => {
    const number = h("strong", { class: "number" });
    const part = h("span", { class: "soft" });
    const element = h("a", { class: ["figure", "card", `group-${name}`], href: `${href("devices")}?group=${name}`, title: about },
      h("span", { class: ["state", `group-${name}`] }, title), number, part);
    return { name, element, number, part };
  });
  const bar = h("div");
  const element = h("section", { class: "figures", "aria-label": "Devices" }, h("div", { class: "figure-row" }, cards.map((card) => card.element)), bar);
  const table = h("table", { class: "matrix" });
  const matrix = h("section", { class: "card wide-card", "aria-labelledby": "matrix-title" },
    h("h2", { id: "matrix-title" }, "By environment and hardware"), h("div", { class: "matrix-box", tabindex: "0", role: "region", "aria-label": "Devices by environment and hardware" }, table));

  let matrixIs = "";
  function drawMatrix() {
    const counts = new Map();
    const rows = new Set(), columns = new Set();
    for (const key of places.keys()) {
      const [environment, type, group] = key.split(SEPARATOR);
      rows.add(environment);
      columns.add(type);
      for (const place of [[environment, type], [environment, null], [null, type], [null, null]]) {
        const at = JSON.stringify(place);
        if (!counts.has(at)) counts.set(at, new Map());
        counts.get(at).set(group, (counts.get(at).get(group) ?? 0) + places.count(key));
      }
    }
    const down = [...rows].sort(compare), across = [...columns].sort(compare);
    const is = JSON.stringify([down, across, [...counts].map(([at, groupsOf]) => [at, [...groupsOf]])]);
    if (is === matrixIs) return;
    matrixIs = is;
    matrix.hidden = !down.length;
    const cell = (environment, type) => {
      const own = counts.get(JSON.stringify([environment, type]));
      if (!own) return h("td", { class: "soft" }, h("span", { class: "sr" }, "none"));
      const count = (name) => own.get(name) ?? 0;
      const all = [...own.values()].reduce((sum, one) => sum + one, 0);
      const words = GROUPS.filter(({ name }) => count(name)).map(({ name, title }) => `${count(name)} ${title}`).join(", ");
      return h("td", {}, h("a", { href: listOf({ environment: environment ?? "", hardware: type ?? "" }), title: words, "aria-label": `${all}: ${words}` },
        h("span", { class: "matrix-count" }, h("strong", {}, count("free")), h("span", { class: "soft" }, ` free of ${all}`), count("failed") ? h("span", { class: "state group-failed small" }, count("failed")) : null),
        meter(count)));
    };
    const several = { rows: down.length > 1, columns: across.length > 1 };
    put(table,
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "environment"), across.map((type) => h("th", { scope: "col" }, type || "no type")), several.columns && h("th", { scope: "col" }, "all"))),
      h("tbody", {}, down.map((environment) => h("tr", {}, h("th", { scope: "row" }, environment || "none"), across.map((type) => cell(environment, type)), several.columns && cell(environment, null))),
        several.rows && h("tr", { class: "sum" }, h("th", { scope: "row" }, "all"), across.map((type) => cell(null, type)), several.columns && cell(null, null))));
  }

  return {
    element, matrix,
    update(changed, devices) {
      const names = [...changed];
      groups.update(names, devices);
      places.update(names, devices);
      for (const { name, number, part } of cards) {
        say(number, groups.count(name));
        say(part, share(groups.count(name), groups.size));
      }
      put(bar, meter(groups.count));
      drawMatrix();
    },
  };
}
