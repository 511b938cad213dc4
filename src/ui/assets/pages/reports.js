// Reports: how the lab did, as a chart and as a table, for a time and grouped as one likes. The address keeps all that is chosen.

import { get, path, query as queryOf } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { href, setQuery } from "../core/router.js";
import { GROUPS } from "../core/states.js";
import { parse, point, span } from "../core/time.js";
import { deviceLink } from "../parts/badge.js";
import { SHOWN_MAX, bars, days, legend, stacked } from "../parts/chart.js";
import { table } from "../parts/table.js";

/** How devices are now is counted again after changes, but not more often. */
const STATUS_REST_MS = 2000;
const DAYS = ["7", "30", "90"];
const USUAL_DAYS = "30";
const OWN = "own";

/** What is drawn where rows are not made of groups: a column, and one that reaches further. */
const DRAWN = { ready: ["median", "p90"], failures: ["count"], use: ["held"] };

const BY = { hardware: "hardware", environment: "environment", image: "image", server: "server", device: "device", assignee: "assignee", cause: "cause", day: "day" };

export const style = "report";
export const title = ({ report }) => (report ? `Report: ${report}` : "Reports");

export function open(root, { params, query }) {
  const tabs = h("nav", { class: "tabs", "aria-label": "Reports" });
  const body = h("div", { class: "report" });
  put(root, h("div", { class: "head" }, h("h1", {}, "Reports")), tabs, body);
  let ended = false;
  let shown = { close() {} };
  (async () => {
    try {
      const { reports } = await get("report/list");
      if (ended) return;
      const report = params.report ? reports.find((one) => one.name === params.report) : reports[0];
      // The first report has an address of its own, which is the one to keep.
      if (report && !params.report) history.replaceState(null, "", href("reports", report.name) + location.search);
      put(tabs, reports.map((one) => h("a", { href: href("reports", one.name), "aria-current": one === report ? "page" : null }, one.title)));
      if (report) shown = show(body, report, query);
      else put(body, h("p", { class: "notice bad" }, `There is no report ${params.report}.`));
    } catch (error) {
      if (!ended) put(body, h("p", { class: "notice bad" }, `There are no reports: ${error.message}.`));
    }
  })();
  return () => {
    ended = true;
    shown.close();
  };
}

function show(body, report, query) {
  const now = report.name === "status";
  const by = h("select", { id: "by", on: { change: chosen } }, report.by.map((one) => h("option", { value: one }, BY[one] ?? one)));
  const window = h("select", { id: "window", on: { change: chosen } }, DAYS.map((n) => h("option", { value: n }, `last ${n} days`)), h("option", { value: OWN }, "own dates"));
  const from = h("input", { id: "from", type: "date", value: query.get("from") ?? "", on: { change: chosen } });
  const to = h("input", { id: "to", type: "date", value: query.get("to") ?? "", on: { change: chosen } });
  const own = h("span", { class: "rowwise" }, h("label", { for: "from" }, "from"), from, h("label", { for: "to" }, "to"), to);
  by.value = report.by.includes(query.get("by")) ? query.get("by") : report.by[0];
  window.value = query.get("from") || query.get("to") ? OWN : DAYS.includes(query.get("days")) ? query.get("days") : USUAL_DAYS;
  const csv = h("a", { class: "button", download: `${report.name}.csv` }, "CSV");
  const when = h("p", { class: "soft small", role: "status" });
  const total = h("dl", { class: "total" });
  const picture = h("figure", { class: "card" });
  const figures = h("div", { class: "report-figures" });
  put(body, h("div", { class: "head" }, h("div", { class: "grow" }, h("h2", {}, report.title), h("p", { class: "soft" }, report.about))),
    h("div", { class: "filters" }, h("label", { for: "by" }, "By"), by, !now && [h("label", { for: "window" }, "Time"), window, own], h("span", { class: "grow" }), csv),
    when, total, picture, figures);

  let turn = 0;
  let grid = null;
  let gridIs = "";
  let chart = null;
  let timer = null;

  function asked() {
    if (now) return { by: by.value };
    const mine = window.value === OWN;
    return mine ? { by: by.value, from: from.value, to: to.value } : { by: by.value, days: window.value };
  }

  function chosen() {
    // Own dates begin where the last window did, so that they can be moved from there.
    if (window.value === OWN && !from.value && last) [from.value, to.value] = [last.from.slice(0, 10), last.to.slice(0, 10)];
    const values = asked();
    setQuery({ by: values.by, days: values.days === USUAL_DAYS ? null : values.days, from: values.from, to: values.to });
    read();
  }

  let last = null;
  async function read() {
    const mine = ++turn;
    const values = asked();
    own.hidden = window.value !== OWN;
    const where = path`report/${report.name}` + queryOf(values);
    csv.href = `/api/${path`report/${report.name}`}${queryOf({ ...values, format: "csv" })}`;
    try {
      const answer = await get(where);
      if (mine === turn) draw((last = answer));
    } catch (error) {
      if (mine !== turn) return;
      end();
      put(total);
      put(figures);
      say(when, "");
      put(picture, h("p", { class: "notice bad", role: "alert" }, error.message));
    }
  }

  function end() {
    chart?.close();
    grid?.close();
    chart = grid = null;
  }

  function draw(answer) {
    say(when, now ? `As it is now, ${point(parse(answer.to))}` : `From ${point(parse(answer.from))} to ${point(parse(answer.to))}`);
    drawTotal(answer);
    const keys = answer.columns.filter((column) => column.name === answer.by || (answer.by === "cause" && column.name === "image"));
    const columns = answer.columns.map((column) => ({
      name: column.name, title: column.title, class: column.kind === "text" ? null : "num",
      value: (row) => row[column.name], cell: (row) => cell(row[column.name], column, keys.includes(column)),
    }));
    const rows = answer.rows.map((row, place) => ({ ...row, place }));
    if (rows.length === 0) {
      end();
      put(picture, h("p", { class: "empty" }, "Nothing happened in this time. Choose a longer one, or another report."));
      return void put(figures);
    }
    chart?.close();
    drawChart(answer);
    // The same table with other figures stays as people have sorted and scrolled it.
    const shape = JSON.stringify([answer.by, answer.columns]);
    if (!grid || gridIs !== shape) {
      grid?.close();
      grid = table({ caption: `${report.title} by ${answer.by}`, columns, key: (row) => row.place, sort: { name: answer.by === "day" ? "day" : null, descending: true } });
      gridIs = shape;
      put(figures, grid.element);
    }
    grid.setRows(rows);
  }

  function drawTotal(answer) {
    put(total, answer.total && answer.columns.filter((column) => column.kind !== "text").map((column) => {
      const value = answer.total[column.name];
      return value !== null && value !== undefined && h("div", {}, h("dt", {}, column.title), h("dd", {}, cell(value, column)));
    }));
  }

  function drawChart(answer) {
    const { by: key } = answer;
    const byDay = key === "day";
    // Some reports have one column of such a name, which means something else.
    const all = GROUPS.every(({ name }) => answer.columns.some((column) => column.name === name));
    const groups = (all ? GROUPS : []).map(({ name, title: words }) => ({ name, title: words, group: true }));
    const name = (row) => [row[key] || "(none)", key === "cause" && row.image].filter(Boolean).join(" · ");
    const heading = `${report.title} by ${key}`;
    const few = byDay ? [...answer.rows].sort((a, b) => (a.day < b.day ? -1 : 1)) : answer.rows.slice(0, SHOWN_MAX);
    const about = `${report.about} The table below has the same figures.`;
    if (groups.length) {
      const percent = answer.columns.find((column) => column.name === groups[0].name).kind === "percent";
      const rows = few.map((row) => ({ label: name(row), values: row }));
      const figure = (n) => (percent ? `${Math.round(n)} %` : String(Math.round(n)));
      const options = { title: heading, about, rows, series: groups, whole: percent ? 100 : null, show: figure };
      chart = byDay ? days({ ...options, pile: true }) : stacked(options);
      fill(put(picture), legend(groups), chart.element);
    } else {
      const [main, further] = DRAWN[report.name] ?? [answer.columns.find((column) => column.kind !== "text").name];
      const of = (one) => answer.columns.find((column) => column.name === one);
      const figure = (n) => words(n, of(main).kind);
      if (byDay) {
        const series = [main, further].filter(Boolean).map((one, nth) => ({ name: one, title: of(one).title, second: nth > 0 }));
        chart = days({ title: heading, about, rows: few.map((row) => ({ label: name(row), values: row })), series, show: figure });
        fill(put(picture), legend(series), chart.element);
      } else {
        const rows = few.map((row) => ({ label: name(row), value: row[main], row }));
        chart = bars({ title: heading, about, rows, show: figure, more: ({ row }) => (further ? row[further] : null) });
        fill(put(picture), legend([{ title: of(main).title }, further && { title: of(further).title, second: true }].filter(Boolean)), chart.element);
      }
    }
    if (few.length < answer.rows.length) fill(picture, h("figcaption", { class: "soft small" }, `The first ${few.length} of ${answer.rows.length}; the table has all.`));
  }

  read();
  const stop = live.subscribe((news) => {
    if (!now || !news.devices.size) return;
    timer ??= setTimeout(() => ((timer = null), read()), STATUS_REST_MS);
  });
  return {
    close() {
      turn++;
      stop();
      clearTimeout(timer);
      end();
    },
  };
}

/** A figure in words. */
function words(value, kind) {
  if (kind === "seconds") return span(value * 1000);
  if (kind === "percent") return `${value.toFixed(1)} %`;
  return Number.isInteger(value) ? value.toLocaleString() : value.toFixed(1);
}

function cell(value, column, isKey = false) {
  if (value === null || value === undefined) return h("span", { class: "soft" }, "–");
  if (column.kind !== "text") return words(value, column.kind);
  if (isKey && column.name === "device") return deviceLink(value);
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return h("time", { datetime: value, title: value }, point(parse(value)));
  return value || h("span", { class: "soft" }, "(none)");
}
