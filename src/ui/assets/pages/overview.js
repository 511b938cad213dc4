// What is going on, at a glance: how many boards are free, who waits, what a human should do next, what has just happened.

import { get, getEither } from "../core/api.js";
import { h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { href } from "../core/router.js";
import { about } from "./overview/about.js";
import { figures } from "./overview/figures.js";
import { next } from "./overview/next.js";
import { queue } from "./overview/queue.js";
import { recently } from "./overview/recently.js";
import { servers } from "./overview/servers.js";

/** How often the server is asked how it is: what no change tells. */
const ASK_AGAIN_MS = 15_000;
/** How soon after a change the candidates are read: boards of a rack that is switched on come in one after the other. */
const READ_MS = 1000;
/** How soon after a change the advice is thought over again; it looks at everything. */
const THINK_MS = 400;

export const style = "overview";
export const title = () => "Overview";

export function open(root, { query }) {
  const known = { relayBoards: null, health: null, ready: null, senders: null, candidates: null, servers: null };
  const parts = { figures: figures(), queue: queue(), recently: recently(), servers: servers(), about: about() };
  parts.next = next({ openAbout: parts.about.open });
  put(root, h("div", { class: "head" }, h("h1", {}, "Overview"), h("a", { href: href("requests", "new"), needs: "requester", class: "button primary" }, "New request")),
    parts.figures.element, h("div", { class: "overview" }, h("div", { class: "column" }, parts.next.element, parts.queue.element, parts.figures.matrix), h("div", { class: "column" }, parts.servers.element, parts.recently.element, parts.about.element)));

  let closed = false;
  let due = null;
  const think = () => {
    due = null;
    if (closed) return;
    parts.next.update({ ...known, devices: [...live.devices.values()], requests: [...live.requests.values()], now: Date.now() });
  };
  const thinkSoon = () => (due ??= setTimeout(think, THINK_MS));

  async function ask() {
    const quiet = (promise, otherwise) => promise.catch(() => otherwise);
    const [health, ready, unknown, relays, fresh, pool] = await Promise.all([
      quiet(getEither("health"), known.health), quiet(getEither("ready"), known.ready), quiet(get("log/unknown?limit=5"), null), quiet(get("relay/list"), null), quiet(get("candidate/list"), null), quiet(get("server/list"), null),
    ]);
    if (closed) return;
    Object.assign(known, {
      health, ready, senders: unknown?.senders ?? known.senders, candidates: fresh?.candidates ?? known.candidates,
      relayBoards: relays?.relay_boards ?? known.relayBoards, servers: pool?.servers ?? known.servers,
    });
    parts.about.update(health, ready);
    parts.servers.update(known.servers, health?.server);
    think();
    if (query.get("about")) parts.about.open(), query.delete("about");
  }

  let listed = null;
  async function readCandidates() {
    listed = null;
    const fresh = await get("candidate/list").catch(() => null);
    if (closed || !fresh) return;
    known.candidates = fresh.candidates;
    think();
  }

  parts.figures.update(live.devices.keys(), live.devices);
  parts.queue.update();
  think();
  ask();
  const timer = setInterval(ask, ASK_AGAIN_MS);
  const end = live.subscribe((news) => {
    if ((news.status && live.status.connected) || news.kinds.has("server")) ask();
    if (news.kinds.has("candidate")) listed ??= setTimeout(readCandidates, READ_MS);
    if (news.devices.size) parts.figures.update(news.devices, live.devices);
    if (news.devices.size || news.requests.size) parts.queue.update(), thinkSoon();
  });
  return () => {
    closed = true;
    end();
    clearInterval(timer);
    clearTimeout(due);
    clearTimeout(listed);
    parts.queue.close();
    parts.recently.close();
  };
}
