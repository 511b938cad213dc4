// All requests: who has which board and until when, who waits and why. Closed ones only when they are asked for.

import { get, path, post } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { recall, remember } from "../core/prefs.js";
import { go, href, setQuery } from "../core/router.js";
import { isClosed, requestInWords } from "../core/states.js";
import { parse, seconds, since, span } from "../core/time.js";
import { deviceLink, deviceState, logLink, requestLink, requestState } from "../parts/badge.js";
import { ask, confirm } from "../parts/dialog.js";
import { filters } from "../parts/filters.js";
import { run } from "../parts/jobs.js";
import { several } from "../parts/several.js";
import { expires } from "../parts/requests.js";
import { table } from "../parts/table.js";
import { warn } from "../parts/toast.js";
import { reasons } from "../parts/why.js";

/** Drawing takes no more than a fifth of the time, however many requests there are. */
const REST_PER_DRAW = 4;

export const style = "request";
export const title = () => "Requests";

export function open(root, { query }) {
  const why = reasons();
  /** What is shown, by number: `{request, device, row}`; a row is the same object until one of the two has changed. */
  const known = new Map();
  let closed = new Map();
  let withClosed = query.has("closed");
  let mine = query.has("mine");
  let over = false;

  const closedBox = h("input", { type: "checkbox", id: "include-closed", checked: withClosed, on: { change: () => includeClosed(closedBox.checked) } });
  const mineBox = h("input", { type: "checkbox", id: "only-mine", checked: mine, on: { change: () => onlyMine(mineBox.checked) } });
  const count = h("span", { class: "soft small", role: "status" });
  const search = filters({
    query, placeholder: "Search requests", change: draw,
    choices: [
      { name: "state", title: "State", options: () => among((r) => r.state).map((state) => [state, requestInWords(state)]) },
      { name: "assignee", title: "Assignee", options: () => among((r) => r.assignee) },
      { name: "image", title: "Image", options: () => among((r) => r.image) },
      { name: "server", title: "Server", options: () => among((r) => r.imaging_server) },
    ],
  });
  fill(search.element,
    h("label", { class: "tick-label", for: "only-mine" }, mineBox, "Only mine"),
    h("label", { class: "tick-label", for: "include-closed" }, closedBox, "Include closed requests"), count);

  const grid = table({
    caption: "Requests", columns: columns(why), key: (row) => row.request.id, label: (row) => `request ${row.request.id}`,
    select: true, selectable: (row) => !isClosed(row.request.state), sort: { name: "id", descending: true },
    open: (row) => go(href("requests", String(row.request.id))), onSelect: drawActions,
    empty: h("span", {}, "No request fits. ", h("a", { href: href("requests", "new") }, "Ask for a board"), "."),
  });
  const actions = makeActions(grid, () => recall("assignee"));
  put(root,
    h("div", { class: "head" }, h("h1", {}, "Requests"), h("a", { class: "button primary", needs: "requester", href: href("requests", "new") }, "New request")),
    search.element, grid.element, actions.element);

  function drawActions(ids) {
    actions.draw(ids);
  }

  function among(value) {
    return [...new Set([...known.values()].map((one) => value(one.request)))].sort();
  }

  function rowOf(request) {
    const device = request.assigned_device ? (live.devices.get(request.assigned_device) ?? null) : null;
    const before = known.get(request.id);
    if (before && before.request === request && before.device === device) return;
    known.set(request.id, { request, device, row: { request, device } });
  }

  function collect() {
    const wanted = new Set();
    for (const request of [...(withClosed ? closed.values() : []), ...live.requests.values()]) {
      if (!withClosed && isClosed(request.state)) continue;
      wanted.add(request.id);
      // What is live is newer than what was read once.
      rowOf(live.requests.get(request.id) ?? request);
    }
    for (const id of known.keys()) if (!wanted.has(id)) known.delete(id);
  }

  function draw() {
    collect();
    search.refresh();
    const { q, state, assignee, image, server } = search.values();
    const me = recall("assignee");
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [];
    for (const { request, row } of known.values()) {
      if (state && request.state !== state) continue;
      if (assignee && request.assignee !== assignee) continue;
      if (image && request.image !== image) continue;
      if (server && request.imaging_server !== server) continue;
      if (mine && request.assignee !== me) continue;
      if (words.length) {
        const text = [request.id, request.requested_device, request.assigned_device, request.assignee, request.image, several(request.environment)].join(" ").toLowerCase();
        if (!words.every((word) => text.includes(word))) continue;
      }
      rows.push(row);
    }
    grid.setRows(rows);
    const waiting = rows.filter(({ request }) => !isClosed(request.state) && request.state !== "ready").length;
    say(count, `${rows.length} shown${waiting ? `, ${waiting} waiting` : ""}`);
  }

  async function readClosed() {
    try {
      const { requests } = await get("request/list/?include_closed=1");
      if (over) return;
      closed = new Map(requests.filter((one) => isClosed(one.state)).map((one) => [one.id, one]));
      draw();
    } catch (error) {
      if (!over) warn(`Closed requests cannot be shown: ${error.message}`);
    }
  }

  function includeClosed(on) {
    withClosed = on;
    setQuery({ closed: on ? "1" : null });
    if (on) readClosed();
    else draw();
  }

  async function onlyMine(on) {
    if (on && !recall("assignee")) {
      const given = await ask("Who are you?", {
        about: "Your requests are those with this assignee. The name stays in this browser.",
        fields: [{ name: "assignee", label: "Assignee", required: true, autocomplete: "email" }], action: "Show mine",
      });
      if (given) remember("assignee", given.assignee.trim());
      else mineBox.checked = on = false;
    }
    mine = on;
    setQuery({ mine: on ? "1" : null });
    draw();
  }

  let due = null;
  let cost = 0;
  function later() {
    due ??= setTimeout(() => {
      due = null;
      const begun = performance.now();
      draw();
      cost = performance.now() - begun;
    }, cost * REST_PER_DRAW);
  }

  /** Whether a change concerns a row that is shown, or could be. */
  function concerns(news) {
    if (news.requests.size) return true;
    for (const name of news.devices) {
      const id = live.devices.get(name)?.request_id;
      if (id && known.has(id)) return true;
    }
    return false;
  }

  draw();
  if (withClosed) readClosed();
  const end = live.subscribe((news) => {
    if (!concerns(news)) return;
    // A request that has gone from the live list was deleted, or closed before the list was read anew.
    if (withClosed && [...news.requests].some((id) => !live.requests.has(id))) readClosed();
    else later();
  });
  return () => {
    over = true;
    end();
    clearTimeout(due);
    why.close();
    grid.close();
  };
}

function columns(why) {
  const request = (value) => (row) => value(row.request);
  return [
    { name: "id", title: "ID", class: "num", value: request((r) => r.id), cell: request((r) => requestLink(r.id)) },
    { name: "state", title: "State", value: request((r) => r.state), cell: request((r) => requestState(r)) },
    {
      name: "requested", title: "Requested", value: request((r) => r.requested_device),
      cell: request((r) => h("a", { href: `${href("log")}?request=${r.id}`, target: "_blank", rel: "noopener", title: "the request's log" }, r.requested_device)),
    },
    {
      name: "assigned", title: "Assigned", value: request((r) => r.assigned_device),
      cell: ({ request: r, device }) => r.assigned_device && h("span", { class: "pair" }, deviceLink(r.assigned_device), device && r.state !== "ready" && deviceState(device)),
    },
    { name: "assignee", title: "Assignee", value: request((r) => r.assignee), cell: request((r) => r.assignee) },
    { name: "image", title: "Image", value: request((r) => r.image), cell: request((r) => r.image) },
    { name: "expires", title: "Expires", class: "num", value: request((r) => parse(r.expires)), cell: request((r) => expires(r)) },
    {
      name: "waiting", title: "Waits", value: request((r) => (waits(r) ? parse(r.created) : Infinity)),
      cell: request((r) => waits(r) && h("span", { class: "pair" }, since(parse(r.created)), r.state === "finding_device" && why.of(r.id))),
    },
    { name: "environment", title: "Environment", value: request((r) => several(r.environment)), cell: request((r) => several(r.environment)) },
    { name: "server", title: "Server", value: request((r) => r.imaging_server), cell: request((r) => r.imaging_server) },
    { name: "log", title: "Log", cell: request((r) => logLink("request", r.id)) },
  ];
}

const waits = (request) => !isClosed(request.state) && request.state !== "ready";

/** What can be done with several requests at once. */
function makeActions(grid, me) {
  const words = h("strong", { role: "status" });
  const length = h("input", {
    type: "text", id: "renew-for", value: "3600", size: "8", "aria-label": "Renew for seconds, or such as 1h30m", "aria-describedby": "renew-for-wrong",
    on: { input: check },
  });
  const wrong = h("span", { class: "wrong", id: "renew-for-wrong", role: "alert", hidden: true });
  const renew = h("button", { type: "button", needs: "requester", on: { click: renewAll } }, "Renew requests");
  const close = h("button", { type: "button", class: "danger", needs: "requester", on: { click: closeAll } }, "Close requests");
  const element = h("section", { class: "actions", "aria-label": "Selected requests", hidden: true },
    words, h("span", { class: "grow" }), h("label", { for: "renew-for", class: "small" }, "for"), length, renew, close, wrong);
  let ids = [];

  function check() {
    const wanted = seconds(length.value);
    const bad = !wanted;
    wrong.hidden = !bad;
    wrong.textContent = bad ? "write seconds, or such as 90m, 1h30m, 2d" : "";
    length.toggleAttribute("aria-invalid", bad);
    if (bad) length.setAttribute("aria-invalid", "true");
    length.title = bad ? "" : span(wanted * 1000);
    renew.disabled = bad || ids.length === 0;
    close.disabled = ids.length === 0;
  }

  async function renewAll() {
    const duration = seconds(length.value);
    const chosen = ids;
    grid.clearSelection();
    await run("Renew requests", chosen, (id) => post(path`request/${id}/renew`, { duration }), (id) => `request ${id}`);
  }

  async function closeAll() {
    const chosen = ids;
    const holding = chosen.map((id) => live.requests.get(id)).filter((one) => one?.assigned_device);
    const what = [
      h("p", {}, chosen.length === 1 ? `Request ${chosen[0]} ends now.` : `${chosen.length} requests end now: ${chosen.slice(0, 12).join(", ")}${chosen.length > 12 ? " …" : ""}.`),
      holding.length > 0 && h("p", {}, `Given back, whoever uses them: ${holding.slice(0, 12).map((one) => `${one.assigned_device} (${one.assignee})`).join(", ")}${holding.length > 12 ? " …" : ""}.`),
    ];
    const title = chosen.length === 1 ? "Close this request?" : `Close ${chosen.length} requests?`;
    if (!(await confirm(title, h("div", {}, what), { action: "Close requests" }))) return;
    grid.clearSelection();
    await run("Close requests", chosen, (id) => post(path`request/${id}/return`, me() ? { who: me() } : {}), (id) => `request ${id}`);
  }

  check();
  return {
    element,
    draw(picked) {
      ids = picked;
      element.hidden = picked.length === 0;
      say(words, picked.length === 1 ? "1 request" : `${picked.length} requests`);
      check();
    },
  };
}
