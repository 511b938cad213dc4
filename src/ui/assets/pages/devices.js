// All devices in one table: found, sorted, selected, and told what to do. What is shown and in which order stands in the address;
// which columns, this browser remembers.

import { h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { recall, remember } from "../core/prefs.js";
import { go, href, setQuery } from "../core/router.js";
import { GROUPS, groupOf, inWords } from "../core/states.js";
import { parse, since } from "../core/time.js";
import { deviceLink, deviceState, logLink, requestLink } from "../parts/badge.js";
import { orders, stateOptions } from "../parts/orders.js";
import { filters } from "../parts/filters.js";
import { macOf } from "../parts/text.js";
import { table } from "../parts/table.js";

/** Above so many devices changes are drawn together, some times a second: to sort them all takes longer than a frame. */
const MANY = 2000;
const MANY_MS = 200;

export const style = "device";
export const title = () => "Devices";

const hardwareOf = (device) => [device.hardware_type, device.hardware_model].filter(Boolean).join("/");
const hasBootConfig = (device) => device.boot_config && device.boot_config !== "{}";
const text = (value) => h("span", { title: value || null }, value ?? "");

function imageCell(device) {
  if (!device.image && !device.next_image) return "";
  return h("span", {},
    device.image ?? "", hasBootConfig(device) && h("abbr", { class: "dagger", title: device.boot_config, "aria-label": `boot config ${device.boot_config}` }, "†"),
    device.next_image && h("span", { class: "soft" }, ` → ${device.next_image}`));
}

function requestCell(device) {
  if (!device.request_id) return "";
  return h("span", {}, requestLink(device.request_id), " ", h("span", { class: "soft", data: { holder: device.request_id } }, holderOf(device)));
}

const holderOf = (device) => live.requests.get(device.request_id)?.assignee ?? "";

/** Every column; those with `first` are shown until somebody chooses. */
const COLUMNS = [
  { name: "name", title: "Name", cell: (d) => deviceLink(d.name), value: (d) => d.name, first: true, always: true },
  { name: "fqdn", title: "FQDN", cell: (d) => text(d.fqdn), value: (d) => d.fqdn },
  { name: "state", title: "State", cell: (d) => deviceState(d), value: (d) => `${GROUPS.findIndex((g) => g.name === groupOf(d))} ${inWords(d.state)}`, first: true, always: true },
  { name: "since", title: "Since", cell: (d) => since(parse(d.state_since)), value: (d) => -parse(d.state_since), first: true },
  { name: "image", title: "Image", cell: imageCell, value: (d) => d.image, first: true },
  { name: "environment", title: "Environment", cell: (d) => text(d.environment), value: (d) => d.environment, first: true },
  { name: "hardware", title: "Hardware", cell: (d) => text(hardwareOf(d)), value: hardwareOf, first: true },
  { name: "mac", title: "MAC", cell: (d) => h("span", { class: "mono" }, macOf(d)), value: (d) => d.mac_address },
  { name: "server", title: "Server", cell: (d) => text(d.imaging_server), value: (d) => d.imaging_server },
  { name: "relay", title: "Relay", cell: (d) => text(d.relay_info), value: (d) => d.relay_info, first: true },
  { name: "request", title: "Request", cell: requestCell, value: (d) => d.request_id ?? Infinity, first: true },
  { name: "comments", title: "Comments", cell: (d) => text(d.comments), value: (d) => d.comments, first: true },
  { name: "tags", title: "Tags", cell: (d) => text(d.tags.join(", ")), value: (d) => d.tags.join(", ") },
  { name: "log", title: "Log", cell: (d) => logLink("device", d.name), first: true },
];
const FIRST = COLUMNS.filter((column) => column.first).map((column) => column.name);

const all = (value) => () => live.valuesOf(value);

/** What can be chosen; `fits(device, value)` says whether a device has it. */
const CHOICES = [
  { name: "group", title: "Group", options: () => GROUPS.map((g) => [g.name, g.title]), fits: (d, value) => groupOf(d) === value },
  { name: "state", title: "State", options: stateOptions, fits: (d, value) => d.state === value },
  { name: "environment", title: "Environment", options: all((d) => d.environment), fits: (d, value) => d.environment === value },
  { name: "hardware", title: "Hardware", options: all(hardwareOf), fits: (d, value) => hardwareOf(d) === value || d.hardware_type === value },
  { name: "image", title: "Image", options: all((d) => d.image), fits: (d, value) => d.image === value },
  { name: "server", title: "Server", options: all((d) => d.imaging_server), fits: (d, value) => d.imaging_server === value },
  { name: "tag", title: "Tag", options: all((d) => d.tags), fits: (d, value) => d.tags.includes(value) },
];

const ownTexts = new WeakMap();
/** What a search looks through. A row is never changed, so its own part is made once; who holds it is told elsewhere. */
function searched(d) {
  let text = ownTexts.get(d);
  if (text === undefined) {
    text = [d.name, d.fqdn, d.mac_address, macOf(d), d.state, inWords(d.state), d.comments, d.image, d.environment, hardwareOf(d), d.relay_info, d.imaging_server, ...d.tags]
      .join("\n").toLowerCase();
    ownTexts.set(d, text);
  }
  return d.request_id ? `${text}\n${holderOf(d).toLowerCase()}` : text;
}

function filterOf(values) {
  const words = values.q.trim().toLowerCase();
  const chosen = CHOICES.filter(({ name }) => values[name]);
  return (device) => chosen.every(({ name, fits }) => fits(device, values[name])) && (!words || searched(device).includes(words));
}

export function open(root, { query }) {
  let columns = recall("devices.columns", FIRST);
  let grid = null;
  let by = { name: query.get("sort") ?? "name", descending: query.get("down") === "1" };
  const count = h("span", { class: "soft", role: "status" });
  const picked = h("strong", { class: "picked", role: "status" });
  const choices = filters({ query, choices: CHOICES, placeholder: "Search devices", change: draw });
  const more = h("button", { type: "button", class: "filters-more", "aria-expanded": "false", on: { click: openFilters } }, "Filters");
  const actions = orders({ names: () => grid?.selected() ?? [], submitted: () => grid.clearSelection() });
  const clear = h("button", { type: "button", class: "quiet", on: { click: () => grid.clearSelection() } }, "Select none");
  const bar = h("div", { class: "actions device-bar" }, picked, actions.element, clear);
  const place = h("div", { class: "devices-grid" });
  choices.element.prepend(more);
  put(root, h("div", { class: "head" }, h("h1", {}, "Devices"), count, columnsMenu()), choices.element, place, bar);
  build();

  /** The table, anew when its columns change. */
  function build() {
    const chosen = grid?.selected() ?? [];
    grid?.close();
    grid = table({
      caption: "Devices",
      columns: COLUMNS.filter((column) => column.always || columns.includes(column.name)).map((column) => ({ ...column, class: `col-${column.name}` })),
      key: (device) => device.name,
      select: true,
      sort: by,
      open: (device) => go(href("devices", device.name)),
      onSelect: drawPicked,
      onSort(now) {
        by = now;
        setQuery({ sort: now.name === "name" && !now.descending ? null : now.name, down: now.descending ? "1" : null });
      },
      empty: live.devices.size ? "No device is like that. Change the filters above." : "There are no devices yet. A lab file brings them: mozpool lab import.",
    });
    put(place, grid.element);
    draw();
    grid.select(chosen);
  }

  function draw() {
    const fits = filterOf(choices.values());
    const rows = [...live.devices.values()].filter(fits);
    grid.setRows(rows);
    say(count, rows.length === live.devices.size ? `${rows.length}` : `${rows.length} of ${live.devices.size}`);
    const active = CHOICES.filter(({ name }) => choices.values()[name]).length;
    say(more, active ? `Filters (${active})` : "Filters");
  }

  function drawPicked(names) {
    say(picked, names.length ? `${names.length} selected` : "None selected");
    clear.hidden = names.length === 0;
    bar.classList.toggle("idle", names.length === 0);
    actions.refresh();
  }

  function openFilters() {
    const on = choices.element.classList.toggle("open");
    more.setAttribute("aria-expanded", String(on));
  }

  function columnsMenu() {
    const list = h("div", { hidden: true, role: "group", "aria-label": "Columns" }, COLUMNS.filter((column) => !column.always).map((column) => {
      const box = h("input", { type: "checkbox", checked: columns.includes(column.name), on: { change: () => choose(column.name, box.checked) } });
      return h("label", { class: "menu-row" }, box, column.title);
    }));
    const button = h("button", { type: "button", "aria-expanded": "false", on: { click: () => show(list.hidden) } }, "Columns");
    const show = (on) => {
      list.hidden = !on;
      button.setAttribute("aria-expanded", String(on));
    };
    const menu = h("div", { class: "menu columns-menu" }, button, list);
    menu.addEventListener("focusout", (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && show(false));
    menu.addEventListener("keydown", (event) => event.key === "Escape" && (show(false), button.focus()));
    return menu;
  }

  function choose(name, on) {
    columns = on ? [...columns, name] : columns.filter((one) => one !== name);
    remember("devices.columns", columns);
    build();
  }

  drawPicked([]);
  let due = null;
  function changed() {
    due = null;
    choices.refresh();
    draw();
  }
  const end = live.subscribe((news) => {
    if (news.devices.size && live.devices.size <= MANY) changed();
    else if (news.devices.size) due ??= setTimeout(changed, MANY_MS);
    for (const id of news.requests) {
      for (const one of place.querySelectorAll(`[data-holder="${id}"]`)) say(one, live.requests.get(id)?.assignee);
    }
  });
  return () => {
    end();
    clearTimeout(due);
    grid.close();
  };
}
