// The lists of devices and requests, always true: read once, then changed by the stream of changes. Who draws them subscribes
// and is called once a frame at most, however many changes have come.

import { get, path } from "./api.js";
import { isStranger, load } from "./session.js";

/** Waits between attempts to connect again: quick at first, never more than these. */
const RETRY_MS = [250, 1000, 2000, 4000, 8000];
/** How often a small call asks whether a connection on which nothing comes still lives. */
const PROBE_MS = 15_000;
/** How long that call may take before the connection counts as lost; an answer takes a millisecond where all is well. */
const PROBE_LIMIT_MS = 5000;
/** How long the first calls of an attempt to connect may take; then it is tried anew. */
const CONNECT_LIMIT_MS = 10_000;
/** Devices that are read again at once, so that a page's other calls find a connection. */
const READ_AT_ONCE = 4;
/** When more than these have changed in ways that the stream does not tell, one list costs less than their details. */
const ONE_BY_ONE_MAX = 200;
/** What only the machines change, and the stream tells whole. */
const OF_MACHINES = ["progress", "request_id", "image", "next_image"];

/** While a mouse button or a finger is down nothing is drawn, or what it is on might be another when it is let go; but not longer than this. */
const PRESSED_MAX_MS = 1000;
/** A page that nobody sees leaves its connection to others after so long: a browser has six for all pages of a server. */
const REST_MS = 10_000;

const KINDS = ["device", "request", "image", "pxe_config", "hardware_type", "relay_board", "server", "candidate"];

/** Devices by name and requests by number; objects in them are replaced, never changed. */
export const devices = new Map();
export const requests = new Map();
/** `connected` is false from the loss of the stream until lists and stream are whole again. */
export const status = { connected: false, ready: false, since: Date.now(), version: null, newVersion: null, error: null };

/** What devices have, each once, in order: for choices and suggestions. `value(device)` gives a text or texts; none is left out. */
export const valuesOf = (value) => [...new Set([...devices.values()].flatMap(value))].filter(Boolean).sort();

const listeners = new Set();
let touched = null;

/**
 * Calls `listen({devices: Set, requests: Set, kinds: Set, status: bool})` after changes, before the next frame. The sets name
 * what has changed. Gives a function that ends it.
 */
export function subscribe(listen) {
  listeners.add(listen);
  return () => listeners.delete(listen);
}

const hearers = new Set();

/** Calls `hear(change)` for each change as it comes, before it is applied. Gives a function that ends it. */
export function onChange(hear) {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

let pressed = -Infinity;
addEventListener("pointerdown", () => (pressed = performance.now()), true);
for (const ends of ["pointerup", "pointercancel"]) addEventListener(ends, () => (pressed = -Infinity), true);

// A page in the background gets no frames, and has to be right when it is looked at again.
const later = (act) => (document.hidden ? setTimeout(act, 100) : requestAnimationFrame(act));

function touch() {
  if (!touched) {
    touched = { devices: new Set(), requests: new Set(), kinds: new Set(), status: false };
    later(deliver);
  }
  return touched;
}

function deliver() {
  if (performance.now() - pressed < PRESSED_MAX_MS) return void later(deliver);
  const news = touched;
  touched = null;
  callAll(listeners, news);
}

/** One that fails keeps nothing from the others. */
function callAll(all, what) {
  for (const call of [...all]) {
    try {
      call(what);
    } catch (error) {
      reportError(error);
    }
  }
}

function setStatus(values) {
  if (Object.entries(values).every(([key, value]) => status[key] === value)) return;
  if ("connected" in values && values.connected !== status.connected) status.since = Date.now();
  Object.assign(status, values);
  touch().status = true;
}

let source = null;
let attempt = 0;
let failures = 0;
let timer = null;
let resting = null;

let arrived;
const lists = new Promise((keep) => (arrived = keep));

/**
 * Begins. The promise is kept when the lists are there for the first time, however many attempts that takes, or the server has said
 * that it does not know us.
 */
export function start() {
  addEventListener("online", () => again(0));
  // A machine without a network may still reach a server on itself; so it is asked rather than believed.
  addEventListener("offline", () => source && ask(source));
  document.addEventListener("visibilitychange", () => {
    restSoon();
    if (!document.hidden && !source) again(0);
  });
  connect();
  return lists;
}

/** When nobody looks, the stream is given up; everything is read anew when somebody does. */
function restSoon() {
  clearTimeout(resting);
  if (!document.hidden) return;
  resting = setTimeout(() => {
    source?.close();
    source = null;
  }, REST_MS);
}

function again(wait) {
  clearTimeout(timer);
  timer = setTimeout(connect, wait);
}

function lost(why) {
  source?.close();
  source = null;
  setStatus({ connected: false, error: why });
  again(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
}

async function connect() {
  clearTimeout(timer);
  source?.close();
  source = null;
  // Of two attempts at once only the later one counts.
  const mine = ++attempt;
  const first = { limit_ms: CONNECT_LIMIT_MS };
  try {
    // Who we are may be another thing on a server that was restarted, or after a long sleep.
    await load(first);
    if (mine !== attempt) return;
    if (isStranger()) return setStatus({ error: null }), arrived();
    const [{ last }, { version }] = await Promise.all([get("events/?timeout=0", first), get("version/", first)]);
    const [d, r] = await Promise.all([get("device/list/?details=1"), get("request/list/")]);
    if (mine !== attempt) return;
    fillLists(d.devices, r.requests);
    status.version ??= version;
    setStatus({ ready: true, newVersion: status.version === version ? null : version });
    arrived();
    listen(last);
  } catch (error) {
    if (mine === attempt) lost(error.message);
  }
}

function fillLists(deviceRows, requestRows) {
  const news = touch();
  for (const name of devices.keys()) news.devices.add(name);
  for (const id of requests.keys()) news.requests.add(id);
  devices.clear();
  requests.clear();
  // Answers that are still on their way are older than these lists.
  for (const one of [wanted, beingRead, requestsRead]) one.clear();
  for (const row of deviceRows) devices.set(row.name, row), news.devices.add(row.name);
  for (const row of requestRows) requests.set(row.id, row), news.requests.add(row.id);
  for (const kind of KINDS) news.kinds.add(kind);
}

function listen(last) {
  const mine = new EventSource(`/api/events/?stream=1&after=${last}`);
  source = mine;
  // Lists without a stream are no connection: a server that refuses the stream would seem to come and go.
  mine.onopen = () => {
    if (source !== mine) return;
    failures = 0;
    setStatus({ connected: true, error: null });
  };
  restSoon();
  mine.onerror = () => {
    // A browser comes back by itself, but not after an answer such as 410 or 503; then everything is read anew. The same after
    // a break, which costs one list and spares all doubt about what was missed.
    if (source === mine) lost("the connection is lost");
  };
  for (const kind of KINDS) {
    mine.addEventListener(kind, (event) => apply(kind, JSON.parse(event.data)));
  }
  probe(mine);
}

/** A connection that was cut without a word looks alive, and the stream's own signs of life do not reach a page. */
async function probe(mine) {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, PROBE_MS));
    if (source !== mine) return;
    await ask(mine);
  }
}

async function ask(mine) {
  try {
    await get("version/", { limit_ms: PROBE_LIMIT_MS });
  } catch (error) {
    if (source === mine) lost(error.message);
  }
}

function apply(kind, change) {
  callAll(hearers, change);
  const news = touch();
  news.kinds.add(kind);
  const { data, what, at } = change;
  if (kind === "device") {
    news.devices.add(data.name);
    if (what === "deleted") {
      for (const one of [devices, wanted, beingRead]) one.delete(data.name);
      return;
    }
    const known = devices.get(data.name);
    const { name, was, ...fresh } = data;
    // A change tells state and holder; comments, relays and the like are read.
    const told = what === "state" || (known && OF_MACHINES.some((key) => (fresh[key] ?? null) !== (known[key] ?? null)));
    // An answer that is on its way may be older than this change; and no change tells what an image was told.
    if (!known || !told || beingRead.has(name) || known.image !== fresh.image) reread(name);
    if (known) devices.set(name, { ...known, ...fresh, state_since: what === "state" ? at : known.state_since });
  } else if (kind === "request") {
    news.requests.add(data.id);
    if (what === "deleted") {
      for (const one of [requests, requestsRead]) one.delete(data.id);
      return;
    }
    const known = requests.get(data.id);
    if (!known || requestsRead.has(data.id)) rereadRequest(data.id);
    if (!known) return;
    const { was, was_assigned_device: _, ...fresh } = data;
    requests.set(data.id, { ...known, ...fresh });
  } else if (kind === "server") {
    // Whether its devices can be reached is told by no change of theirs.
    for (const [name, device] of devices) if (device.imaging_server === data.name) reread(name);
  }
}

const wanted = new Set();
const beingRead = new Set();
let reading = false;

/** Reads devices again, a few at once, until none is wanted any more. */
async function reread(name) {
  wanted.add(name);
  if (reading) return;
  reading = true;
  // Changes come in bunches, and several of one device are one read.
  await new Promise((wake) => setTimeout(wake, 50));
  while (wanted.size > 0) {
    try {
      const all = wanted.size > ONE_BY_ONE_MAX;
      const names = [...wanted].slice(0, all ? Infinity : READ_AT_ONCE);
      for (const one of names) wanted.delete(one), beingRead.add(one);
      const rows = all
        ? (await get("device/list/?details=1")).devices
        : (await Promise.allSettled(names.map((one) => get(path`device/${one}/details`)))).flatMap((read) => read.value ?? []);
      // What was not to be read may have changed since, and what is not any more was deleted.
      for (const row of rows) if (beingRead.has(row.name)) devices.set(row.name, row), touch().devices.add(row.name);
    } catch {
      // The lists are read anew when the connection is back.
      wanted.clear();
    }
    beingRead.clear();
  }
  reading = false;
}

/** Requests that are being read, and whether they have changed since that began. */
const requestsRead = new Map();

/** Reads a request, and once more if it has changed meanwhile. */
async function rereadRequest(id) {
  if (requestsRead.has(id)) return void requestsRead.set(id, true);
  try {
    do {
      requestsRead.set(id, false);
      const row = await get(path`request/${id}/details`);
      if (!requestsRead.has(id)) return;
      requests.set(id, row);
      touch().requests.add(id);
    } while (requestsRead.get(id));
  } catch {
    // It has gone again, or the lists are read anew soon.
  }
  requestsRead.delete(id);
}
