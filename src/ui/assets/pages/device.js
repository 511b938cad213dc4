// One device: how it does and until when, what is done to it, how it boots, what it says, and what it is.

import { get, path, post } from "../core/api.js";
import { fill, h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { go, href } from "../core/router.js";
import { parse, point, since, span, until } from "../core/time.js";
import { deviceState, logLink, requestLink } from "../parts/badge.js";
import { history } from "../parts/history.js";
import { inline } from "../parts/inline.js";
import { logview } from "../parts/logview.js";
import { network } from "../parts/network.js";
import { orders } from "../parts/orders.js";
import { macOf, prettyJson, visible } from "../parts/text.js";
import { timeline } from "../parts/timeline.js";

export const style = "device";
export const title = ({ name }) => name;

/** "1st", "2nd", "3rd", "11th". */
function ordinal(n) {
  const end = n % 100 > 10 && n % 100 < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th";
  return `${n}${end}`;
}

export function open(root, { params: { name } }) {
  const heading = h("h1", { class: "mono" }, name);
  if (!live.devices.has(name)) {
    put(root, heading, h("p", {}, "There is no device of this name. ", h("a", { href: href("devices") }, "All devices")));
    // It may be made while somebody waits for it here.
    return live.subscribe(() => live.devices.has(name) && go(location.href, { replace: true }));
  }
  let details = live.devices.get(name);
  let turn = 0;

  const state = h("span", { class: "device-state" });
  const clock = h("p", { class: "clock" });
  const holder = h("p", { class: "holder" });
  const note = h("p", { class: "comment-line", hidden: true });
  const facts = h("dl", { class: "facts" });
  const comments = inline({ label: "comment", empty: "none", save: (text) => post(path`device/${name}/set-comments/`, { comments: text }) });
  const environment = inline({
    label: "environment", save: (text) => post(path`device/${name}/set-environment/`, { environment: text }),
    options: async () => (await get("environment/list/")).environments,
  });
  const actions = orders({ names: () => (live.devices.has(name) ? [name] : []), class: "scrolls" });
  const boots = timeline(name);
  const log = logview({ device: name });
  const offered = network(name);
  const past = history(name);

  put(root,
    h("div", { class: "head device-head" }, heading, state),
    h("div", { class: "device-line" }, clock, holder), note,
    actions.element,
    h("div", { class: "device-page" },
      h("div", { class: "device-main" }, boots.element,
        h("section", { class: "card", "aria-label": "Log" }, h("div", { class: "rowwise" }, h("h2", { class: "grow" }, "Log"), logLink("device", name)), log.element),
        past.element),
      h("div", { class: "device-side" },
        h("section", { class: "card", "aria-label": "About it" }, h("h2", {}, "About it"), facts), offered.element)));
  draw();
  read();
  if (location.hash === "#timeline") boots.element.scrollIntoView();

  /** The deadline and the attempts left are told with the details alone. */
  async function read() {
    const mine = ++turn;
    try {
      const fresh = await get(path`device/${name}/details`);
      if (mine !== turn) return;
      details = fresh;
      draw();
    } catch {
      // What is shown stays; a lost connection is told above, and the next change reads again.
    }
  }

  function draw() {
    const device = live.devices.get(name);
    if (!device) {
      put(state, h("span", { class: "state group-out" }, "deleted"));
      put(clock, "It is not in the lab any more.");
      actions.refresh();
      return;
    }
    put(state, deviceState(device));
    // Until the details of a new state are there, the old ones' deadline means nothing.
    const now = details.state === device.state ? details : device;
    put(clock, clockOf(device, now));
    put(holder, holderOf(device));
    note.hidden = !device.comments;
    put(note, h("span", { class: "soft" }, "Comment: "), device.comments);
    comments.set(device.comments);
    environment.set(device.environment);
    drawFacts(device, details);
  }

  function clockOf(device, { deadline, attempt, progress }) {
    const parts = [h("span", {}, "for ", since(parse(device.state_since)))];
    const at = parse(deadline);
    // Nobody checks a board that somebody has.
    if (at && !(device.state === "ready" && device.request_id)) parts.push(h("span", {}, device.state === "ready" ? "checked again in " : "time is up in ", h("strong", {}, until(at, "a moment"))));
    if (attempt && device.state !== "ready") parts.push(h("span", {}, `${ordinal(attempt.used + 1)} of ${attempt.allowed + 1} attempts`));
    if (progress !== null && progress !== undefined) {
      parts.push(h("span", { class: "rowwise" }, `${progress} %`, h("span", { class: "meter device-meter group-working", "aria-hidden": "true" }, h("span", { style: { width: `${progress}%` } }))));
    }
    return parts.flatMap((part, i) => (i ? [h("span", { class: "soft", "aria-hidden": "true" }, "·"), part] : [part]));
  }

  function holderOf(device) {
    if (!device.request_id) return null;
    const request = live.requests.get(device.request_id);
    const ends = parse(request?.expires);
    return [requestLink(device.request_id), request ? ` of ${request.assignee}` : "", ends ? [", ends in ", until(ends), h("span", { class: "soft" }, ` (${point(ends)})`)] : null];
  }

  function drawFacts(device, { boot_config: told, mac, limit_s: limit }) {
    const rows = [
      ["Comment", comments.element],
      ["Environment", environment.element],
      ["Image", device.image ?? "none"],
      device.next_image && ["Next image", device.next_image],
      told && told !== "{}" && ["Boot config", h("pre", { class: "bootconfig" }, visible(prettyJson(told)))],
      ["Address", h("span", { class: "mono" }, device.fqdn)],
      ["MAC", h("span", { class: "mono" }, mac ?? macOf(device))],
      ["Hardware", [device.hardware_type, device.hardware_model].filter(Boolean).join(" ") || "none"],
      device.processor && ["Processor", device.processor],
      ["Power", h("span", { class: "mono" }, device.relay_info || "no relay is known")],
      ["Server", device.imaging_server],
      ["Tags", device.tags.join(", ") || "none"],
      limit && device.state !== "ready" && ["Limit of this state", span(limit * 1000)],
    ].filter(Boolean);
    const shape = JSON.stringify(rows.map(([key, value]) => [key, typeof value === "string" ? value : value.textContent]));
    // The fields that somebody is writing in stay where they are.
    if (facts.dataset.shape === shape || facts.querySelector("form")) return;
    facts.dataset.shape = shape;
    const focused = facts.contains(document.activeElement) ? document.activeElement : null;
    put(facts, rows.map(([key, value]) => [h("dt", {}, key), fill(h("dd"), value)]));
    focused?.focus({ preventScroll: true });
  }

  const end = live.subscribe((news) => {
    if (news.devices.has(name)) {
      draw();
      read();
    } else if (news.requests.has(live.devices.get(name)?.request_id)) draw();
  });
  return () => {
    end();
    for (const part of [boots, log, offered, past]) part.close();
  };
}
