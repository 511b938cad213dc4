// Administration: lists of what there is, with ways to make, change and delete it; and all of it as a lab file.

import { ApiError, get, path, postText } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { go, href } from "../core/router.js";
import { confirm } from "../parts/dialog.js";
import { filters } from "../parts/filters.js";
import { KINDS, labelOf } from "../parts/kinds.js";
import { selectLine } from "../parts/select-line.js";
import { table } from "../parts/table.js";
import { tell, warn } from "../parts/toast.js";

const LAB = "lab";
export const CANDIDATES = "candidates";
export const TOKENS = "tokens";
export const AUDIT = "audit";
/** What an import may be, as in the API. */
const TYPES = { toml: "application/toml", json: "application/json", csv: "text/csv" };
/** Changes that are shown one by one before an import. */
const CHANGES_MAX = 200;

export const style = "admin";
export const title = ({ kind }) => (kind ? `Admin: ${KINDS[kind]?.title ?? "lab file"}` : "Admin");

/** The way to a row's form; `null` is a new one's. */
export function editHref(name, kind, row) {
  if (row === null) return href("admin", name, "+new");
  const [first, model] = kind.key(row);
  return href("admin", name, first) + (model ? `?${new URLSearchParams({ model })}` : "");
}

export function tabs(at) {
  const one = (name, words) => h("a", { href: href("admin", name), "aria-current": name === at ? "page" : null }, words);
  return h("nav", { class: "tabs", "aria-label": "Kinds" }, Object.entries(KINDS).map(([name, { title: words }]) => one(name, words)), one(CANDIDATES, "Candidates"), one(LAB, "Lab file"),
    one(TOKENS, "Tokens"), one(AUDIT, "Audit log"));
}

export function open(root, { params, query }) {
  const name = params.kind ?? "images";
  const body = h("div", { class: "admin" });
  put(root, h("div", { class: "head" }, h("h1", {}, "Admin")), tabs(name), body);
  if (name === LAB) return lab(body);
  const kind = KINDS[name];
  if (kind) return listOf(body, name, kind, query);
  put(body, h("p", { class: "notice bad" }, `There is nothing called ${name} to look after.`));
  return () => {};
}

function listOf(body, name, kind, query) {
  let rows = [];
  let ended = false;
  const search = filters({ query, placeholder: `Search ${kind.title.toLowerCase()}`, change: draw });
  fill(search.element, h("span", { class: "grow" }), h("a", { class: "button primary", needs: "admin", href: editHref(name, kind, null) }, `New ${kind.one}`));
  const columns = kind.columns.map(([field, words, text = (row) => row[field]], place) => ({
    name: field, title: words, value: text, cell: (row) => (place === 0 ? h("a", { href: editHref(name, kind, row) }, text(row)) : text(row)),
  }));
  if (kind.test) columns.push({ name: "test", title: "Test", cell: testOf });
  const grid = table({
    caption: kind.title, columns, key: (row) => kind.key(row).join("\n"), label: (row) => labelOf(kind, row), sort: { name: kind.columns[0][0], descending: false },
    open: (row) => go(editHref(name, kind, row)), empty: h("span", {}, `No ${kind.one} here. `, h("a", { needs: "admin", href: editHref(name, kind, null) }, "Make one"), "."),
  });
  put(body, h("p", { class: "soft" }, kind.about), search.element, grid.element);

  function draw() {
    const words = search.values().q.toLowerCase().split(/\s+/).filter(Boolean);
    grid.setRows(words.length === 0 ? rows : rows.filter((row) => {
      const text = columns.map((column) => column.value?.(row) ?? "").join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    }));
  }

  let turn = 0;
  async function read() {
    const mine = ++turn;
    try {
      const fresh = await kind.rows();
      if (ended || mine !== turn) return;
      rows = fresh;
      draw();
    } catch (error) {
      if (!ended && mine === turn) warn(`${kind.title} cannot be shown: ${error.message}`);
    }
  }

  read();
  const end = live.subscribe((news) => {
    if (kind.live ? news.devices.size : news.kinds.has(kind.lab)) read();
  });
  return () => {
    ended = true;
    end();
    grid.close();
  };
}

/** A button that asks a relay board for its test, and what came of it. */
function testOf(board) {
  const said = h("span", { role: "status" });
  const button = h("button", { type: "button", class: "small", needs: "operator", "aria-label": `Test ${board.name}`, on: { click: test } }, "Test");
  async function test() {
    button.disabled = true;
    said.className = "soft";
    say(said, "asks it …");
    try {
      const { success } = await get(path`relay/${board.name}/test`);
      said.className = `state group-${success ? "free" : "failed"}`;
      say(said, success ? "answers as it should" : "does not answer as it should");
    } catch (error) {
      said.className = "wrong";
      say(said, error.message);
    } finally {
      button.disabled = false;
    }
  }
  return h("span", { class: "pair" }, button, said);
}

function lab(body) {
  const format = h("select", { id: "format" }, ["toml", "json", "csv"].map((one) => h("option", { value: one }, one === "csv" ? "CSV: devices alone" : one.toUpperCase())));
  const download = h("a", { class: "button", download: "lab.toml" }, "Download");
  format.addEventListener("change", point);
  function point() {
    download.href = `/api/lab/export?format=${format.value}`;
    download.download = `lab.${format.value}`;
  }
  point();

  const text = h("textarea", { id: "lab-text", rows: 14, spellcheck: "false", placeholder: "[[device]]\nname = \"board-1\"\n…", on: { input: stale } });
  const type = h("select", { id: "lab-type", on: { change: stale } }, Object.keys(TYPES).map((one) => h("option", { value: one }, one.toUpperCase())));
  const file = h("input", { type: "file", id: "lab-file", accept: ".toml,.json,.csv", on: { change: take } });
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const changes = h("div", { role: "status" });
  const look = h("button", { type: "button", class: "primary", needs: "admin", on: { click: preview } }, "Show what would change");
  const go = h("button", { type: "button", class: "primary danger", needs: "admin", disabled: true, on: { click: bring } }, "Import");
  let origin = null;
  let seen = null;

  async function take() {
    const [given] = file.files;
    if (!given) return;
    text.value = await given.text();
    origin = given.name;
    const end = given.name.split(".").pop().toLowerCase();
    if (TYPES[end]) type.value = end;
    stale();
  }

  let turn = 0;
  /** What was shown, or is being looked at, is not what would be done any more. */
  function stale() {
    turn++;
    seen = null;
    go.disabled = true;
    wrong.hidden = true;
    put(changes);
  }

  async function send(dryRun) {
    const where = `lab/import?${new URLSearchParams({ ...(dryRun && { dry_run: "1" }), ...(origin && { origin }) })}`;
    return postText(where, text.value, TYPES[type.value]);
  }

  function fail(error) {
    wrong.hidden = false;
    wrong.textContent = error.message;
    const line = error instanceof ApiError && error.detail.line;
    if (line) selectLine(text, line);
  }

  async function preview() {
    stale();
    const mine = turn;
    try {
      const answer = await send(true);
      if (mine !== turn) return;
      seen = answer;
      const few = seen.changes.slice(0, CHANGES_MAX);
      go.disabled = seen.changes.length === 0;
      put(changes, h("h3", {}, seen.changes.length === 0 ? "Nothing would change." : summary(seen.summary)), few.length > 0 && changeList(few),
        few.length < seen.changes.length && h("p", { class: "soft" }, `and ${seen.changes.length - few.length} more`));
    } catch (error) {
      if (mine === turn) fail(error);
    }
  }

  async function bring() {
    if (!(await confirm("Import this lab file?", `${summary(seen.summary)} All of it is written or none.`, { action: "Import" }))) return;
    go.disabled = true;
    try {
      const done = await send(false);
      tell(`Imported: ${summary(done.summary)}`);
      stale();
      put(changes, h("h3", {}, `Done: ${summary(done.summary)}`));
    } catch (error) {
      go.disabled = !seen;
      fail(error);
    }
  }

  put(body,
    h("section", { class: "card", "aria-label": "Export" }, h("h2", {}, "Export"), h("p", { class: "soft" }, "Everything that Mozpool manages as one text, to keep under version control. Imported again, it changes nothing."),
      h("div", { class: "rowwise" }, h("label", { for: "format" }, "As"), format, download)),
    h("section", { class: "card", "aria-label": "Import" }, h("h2", {}, "Import"), h("p", { class: "soft" }, "Rows that the file names are made or changed, others stay. Look first what would change."),
      h("div", { class: "rowwise" }, h("label", { for: "lab-file" }, "File"), file, h("label", { for: "lab-type" }, "Type"), type),
      h("label", { for: "lab-text", class: "small" }, "Text"), text, wrong, h("div", { class: "buttons" }, look, go), changes));
  return () => {};
}

/** `{device: {new: 2}}` in words. */
function summary(counts) {
  const words = Object.entries(counts).flatMap(([kind, fates]) => Object.entries(fates).map(([fate, n]) => `${n} ${kind.replaceAll("_", " ")} ${fate}`));
  return `${words.join(", ")}.`;
}

export const changeList = (changes) => h("ul", { class: "changes" }, changes.map((change) => h("li", {}, change)));
