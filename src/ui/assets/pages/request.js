// One request: how far it has come, why it waits, how to use its board, and everything that was done for it.

import { get, path } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { href } from "../core/router.js";
import { isClosed } from "../core/states.js";
import { parse, point, since, span } from "../core/time.js";
import { deviceLink, deviceState, logLink, requestState } from "../parts/badge.js";
import { copyable } from "../parts/copy.js";
import { close, expires, renew } from "../parts/requests.js";
import { several } from "../parts/several.js";
import { steps } from "../parts/steps.js";
import { tell, warn } from "../parts/toast.js";
import { prettyJson } from "../parts/text.js";
import { lastReason } from "../parts/why.js";

/** While a board is looked for, the log says more every ten seconds, and no change tells of it. */
const LOOK_MS = 5000;
/** Between two readings of the log: a board that is imaged changes several times a second. */
const REST_MS = 700;
/** Lines that are shown: a request that waits for a day has some hundred. */
const LINES_MAX = 2000;

export const style = "request";
export const title = ({ id }) => `Request ${id}`;

export function open(root, { params }) {
  const id = Number(params.id);
  const body = h("div", { class: "request" });
  const state = h("span");
  const buttons = h("span", { class: "rowwise" });
  const heading = h("h1", {}, `Request ${params.id}`);
  put(root, h("div", { class: "head" }, heading, state, buttons), body);
  let request = null;
  let attempt = null;
  let ended = false;

  const progress = steps();
  const why = h("p", { class: "notice", role: "status", hidden: true });
  const total = h("p", { class: "soft", hidden: true });
  const facts = h("dl", { class: "facts" });
  const use = h("div", { class: "card" });
  const log = logList();
  const page = [
    h("section", { class: "card", "aria-label": "Progress" }, progress.element, why, total),
    h("div", { class: "cards" }, use, h("section", { class: "card" }, h("h2", {}, "Details"), facts)),
    h("section", { class: "card" }, h("div", { class: "head" }, h("h2", { class: "grow" }, "Log"), h("a", { href: `${href("log")}?request=${params.id}`, target: "_blank", rel: "noopener" }, "in a window of its own")), log.element),
  ];

  async function read() {
    try {
      request = await get(path`request/${params.id}/details`);
    } catch (error) {
      if (ended) return;
      const again = error.status === 404 ? h("a", { href: href("requests") }, "All requests") : h("button", { type: "button", on: { click: read } }, "Try again");
      return void put(body, h("p", { class: "notice bad" }, `${error.message}`), h("p", {}, again));
    }
    if (ended) return;
    put(body, page);
    draw();
    readLog();
    readUsual();
  }

  const device = () => (request.assigned_device ? (live.devices.get(request.assigned_device) ?? null) : null);

  function draw() {
    put(state, requestState(request));
    drawButtons();
    progress.draw(request, device(), attempt);
    drawFacts();
    drawUse();
    drawWhy();
  }

  function drawButtons() {
    const over = isClosed(request.state);
    const wanted = over ? "again" : "live";
    if (buttons.dataset.kind === wanted) return;
    buttons.dataset.kind = wanted;
    const asked = { image: request.image, device: request.requested_device };
    put(buttons, over
      ? h("a", { class: "button", needs: "requester", href: `${href("requests", "new")}?${new URLSearchParams(asked)}` }, "Ask again")
      : [h("button", { type: "button", needs: "requester", on: { click: () => act(renew, "renewed") } }, "Renew"),
        h("button", { type: "button", class: "danger", needs: "requester", on: { click: () => act(close, "returned") } }, "Return")]);
  }

  async function act(what, done) {
    try {
      if (!(await what(request))) return;
      tell(`Request ${request.id} is ${done}.`);
      refresh();
    } catch (error) {
      warn(error.message);
    }
  }

  /** Whether what is drawn of it has changed: a board that is imaged changes several times a second, and what people have selected or unfolded stays. */
  const is = new Map();
  function changed(part, ...values) {
    const now = JSON.stringify(values);
    if (is.get(part) === now) return false;
    is.set(part, now);
    return true;
  }

  function drawFacts() {
    if (!changed("facts", request)) return;
    const row = (name, value) => value !== null && value !== false && value !== "" && value !== undefined && [h("dt", {}, name), h("dd", {}, value)];
    const config = prettyJson(request.boot_config || "{}");
    put(facts,
      row("Assignee", request.assignee), row("Reason", request.reason),
      row("Image", request.image), row("Device", request.requested_device === "any" ? "any" : deviceLink(request.requested_device)),
      row("Environment", several(request.environment)),
      row("Hardware", [several(request.hardware_type), several(request.hardware_model)].filter(Boolean).join(" ")),
      row("Processor", several(request.processor)),
      row("Tags", request.tags.map((tag) => [tag].flat().join(" or ")).join(", ")),
      row("Made", h("span", {}, point(parse(request.created)), h("span", { class: "soft" }, " ", since(parse(request.created)), " ago"))),
      row(isClosed(request.state) ? "Expires" : "Expires in", expires(request)),
      row("Searches until", request.state === "finding_device" && request.queue_until && point(parse(request.queue_until))),
      row("Server", request.imaging_server),
      config !== "{}" && row("Boot config", h("pre", {}, config)));
  }

  function drawUse() {
    const board = device();
    const over = isClosed(request.state);
    if (!changed("use", request.state, request.assigned_device, request.url, board && [board.name, board.fqdn, board.state, board.request_id])) return;
    const unfolded = use.querySelector("details")?.open;
    const command = (text, what) => copyable(`mozpool request ${text}`, what);
    put(use, h("h2", {}, request.state === "ready" ? "Use it" : "Board"));
    if (board) {
      fill(use, h("p", { class: "rowwise" }, deviceLink(board.name), deviceState(board), h("a", { href: `${href("devices", board.name)}#timeline` }, "Timeline"), logLink("device", board.name)));
      if (request.state === "ready") fill(use, h("div", {}, h("div", { class: "small soft" }, "Address"), copyable(board.fqdn, "the address")));
    } else {
      fill(use, h("p", { class: "soft" }, request.assigned_device || (over ? "It has none any more." : "None yet.")));
    }
    if (over) return;
    fill(use, h("details", { open: unfolded }, h("summary", {}, "The same by command line"), h("div", { class: "commands" },
      copyable(`export MOZPOOL_URL=${location.origin}`, "the server's address"),
      request.state !== "ready" && command(`wait ${request.id}`, "the command that waits"),
      command(`renew ${request.id} --duration 1h`, "the command that renews"), command(`return ${request.id}`, "the command that returns"),
      copyable(`curl -d '{}' ${request.url}return/`, "the call that returns"))));
  }

  function drawWhy() {
    const words = log.reason();
    const failed = request.state.startsWith("failed_");
    const trouble = request.state === "pending" && device()?.state.startsWith("failed_");
    why.hidden = !words || !(request.state === "finding_device" || failed || trouble);
    why.classList.toggle("bad", failed);
    if (!why.hidden) say(why, failed && attempt?.verdict ? `${words} ${attempt.verdict}` : words);
  }

  let reading = null;
  /** At most one reading at a time, and a rest between two. */
  function readLog() {
    reading ??= (async () => {
      try {
        log.add((await get(path`request/${params.id}/log`)).log);
        await readAttempt();
        if (!ended) drawWhy();
      } catch {
        // The connection is lost, which the page says above; or the request is deleted, and its details say so.
      }
      await new Promise((wake) => setTimeout(wake, REST_MS));
      reading = null;
      if (stale && !ended) {
        stale = false;
        readLog();
      }
    })();
  }
  let stale = false;
  function refresh() {
    if (reading) stale = true;
    else readLog();
  }

  /** What the board's timeline says of this request's attempt. */
  async function readAttempt() {
    if (!request.assigned_device) return;
    const { attempts } = await get(`${path`device/${request.assigned_device}/attempts`}?limit=5`);
    attempt = attempts.find((one) => one.request_id === request.id) ?? attempt;
    if (!ended) progress.draw(request, device(), attempt);
  }

  /** How long it usually takes from a request to a ready board with this image. */
  async function readUsual() {
    let words = "";
    try {
      const { rows } = await get("report/ready?days=30&by=image");
      const row = rows.find((one) => one.image === request.image);
      if (row?.median != null) words = `Usually ready ${span(row.median * 1000)} after it was asked for${row.p90 != null ? `, in nine of ten cases within ${span(row.p90 * 1000)}` : ""}.`;
    } catch {
      // Without the report the steps still tell how far it is.
    }
    if (ended) return;
    say(total, words);
    total.hidden = !words;
  }

  read();
  const timer = setInterval(() => {
    if (request?.state === "finding_device") refresh();
  }, LOOK_MS);
  const end = live.subscribe((news) => {
    if (!request) return;
    const own = news.requests.has(id);
    const now = live.requests.get(id);
    if (own && now) request = { ...request, ...now, reason: request.reason, url: request.url };
    if (own && !now && !isClosed(request.state)) return void read();
    const board = request.assigned_device && news.devices.has(request.assigned_device);
    if (!own && !board) return;
    draw();
    refresh();
  });
  return () => {
    ended = true;
    clearInterval(timer);
    end();
  };
}

/** The log, which only grows: lines that are there are not drawn again, so that what is selected stays so. */
function logList() {
  const element = h("ol", { class: "log", tabindex: "0", "aria-label": "Log lines" });
  let last = 0;
  let reason = "";
  return {
    element,
    reason: () => reason,
    add(lines) {
      const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 8;
      for (const { id, timestamp, source, message } of lines) {
        if (id <= last) continue;
        last = id;
        const at = parse(timestamp);
        fill(element, h("li", { class: message.startsWith("entering state ") ? "soft" : null },
          h("time", { datetime: new Date(at).toISOString(), title: `${timestamp} UTC` }, point(at)), h("span", { class: "source" }, source), h("span", { class: "said" }, message)));
      }
      while (element.children.length > LINES_MAX) element.firstChild.remove();
      reason = lastReason(lines);
      if (atEnd) element.scrollTop = element.scrollHeight;
    },
  };
}
