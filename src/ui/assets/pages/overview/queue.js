// Requests that are open: who waits for a board, how long and why; whose board is being made; who has one.

import { get, path } from "../../core/api.js";
import { h, put } from "../../core/dom.js";
import * as live from "../../core/live.js";
import { href } from "../../core/router.js";
import { inWords, isClosed } from "../../core/states.js";
import { parse, roughly, since, ticking } from "../../core/time.js";
import { deviceLink, requestLink } from "../../parts/badge.js";

/** Of each kind so many are shown; the rest is a link away. */
const SHOWN = 8;
/** How often a request that waits is asked why. */
const ASK_AGAIN_MS = 10_000;

const WAITING = new Set(["new", "finding_device"]);

/** Gives `{element, update(), close()}`. */
export function queue() {
  const whys = new Map();
  let closed = false;
  const waiting = part("Waiting", "No request waits for a board.");
  const making = part("Being made ready", "No board is being made ready for a request.");
  const ready = part("In use", "Nobody has a board now.");
  const element = h("section", { class: "queue cards", "aria-label": "Requests" }, waiting.element, making.element, ready.element);

  function part(title, empty) {
    const id = `queue-${title.replaceAll(" ", "-").toLowerCase()}`;
    const count = h("span", { class: "badge" });
    const list = h("ul", { class: "lines" });
    let is = "";
    return {
      element: h("section", { class: "card", "aria-labelledby": id }, h("div", { class: "rowwise" }, h("h2", { id, class: "grow" }, title), count), list),
      draw(rows, line, key) {
        const now = JSON.stringify(rows.slice(0, SHOWN).map(key).concat(rows.length));
        if (now === is) return;
        is = now;
        put(count, rows.length);
        put(list, rows.slice(0, SHOWN).map((row) => h("li", {}, line(row))),
          rows.length > SHOWN && h("li", {}, h("a", { href: href("requests") }, `all ${rows.length}`)),
          !rows.length && h("li", { class: "soft" }, empty));
      },
    };
  }

  const who = (request) => h("span", { class: "who" }, requestLink(request.id), " ", h("span", { class: "cut" }, request.assignee));
  const leftOf = (request) => ticking((now) => `${roughly(parse(request.expires) - now)} left`, { class: "num soft", title: request.expires });
  const created = (request) => parse(request.created);

  function update() {
    const open = [...live.requests.values()].filter((request) => !isClosed(request.state)).sort((a, b) => a.id - b.id);
    const waits = open.filter((request) => WAITING.has(request.state));
    waiting.draw(waits, (request) => [
      h("div", { class: "line" }, who(request), h("span", { class: "soft" }, request.requested_device === "any" ? request.image : `${request.requested_device}, ${request.image}`),
        created(request) && h("span", { class: "num" }, since(created(request)))),
      whys.get(request.id)?.text && h("p", { class: "small soft why-waits" }, whys.get(request.id).text),
    ], (request) => [request.id, request.state, whys.get(request.id)?.text]);
    making.draw(open.filter((request) => !WAITING.has(request.state) && request.state !== "ready"), (request) => {
      const device = live.devices.get(request.assigned_device);
      const progress = device?.progress;
      return [h("div", { class: "line" }, who(request), request.assigned_device && deviceLink(request.assigned_device),
        h("span", { class: "soft" }, device ? inWords(device.state) : "", Number.isInteger(progress) ? ` ${progress} %` : ""), created(request) && h("span", { class: "num" }, since(created(request)))),
      Number.isInteger(progress) && h("progress", { max: "100", value: progress, "aria-label": `Progress of request ${request.id}` })];
    }, (request) => [request.id, request.assigned_device, live.devices.get(request.assigned_device)?.state, live.devices.get(request.assigned_device)?.progress]);
    ready.draw(open.filter((request) => request.state === "ready").sort((a, b) => (parse(a.expires) ?? 0) - (parse(b.expires) ?? 0)), (request) =>
      h("div", { class: "line" }, who(request), request.assigned_device && deviceLink(request.assigned_device), leftOf(request)),
    (request) => [request.id, request.assigned_device, request.expires]);
    askWhy(waits.slice(0, SHOWN));
  }

  /** The request's log says why it waits; the line that looked last says it best. */
  function askWhy(waits) {
    for (const { id } of waits) {
      const known = whys.get(id);
      if (known && Date.now() - known.at < ASK_AGAIN_MS) continue;
      whys.set(id, { at: Date.now(), text: known?.text });
      get(path`request/${id}/status`).then(({ log }) => {
        const line = log.findLast(({ message }) => /board/i.test(message)) ?? log.at(-1);
        if (closed || !line || whys.get(id)?.text === line.message) return;
        whys.set(id, { at: Date.now(), text: line.message });
        update();
      }, () => {});
    }
    for (const id of whys.keys()) if (!live.requests.has(id)) whys.delete(id);
  }

  const timer = setInterval(update, ASK_AGAIN_MS);
  return { element, update, close: () => ((closed = true), clearInterval(timer)) };
}
