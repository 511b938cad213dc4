// Boards that have turned to this pool and are no devices: a list of them, and what becomes of each.

import { get, path, post, query as queryOf } from "../core/api.js";
import { h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { go, href, setQuery } from "../core/router.js";
import { ago, parse } from "../core/time.js";
import { filters } from "../parts/filters.js";
import { table } from "../parts/table.js";
import { visible } from "../parts/text.js";
import { tell, warn } from "../parts/toast.js";
import { CANDIDATES, tabs } from "./admin.js";

/** After a change the list is read when so long nothing else was read: boards of a rack that is switched on come in one after the other. */
const READ_MS = 300;

export const style = "admin";
export const title = () => "Admin: Candidates";

export const acceptHref = (mac) => href("admin", CANDIDATES, mac);

/** Says to those who hear the page which row a button is in. */
const idOf = ({ mac }) => `mac-${mac.replaceAll(":", "")}`;

/** What its agent said of itself, in a line. */
export const words = ({ agent }) => [agent?.hardware, agent?.os, agent?.pool && `pool ${agent.pool}`].filter(Boolean).join(", ");

export function open(root, { query }) {
  let rows = [];
  let ended = false;
  const search = filters({ query, placeholder: "Search candidates", change: draw });
  const all = h("input", { type: "checkbox", id: "ignored", checked: query.get("ignored") === "1", on: { change: choose } });
  search.element.append(h("span", { class: "pair" }, all, h("label", { for: "ignored" }, "Ignored, too")));
  const grid = table({
    caption: "Candidates", key: (row) => row.mac, sort: { name: "last", descending: false }, open: (row) => go(acceptHref(row.mac)),
    empty: "No candidates: every board that has turned to this pool is known.",
    columns: [
      { name: "mac", title: "MAC", value: (row) => row.mac, cell: (row) => h("a", { id: idOf(row), href: acceptHref(row.mac), class: "mono" }, row.mac) },
      // Beside its name, for what a board says of itself may be long.
      { name: "what", title: "What now", cell: buttons },
      { name: "address", title: "Address", value: (row) => row.address, cell: (row) => row.address },
      { name: "last", title: "Last heard", value: (row) => -parse(row.last), cell: (row) => ago(parse(row.last)) },
      { name: "seen", title: "Times", value: (row) => row.seen, cell: (row) => String(row.seen) },
      { name: "words", title: "Says of itself", value: words, cell: (row) => visible(words(row)) },
      { name: "asked", title: "Asked for", value: (row) => row.asked_for ?? "", cell: (row) => visible(row.asked_for ?? "") },
      { name: "server", title: "Server", value: (row) => row.imaging_server, cell: (row) => row.imaging_server },
    ],
  });
  put(root, h("div", { class: "head" }, h("h1", {}, "Admin")), tabs(CANDIDATES), h("div", { class: "admin" },
    h("p", { class: "soft" }, "Boards that asked this pool for a boot config, or whose agent registered, and that are no devices. What they say of themselves nobody has checked."),
    search.element, grid.element));

  function buttons(row) {
    const ignore = h("button", { type: "button", class: "small", needs: "operator", "aria-describedby": idOf(row), on: { click: () => decide(row, ignore) } }, row.ignored ? "Show again" : "Ignore");
    return h("span", { class: "pair" }, h("a", { class: "button small", href: acceptHref(row.mac), "aria-describedby": idOf(row) }, "Accept …"), ignore);
  }

  async function decide(row, button) {
    button.disabled = true;
    try {
      await post(path`candidate/${row.mac}/ignore` + queryOf({ undo: row.ignored ? "1" : null }));
      tell(row.ignored ? `${row.mac} is listed again.` : `${row.mac} is ignored.`);
    } catch (error) {
      button.disabled = false;
      warn(error.message);
    }
    read();
  }

  function choose() {
    setQuery({ ignored: all.checked ? "1" : "" });
    read();
  }

  function draw() {
    const wanted = search.values().q.toLowerCase().split(/\s+/).filter(Boolean);
    grid.setRows(rows.filter((row) => {
      const text = [row.mac, row.address, words(row), row.asked_for, row.imaging_server].join(" ").toLowerCase();
      return wanted.every((word) => text.includes(word));
    }));
  }

  let turn = 0;
  async function read() {
    const mine = ++turn;
    try {
      const { candidates } = await get(`candidate/list${queryOf({ ignored: all.checked ? "1" : null })}`);
      if (ended || mine !== turn) return;
      // A row that is as it was stays the same object, so that nothing moves under a pointer.
      const was = new Map(rows.map((row) => [row.mac, row]));
      rows = candidates.map((row) => (JSON.stringify(was.get(row.mac)) === JSON.stringify(row) ? was.get(row.mac) : row));
      draw();
    } catch (error) {
      // The bar says already that the server does not answer.
      if (!ended && mine === turn && error.status) warn(`The candidates cannot be shown: ${error.message}`);
    }
  }

  read();
  let due = null;
  const end = live.subscribe((news) => {
    if (news.kinds.has("candidate") || (news.status && live.status.connected)) {
      due ??= setTimeout(() => {
        due = null;
        read();
      }, READ_MS);
    }
  });
  return () => {
    ended = true;
    clearTimeout(due);
    end();
    grid.close();
  };
}
