// Times for people. The API's times are UTC; those without a zone, as the original gave them, are UTC, too.

import { h } from "./dom.js";

/** Milliseconds since 1970, or `null`. */
export function parse(text) {
  if (!text) return null;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  const at = Date.parse(zoned.replace(/(\.\d{3})\d+/, "$1"));
  return Number.isNaN(at) ? null : at;
}

/** A length of time, in two units at most: `3 d 4 h`, `12 min`, `1:05 min`, `8 s`. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) {
    const rest = seconds % 60;
    return `${Math.floor(seconds / 60)}:${String(rest).padStart(2, "0")} min`;
  }
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** A length of time in one unit, for lists that are glanced at: `8 s`, `12 min`, `3 h`, `2 d`. */
export function roughly(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** The same with parts of a second, for what takes few. */
export const precise = (ms) => (ms < 10_000 ? `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s` : span(ms));

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

/** A point of time in the reader's own zone: today by the clock, otherwise with its day. */
export function point(at) {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : DAY.format(date);
}

/** What has not come onto the page after so many seconds never will: the page that it was made for has been left. */
const UNSEEN_MAX = 60;

const living = new Set();
setInterval(() => {
  for (const one of living) {
    if (!one.element.isConnected && (one.seen || one.unseen++ > UNSEEN_MAX)) living.delete(one);
    else one.draw();
  }
}, 1000);

/** An element whose text is made anew every second for as long as it is on the page. `text` gets the present time. */
export function ticking(text, properties = {}) {
  const element = h("span", properties);
  const one = {
    element,
    seen: false,
    unseen: 0,
    draw() {
      one.seen ||= element.isConnected;
      const now = text(Date.now());
      if (element.textContent !== now) element.textContent = now;
    },
  };
  one.draw();
  living.add(one);
  return element;
}

/** How long ago, in one unit. */
export const ago = (at, properties) => ticking((now) => `${roughly(now - at)} ago`, { title: new Date(at).toISOString(), ...properties });

/** How long ago, counting. */
export const since = (at, properties) => ticking((now) => span(now - at), { title: new Date(at).toISOString(), ...properties });

/** How long still, counting down; `over` when the time has come. */
export const until = (at, over = "now", properties) =>
  ticking((now) => (at > now ? span(at - now) : over), { title: new Date(at).toISOString(), ...properties });

/** Seconds of what people type: `90`, `90s`, `15m`, `1h30m`, `2d`; `null` for what is none. */
export function seconds(text) {
  const clean = text.trim().toLowerCase().replaceAll(" ", "");
  if (/^\d+$/.test(clean)) return Number(clean);
  const parts = clean.match(/^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?$/);
  if (!parts || !clean) return null;
  const [, d, h2, m, sec] = parts.map((part) => Number(part ?? 0));
  return d * 86_400 + h2 * 3600 + m * 60 + sec;
}
