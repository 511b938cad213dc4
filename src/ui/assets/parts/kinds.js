// What an administrator can make, change and delete: for each kind where it is in the API, what lists show of it, and its fields.

import { get, path } from "../core/api.js";
import { devices } from "../core/live.js";
import { boardKey, parsePower } from "../core/power.js";
import { macOf } from "./text.js";

const texts = { show: (value) => (value ?? []).join(", "), read: (text) => text.split(",").map((one) => one.trim()).filter(Boolean) };
const orNull = { show: (value) => value ?? "", read: (text) => text.trim() || null };
const number = { show: (value) => String(value ?? ""), read: (text) => (text.trim() === "" ? null : Number(text)), check: (text) => (/^-?\d*$/.test(text.trim()) ? null : "a whole number") };

/** A table of seconds by state, a line each. */
const limits = {
  type: "textarea", rows: 4, placeholder: "pxe_booting = 300",
  show: (value) => Object.entries(value ?? {}).map(([state, s]) => `${state} = ${s}`).join("\n"),
  read: (text) => Object.fromEntries(lines(text).map((line) => line.split("=").map((part) => part.trim())).map(([state, s]) => [state, Number(s)])),
  check: (text) => {
    const bad = lines(text).find((line) => !/^\w+\s*=\s*\d+$/.test(line));
    return bad ? `“${bad}” should be a state and seconds, such as pxe_booting = 300` : null;
  },
};
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** An object, as JSON. */
const object = {
  type: "textarea", rows: 4, placeholder: "{}",
  show: (value) => (typeof value === "string" ? value : Object.keys(value ?? {}).length ? JSON.stringify(value, null, 2) : ""),
  read: (text) => (text.trim() ? JSON.parse(text) : null),
  check: (text) => {
    try {
      const value = text.trim() ? JSON.parse(text) : {};
      return value && typeof value === "object" && !Array.isArray(value) ? null : "this should be a JSON object, such as {\"url\": \"…\"}";
    } catch (error) {
      return `this is not JSON: ${error.message}`;
    }
  },
};

/** Everything of a kind, hidden and inactive ones, too. */
const all = (kind) => async () => (await get(`lab/export?format=json&kind=${kind}`))[kind];
const list = (where, key) => async () => (await get(where))[key];
const hardwareLabel = (row) => `${row.type} ${row.model}`.trim();
const yes = (value, word) => (value ? word : "");

const CHECKS = ["none", "ping", "ssh", "sut", "tcp:22"];

/**
 * Kinds by the word in their address. `rows()` reads them; `key(row)` is a row's way in the address and `where(key)` in the API;
 * `columns` are `[name, title, text of a row]`; `fields` have a name of the API, and `show` and `read` between its value and text.
 */
export const KINDS = {
  images: {
    title: "Images", one: "image", about: "What can be put on boards, and what installs it.", lab: "image", force: "with the closed requests that had it",
    rows: all("image"), key: (row) => [row.name], where: ([name]) => path`image/${name}`,
    columns: [["name", "Name"], ["check", "Check"], ["second_stage", "Second stage"], ["boot_config_keys", "Keys", (r) => r.boot_config_keys.join(", ")],
      ["pxe", "Hardware", (r) => Object.keys(r.pxe).join(", ")], ["can_reuse", "Reuse", (r) => yes(r.can_reuse, "reused")], ["hidden", "Hidden", (r) => yes(r.hidden, "hidden")]],
    fields: [
      { name: "name", label: "Name", key: 0, required: true },
      { name: "check", label: "Check", options: CHECKS, ...orNull, help: "how a board that runs it proves that it works: none, ping, ssh, sut, tcp:PORT, or http with a path (docs/images.md)" },
      { name: "second_stage", label: "Second stage", ...orNull, help: "the script that installs it, from the file root's second-stages/" },
      { name: "boot_config_keys", label: "Boot config keys", ...texts, help: "what each request must say, with commas between" },
      { name: "boot_config_defaults", label: "Boot config defaults", ...object, help: "what is told unless a request says otherwise, as JSON" },
      { name: "can_reuse", label: "A board that has it is only power-cycled for the next request", type: "checkbox" },
      { name: "hidden", label: "Hidden: left out of the list of images", type: "checkbox" },
      { name: "limits", label: "Time limits", ...limits, help: "seconds by state, a line each; they win over those of the hardware" },
    ],
    matrix: true,
  },
  pxe: {
    title: "PXE configs", one: "PXE config", about: "What boards get from the network: a description of what to boot, or a whole text.", lab: "pxe_config",
    rows: all("pxe_config"), key: (row) => [row.name], where: ([name]) => path`bmm/pxe_config/${name}`,
    columns: [["name", "Name"], ["description", "Description"], ["active", "Active", (r) => yes(r.active, "active")]],
    fields: [
      { name: "name", label: "Name", key: 0, required: true },
      { name: "description", label: "Description", ...orNull },
      { name: "active", label: "Active: offered when somebody chooses one by hand", type: "checkbox", value: true },
      { name: "contents", label: "Contents", type: "textarea", rows: 18, required: true },
    ],
    preview: true,
  },
  hardware: {
    title: "Hardware types", one: "hardware type", about: "Kinds of boards: what decides which PXE config boots an image.", lab: "hardware_type",
    rows: list("hardware_type/list", "hardware_types"), key: (row) => [row.type, row.model], label: hardwareLabel,
    where: ([type, model]) => (model ? path`hardware_type/${type}/${model}` : path`hardware_type/${type}`),
    columns: [["type", "Type"], ["model", "Model"], ["ping_steady_s", "Steady ping", (r) => `${r.ping_steady_s} s`], ["limits", "Time limits", (r) => limits.show(r.limits).replaceAll("\n", ", ")],
      ["devices", "Devices", (r) => String([...devices.values()].filter((d) => d.hardware_type === r.type && d.hardware_model === r.model).length)]],
    fields: [
      { name: "type", label: "Type", key: 0, required: true },
      { name: "model", label: "Model", key: 1 },
      { name: "ping_steady_s", label: "Steady ping", ...number, inputmode: "numeric", help: "seconds without a gap after which a freshly imaged board counts as booted" },
      { name: "limits", label: "Time limits", ...limits, help: "seconds by state, a line each" },
    ],
  },
  relays: {
    title: "Relay boards", one: "relay board", about: "What switches the power of boards.", lab: "relay_board",
    rows: list("relay/list", "relay_boards"), key: (row) => [row.name], where: ([name]) => path`relay/${name}`,
    columns: [["name", "Name"], ["fqdn", "Address"], ["imaging_server", "Server"],
      ["devices", "Devices", (r) => String([...devices.values()].filter((d) => parsePower(d.relay_info)?.board === boardKey(r.fqdn)).length)]],
    fields: [
      { name: "name", label: "Name", key: 0, required: true },
      { name: "fqdn", label: "Address", required: true, help: "name or address, with a port if it is not 2101" },
      { name: "imaging_server", label: "Imaging server", ...orNull, omit: true, help: "the server that switches it; this one unless given" },
    ],
    test: true,
  },
  devices: {
    title: "Devices", one: "device", about: "Boards under management.", lab: "device", force: "although it is at work",
    rows: async () => [...devices.values()], key: (row) => [row.name], where: ([name]) => path`device/${name}`, live: true,
    columns: [["name", "Name"], ["fqdn", "Address"], ["mac_address", "MAC", macOf], ["relay_info", "Relay"], ["environment", "Environment"],
      ["hardware_type", "Hardware", (r) => `${r.hardware_type} ${r.hardware_model}`.trim()], ["imaging_server", "Server"]],
    fields: [
      { name: "name", label: "Name", key: 0, required: true },
      { name: "fqdn", label: "Address", required: true, help: "a name or an address, the same in live system and image" },
      { name: "mac", label: "MAC address", ...orNull, help: "twelve hex digits, in any spelling" },
      { name: "relay_info", label: "Relay", ...orNull, help: "RELAY_BOARD[:PORT]:bankN:relayN, or command:PROGRAM ARGUMENT…" },
      { name: "environment", label: "Environment", ...orNull, suggest: "environment", help: "the pool that requests may ask for" },
      { name: "hardware_type", label: "Hardware type", ...orNull, suggest: "hardware_type" },
      { name: "hardware_model", label: "Hardware model", ...orNull, suggest: "hardware_model" },
      { name: "processor", label: "Processor", ...orNull, suggest: "processor" },
      { name: "tags", label: "Tags", ...texts, help: "with commas between" },
      { name: "comments", label: "Comments", ...orNull },
      { name: "inventory_id", label: "Inventory number", ...number, inputmode: "numeric" },
      { name: "imaging_server", label: "Imaging server", ...orNull, omit: true, help: "the server that owns it; this one unless given" },
      { name: "state", label: "State to begin in", fresh: true, type: "select", options: [["new", "new: tests itself when the daemon starts"], ["locked_out", "locked_out: waits for please_online"], ["ready", "ready: is believed"]] },
    ],
  },
};

/** How a row is called. */
export const labelOf = (kind, row) => (kind.label ?? ((one) => kind.key(one)[0]))(row);
