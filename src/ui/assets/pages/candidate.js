// One board that is no device yet: what is known of it, and the form that makes it one, filled in with what is known.

import { get, path, post } from "../core/api.js";
import { h, put } from "../core/dom.js";
import { valuesOf } from "../core/live.js";
import { go, href } from "../core/router.js";
import { ago, parse } from "../core/time.js";
import { confirm } from "../parts/dialog.js";
import { form } from "../parts/form.js";
import { KINDS } from "../parts/kinds.js";
import { visible } from "../parts/text.js";
import { tell, warn } from "../parts/toast.js";
import { CANDIDATES, changeList, tabs } from "./admin.js";

/** What the form asks for; the rest of a device is said later, or never. */
const ASKED = ["name", "fqdn", "relay_info", "environment", "hardware_type", "hardware_model", "processor", "tags", "comments", "state"];

export const style = "admin";
export const title = ({ mac }) => `Accept ${mac}`;

export function open(root, { params: { mac } }) {
  const body = h("div", { class: "admin edit" });
  const buttons = h("span", { class: "rowwise" });
  put(root, h("div", { class: "head" }, h("h1", {}, `Accept ${mac}`), buttons), tabs(CANDIDATES), body);
  let ended = false;
  (async () => {
    try {
      const { candidates } = await get("candidate/list?ignored=1");
      if (ended) return;
      const row = candidates.find((one) => one.mac === mac);
      if (row) build(row);
      else put(body, h("p", { class: "notice" }, `No candidate has the MAC address ${mac}: it is a device now, or nobody has heard of it for long.`), h("p", {}, h("a", { href: href("admin", CANDIDATES) }, "Candidates")));
    } catch (error) {
      if (!ended) put(body, h("p", { class: "notice bad" }, error.message), h("p", {}, h("a", { href: href("admin", CANDIDATES) }, "Candidates")));
    }
  })();

  function build(row) {
    if (!row.ignored) put(buttons, h("button", { type: "button", needs: "operator", on: { click: ignore } }, "Ignore"));
    const fields = KINDS.devices.fields.filter((field) => ASKED.includes(field.name)).map((field) => ({
      ...field, value: field.type === "select" ? undefined : (row.proposal[field.name] ?? ""), options: field.options ?? (field.suggest && valuesOf((one) => one[field.suggest])),
    }));
    const made = form({ fields, class: "admin-form", needs: "operator", action: "Review and accept", cancel: () => go(href("admin", CANDIDATES)), submit: (values) => accept(row, values) });
    put(body, facts(row), made.element);
  }

  /** What the form says; what is neither proposed nor said is left open. */
  function given(row, values) {
    const body = {};
    for (const field of KINDS.devices.fields) {
      if (!(field.name in values)) continue;
      const value = (field.read ?? ((text) => text.trim()))(values[field.name]);
      const nothing = value === null || value === "" || (Array.isArray(value) && value.length === 0);
      if (!nothing) body[field.name] = value;
      else if (row.proposal[field.name]) body[field.name] = null;
    }
    return body;
  }

  async function accept(row, values) {
    const device = given(row, values);
    const where = path`candidate/${row.mac}/accept`;
    try {
      const { changes } = await post(`${where}?dry_run=1`, device);
      if (!(await confirm("Make a device of it?", h("div", {}, changeList(changes), h("p", { class: "soft" }, "It is power-cycled and tests itself before anybody gets it.")), { action: "Accept", danger: false }))) return;
      await post(where, device);
    } catch (error) {
      const field = error.status === 409 ? "name" : error.field;
      throw Object.assign(new Error(error.message), { field });
    }
    tell(`${device.name} is a device now.`);
    go(href("devices", device.name));
  }

  async function ignore() {
    try {
      await post(path`candidate/${mac}/ignore`);
    } catch (error) {
      return void warn(error.message);
    }
    tell(`${mac} is ignored.`);
    go(href("admin", CANDIDATES));
  }

  return () => {
    ended = true;
  };
}

function facts({ address, imaging_server, first, last, seen, asked_for, agent }) {
  const port = (what, number) => number && `${what} ${number}`;
  const said = agent && [agent.hardware, agent.os, agent.pool && `pool ${agent.pool}`, port("commands on port", agent.command_port), port("data on port", agent.data_port)].filter(Boolean).join(", ");
  const fact = (words, ...what) => [h("dt", {}, words), h("dd", {}, what)];
  return h("section", { class: "card", "aria-label": "What is known" }, h("dl", { class: "facts" },
    fact("Address", address), fact("Turned to", imaging_server), fact("First", ago(parse(first))), fact("Last", ago(parse(last)), `, ${seen} ${seen === 1 ? "time" : "times"} in all`),
    asked_for && fact("Asked for", h("span", { class: "mono" }, visible(asked_for))),
    agent && fact("Its agent says", visible(said || "nothing"), " ", h("span", { class: "soft" }, ago(parse(agent.registered))))));
}
