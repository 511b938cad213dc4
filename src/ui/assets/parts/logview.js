// A log as it grows: the end of it, older lines on demand, search, and new lines as they come. It follows the end until somebody
// scrolls up, and holds a bounded number of lines, however long it is open.

import { get, path, query } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import { parse } from "../core/time.js";
import { visible } from "./text.js";
import { warn } from "./toast.js";

/** Lines to begin with: as many as the original's log page had. */
const FIRST = 1000;
/** Lines of an older page. */
const PAGE = 1000;
/** Lines on the page at most, some megabytes of elements; what is farthest from where one reads goes. */
const HELD_MAX = 6000;
/** Lines in a piece; pieces come and go as wholes. */
const PIECE = 200;
/** Between two looks at a log that cannot be followed. */
const LOOK_MS = 3000;
/** So near to the end counts as being there. */
const NEAR_PX = 24;
/** After the last key that is typed into the search. */
const TYPED_MS = 250;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, fractionalSecondDigits: 3 });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
/** Who of the daemon itself writes; all else came from the board. */
const MACHINES = new Set(["statemachine", "mozpool", "lifeguard", "bmm", "tftp", "journal", "api", "http"]);

/** The log of `{device: name}` or `{request: number}`. Gives `{element, close()}`. `q` is searched for at first. */
export function logview({ device = null, request = null, q = "", onSearch = () => {} }) {
  const where = device === null ? path`request/${request}/log` : path`device/${device}/log`;
  const name = device ?? `request-${request}`;
  let source = null, timer = null, closed = false, turn = 0;
  let text = q;
  /** Pieces from old to new: `{element, lines, from, last}`; `from` is a place before its first line, where one is known. */
  let pieces = [];
  let before = null, after = null, older = false, cut = false;
  /** `jumped` is where the end was when it was last gone to. */
  let following = true, unseen = 0, jumped = 0;
  let seen = new Set();

  const box = h("input", { type: "search", placeholder: "Search this log", "aria-label": "Search this log", value: q, "data-hotkey": "/", on: { input: typed } });
  const count = h("span", { class: "soft small", role: "status" });
  const copy = h("button", { type: "button", on: { click: copyAll } }, "Copy");
  const save = h("button", { type: "button", on: { click: download } }, "Download");
  const lines = h("div", { class: "loglines", tabindex: "0", role: "log", "aria-label": `Log of ${name}`, "aria-live": "off", on: { scroll: scrolled } });
  const up = h("button", { type: "button", class: "logolder", hidden: true, on: { click: loadOlder } }, "Older lines");
  const nothing = h("p", { class: "empty", hidden: true });
  const end = h("button", { type: "button", class: "toend primary", hidden: true, on: { click: toEnd } }, "To the end ↓");
  const element = h("div", { class: "logview" }, h("div", { class: "tools" }, box, count, copy, save), lines, end);

  function typed() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      text = box.value.trim();
      onSearch(text);
      begin();
    }, TYPED_MS);
  }

  /** Reads the end of the log anew. */
  async function begin() {
    const mine = ++turn;
    stop();
    try {
      const page = await get(where + "/" + query(device === null ? {} : { limit: FIRST, q: text }));
      if (mine !== turn || closed) return;
      pieces = [];
      seen = new Set();
      put(lines, up, nothing);
      before = page.before ?? null;
      after = page.after ?? null;
      older = Boolean(page.more);
      cut = false;
      following = true;
      jumped = 0;
      append(chosen(page.log), before);
      jump();
      follow();
    } catch (error) {
      if (mine !== turn || closed) return;
      put(lines, h("p", { class: "empty" }, `The log cannot be read: ${error.message}`));
      timer = setTimeout(begin, LOOK_MS);
    }
  }

  /** A request's log is searched here; a device's comes searched. */
  function chosen(list) {
    if (device !== null) return list;
    const fresh = list.filter((line) => !seen.has(line.id));
    for (const line of fresh) seen.add(line.id);
    const wanted = text.toLowerCase();
    return wanted ? fresh.filter((line) => line.message.toLowerCase().includes(wanted)) : fresh;
  }

  /** Waits for new lines: by a stream, or by looking again. A page that nobody sees does neither. */
  function follow() {
    stop();
    if (closed || document.hidden || cut) return;
    if (device === null) {
      const mine = turn;
      timer = setTimeout(async () => {
        const page = await get(`${where}/`).catch(() => null);
        if (mine !== turn || closed) return;
        if (page) append(chosen(page.log));
        follow();
      }, LOOK_MS);
      return;
    }
    const mine = new EventSource(`/api/${where}/${query({ follow: 1, after, q: text })}`);
    source = mine;
    const round = turn;
    let waiting = [];
    mine.addEventListener("line", (event) => {
      if (round !== turn) return;
      // The place where the lines that came together with this one begin.
      after = event.lastEventId || after;
      waiting.push({ ...JSON.parse(event.data), place: after });
      if (waiting.length > 1) return;
      setTimeout(() => {
        const list = waiting;
        waiting = [];
        // What was said while this page was not looked at is told once more by the stream, from the last place on.
        // After another search has begun, these belong to the one before.
        if (!closed && round === turn) append(unknown(list));
      }, 30);
    });
    mine.addEventListener("skipped", (event) => note(`${JSON.parse(event.data).lines} lines came too fast and are not shown; they are in the log.`));
    mine.onerror = () => {
      if (source !== mine || mine.readyState !== EventSource.CLOSED) return;
      stop();
      timer = setTimeout(begin, LOOK_MS);
    };
  }

  /** A stream that comes back may tell its last lines again. */
  const unknown = (list) => {
    const last = new Set(pieces.slice(-4).flatMap((piece) => piece.lines.map(same)));
    return list.filter((line) => !last.has(same(line)));
  };
  const same = (line) => `${line.id} ${line.timestamp} ${line.message}`;

  function stop() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function append(list, from = null) {
    if (cut) return;
    // Somebody may have scrolled up in this very frame, of which we are told only later.
    if (following && lines.scrollTop < jumped - NEAR_PX && !nearEnd()) following = false;
    const atEnd = following;
    let last = pieces.at(-1)?.lines.at(-1);
    for (const line of list) {
      let piece = pieces.at(-1);
      // Older lines are read from where a piece begins, so one begins where a place is known: with the first of those that came together.
      if (!piece || (piece.lines.length >= PIECE && (!line.place || line.place !== last.place))) {
        piece = { element: h("div", { class: "piece" }), lines: [], from: line.place ?? (piece ? null : from) };
        pieces.push(piece);
        lines.append(piece.element);
      }
      fill(piece.element, dayBetween(last, line), draw(line));
      piece.lines.push(line);
      last = line;
    }
    if (!atEnd) unseen += list.length;
    if (held() > HELD_MAX) atEnd ? trimOld() : cutNew();
    tell();
    if (atEnd) jump();
  }

  const held = () => pieces.reduce((sum, piece) => sum + piece.lines.length, 0);

  function trimOld() {
    while (held() > HELD_MAX) pieces.shift().element.remove();
    // Older lines lead on from the first piece whose place is known.
    while (pieces.length && pieces[0].from === null && device !== null) pieces.shift().element.remove();
    before = pieces[0]?.from ?? before;
    older = device !== null;
  }

  /** Who reads old lines keeps them; the end is read anew when it is wanted. */
  function cutNew() {
    while (held() > HELD_MAX) pieces.pop().element.remove();
    cut = true;
    stop();
  }

  async function loadOlder() {
    up.disabled = true;
    const mine = turn;
    try {
      const page = await get(`${where}/${query({ limit: PAGE, before, q: text })}`);
      if (mine !== turn || closed) return;
      following = false;
      const height = lines.scrollHeight;
      const top = lines.scrollTop;
      const made = [];
      for (let at = 0; at < page.log.length; at += PIECE) {
        const part = page.log.slice(at, at + PIECE);
        const body = h("div", { class: "piece" });
        part.forEach((line, i) => fill(body, dayBetween(part[i - 1] ?? made.at(-1)?.lines.at(-1), line), draw(line)));
        made.push({ element: body, lines: part, from: at === 0 ? page.before : null });
      }
      up.after(...made.map((piece) => piece.element));
      pieces.unshift(...made);
      before = page.before;
      older = page.more;
      if (held() > HELD_MAX) cutNew();
      tell();
      lines.scrollTop = top + lines.scrollHeight - height;
    } catch (error) {
      warn(`Older lines: ${error.message}`);
    } finally {
      up.disabled = false;
    }
  }

  function note(words) {
    (pieces.at(-1)?.element ?? lines).append(h("p", { class: "lognote" }, words));
  }

  function draw(line) {
    const at = parse(line.timestamp);
    return h("div", { class: "logline" },
      h("time", { title: `${line.timestamp} UTC`, datetime: at === null ? null : new Date(at).toISOString() }, at === null ? line.timestamp : CLOCK.format(at)),
      h("span", { class: ["speaker", MACHINES.has(line.source) && "machine"], title: line.source }, visible(line.source)),
      h("span", { class: "said" }, visible(line.message, text)));
  }

  function dayBetween(last, line) {
    const [a, b] = [last ? parse(last.timestamp) : null, parse(line.timestamp)];
    if (b === null || (a !== null && new Date(a).toDateString() === new Date(b).toDateString())) return null;
    return h("div", { class: "logday" }, DAY.format(b));
  }

  function tell() {
    const all = held();
    up.hidden = !older;
    nothing.hidden = all > 0;
    say(nothing, text ? `No line has “${text}” in it${older ? " among those that were looked at" : ""}.` : "Nothing has been said yet. New lines appear here by themselves.");
    say(count, text ? `${all.toLocaleString()} ${all === 1 ? "line" : "lines"} found${older ? ", and more" : ""}` : `${all.toLocaleString()} lines`);
    end.hidden = following && !cut;
    say(end, unseen && !cut ? `${unseen.toLocaleString()} new ↓` : "To the end ↓");
  }

  const nearEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_PX;

  function scrolled() {
    const near = nearEnd();
    if (near === following || (near && cut)) return;
    following = near;
    if (near) unseen = 0;
    tell();
  }

  function jump() {
    unseen = 0;
    lines.scrollTop = lines.scrollHeight;
    jumped = lines.scrollTop;
    tell();
  }

  function toEnd() {
    following = true;
    if (cut) return void begin();
    jump();
  }

  const asText = (list) => list.map((line) => `${line.timestamp}Z ${line.source} ${line.message}\n`).join("");

  async function copyAll() {
    const all = pieces.flatMap((piece) => piece.lines);
    try {
      await navigator.clipboard.writeText(asText(all));
      say(copy, "Copied");
    } catch {
      // Browsers give the clipboard to pages over https and to localhost only.
      say(copy, "Not allowed here");
    }
    setTimeout(() => say(copy, "Copy"), 2000);
  }

  /** All that is stored, or as much as one answer holds; what is searched for, if anything is. */
  async function download() {
    save.disabled = true;
    try {
      const page = await get(`${where}/${query({ q: device === null ? null : text })}`);
      const address = URL.createObjectURL(new Blob([asText(page.log)], { type: "text/plain" }));
      h("a", { href: address, download: `${name}.log` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    } catch (error) {
      warn(`Download: ${error.message}`);
    } finally {
      save.disabled = false;
    }
  }

  // Browsers have six connections for all pages of a server; one that is out of sight leaves its own to others.
  const seenAgain = () => (document.hidden ? stop() : pieces.length || after ? follow() : begin());
  document.addEventListener("visibilitychange", seenAgain);
  begin();
  return {
    element,
    close() {
      closed = true;
      stop();
      document.removeEventListener("visibilitychange", seenAgain);
    },
  };
}
