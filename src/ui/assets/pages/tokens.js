// Tokens: who may call this pool, and as what. A new one is shown once, here, and never again.

import { del, get, path, post } from "../core/api.js";
import { fill, h, put } from "../core/dom.js";
import { session } from "../core/session.js";
import { copyable } from "../parts/copy.js";
import { ask, confirm, show } from "../parts/dialog.js";
import { table } from "../parts/table.js";
import { tell, warn } from "../parts/toast.js";
import { TOKENS, tabs } from "./admin.js";

/** Each role, and what it is for. */
const ROLES = [
  ["viewer", "viewer: sees everything, changes nothing"],
  ["requester", "requester: asks for boards, as CI jobs do"],
  ["operator", "operator: looks after boards, power and repair, too"],
  ["admin", "admin: everything, with images, devices and tokens"],
  ["server", "server: a program that reads, and tells what boards do"],
];

const day = (text) => text.slice(0, "2026-01-01".length);

/** A column whose cells are what it is sorted by. */
const text = (name, title, value) => ({ name, title, value, cell: value });

const idOf = (row) => `token-${row.name}`;

export const style = "admin";
export const title = () => "Admin: Tokens";

export function open(root) {
  let ended = false;
  const body = h("div", { class: "admin" });
  put(root, h("div", { class: "head" }, h("h1", {}, "Admin")), tabs(TOKENS), body);
  const grid = table({
    caption: "Tokens", key: (row) => row.name, label: (row) => row.name, sort: { name: "name", descending: false }, open: null,
    columns: [
      { name: "name", title: "Name", value: (row) => row.name, cell: (row) => h("span", { id: idOf(row) }, row.name) },
      text("role", "Role", (row) => row.role),
      text("environments", "Environments", (row) => row.environments.join(", ") || "all"),
      text("made", "Made", (row) => day(row.made)),
      text("expires", "Expires", (row) => (row.expires ? day(row.expires) : "never")),
      text("last_used", "Last used", (row) => (row.last_used ? day(row.last_used) : "never")),
      text("proxy", "By", (row) => (row.proxy ? "a proxy’s header" : "its secret")),
      { name: "revoke", title: "Revoke", cell: revokeOf },
    ],
    empty: "There are no tokens yet.",
  });
  const what = session.mode === "open"
    ? h("p", { class: "notice" }, "This server asks nobody for a token now: everybody who reaches it may do everything. `auth.mode` in its configuration says so.")
    : null;
  put(body, h("p", { class: "soft" }, "Who may call this pool, and as what. A token’s secret is shown once, when it is made."), what,
    h("div", { class: "filters" }, h("span", { class: "grow" }), h("button", { type: "button", class: "primary", needs: "admin", on: { click: make } }, "New token")), grid.element);

  async function read() {
    try {
      const { tokens } = await get("token/list");
      if (!ended) grid.setRows(tokens);
    } catch (error) {
      if (!ended) put(body, h("p", { class: "notice bad" }, error.message));
    }
  }

  async function make() {
    let made = null;
    await ask("New token", {
      action: "Make it",
      fields: [
        { name: "name", label: "Name", required: true, placeholder: "ci-nightly", help: "who has it, or what for; it stands in the audit log" },
        { name: "role", label: "Role", type: "select", value: "requester", options: ROLES },
        { name: "environments", label: "Environments", help: "with commas between; left empty, all of them" },
        { name: "days", label: "Good for days", inputmode: "numeric", help: "left empty, until it is revoked",
          check: (text) => (/^\d*$/.test(text.trim()) ? null : "a whole number of days") },
        { name: "proxy", label: "For a user whom a reverse proxy names: without a secret", type: "checkbox" },
      ],
      submit: async ({ name, role, environments, days, proxy }) => {
        const list = environments.split(",").map((one) => one.trim()).filter(Boolean);
        made = await post("token", { name: name.trim(), role, ...(list.length && { environments: list }), ...(days.trim() && { days: Number(days) }), ...(proxy && { proxy }) });
      },
    });
    if (!made) return;
    read();
    if (!made.token) return void tell(`${made.name} is made: a proxy that names this user is believed.`);
    show("The new token", fill(h("div", { class: "fields" }),
      h("p", {}, `${made.name} is made. Take the token now: it is not shown again, and whoever has it may do what it may.`), copyable(made.token, "the token")));
  }

  function revokeOf(row) {
    return h("button", { type: "button", class: "small danger", needs: "admin", "aria-describedby": idOf(row), on: { click: () => revoke(row) } }, "Revoke");
  }

  async function revoke(row) {
    const mine = row.name === session.name ? " It is the one that you are logged in with." : "";
    const sure = await confirm(`Revoke ${row.name}?`, `Whoever calls with it is refused from now on, and its sessions end.${mine}`, { action: "Revoke" });
    if (!sure) return;
    try {
      await del(path`token/${row.name}`);
      tell(`${row.name} is revoked.`);
    } catch (error) {
      warn(`${row.name}: ${error.message}`);
    }
    read();
  }

  read();
  return () => {
    ended = true;
    grid.close();
  };
}
