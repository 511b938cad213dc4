// What happened at boot: a row for each step, with a bar where it lies in time and a mark where it usually does. The attempt of now
// grows while it runs.

import { get, path, query } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { parse, point, precise, since } from "../core/time.js";
import { requestLink } from "./badge.js";
import { visible } from "./text.js";
import { warn } from "./toast.js";

/** Attempts of one answer. */
const PAGE = 20;
/** While an attempt runs it is read again so often: files and lines come without a change of state. */
const LOOK_MS = 1500;

const PURPOSES = { image: "image", power_cycle: "power cycle", self_test: "self-test", maintenance: "maintenance", pxe: "PXE boot" };
const OUTCOMES = { running: ["runs", "working"], ok: ["went well", "free"], failed: ["failed", "failed"], given_up: ["given up", "out"] };
/** What is said of an attempt about which there is nothing to say. */
const WITHOUT = { running: "On its way.", ok: "Went well; what is usual is not known yet." };
const inCapitals = new Set(["tftp", "http"]);

const bytes = (n) => {
  const at = n < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));
  return `${at ? (n / 1000 ** at).toPrecision(3) : n} ${["bytes", "kB", "MB", "GB"][at]}`;
};
const short = (ms) => (ms < 100 ? `${ms} ms` : precise(ms));
const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const isFile = (step) => step.kind === "tftp" || step.kind === "http";
/** A state is told when it begins, all else when it is over. */
const beginOf = (step) => (step.kind === "state" ? step.at_ms : Math.max(0, step.at_ms - (step.took_ms ?? 0)));
function what({ purpose, image }) {
  const words = PURPOSES[purpose] ?? purpose;
  // A self-test is the installation of an image of that name.
  return image && image !== words ? `${words} ${image}` : words;
}
const outcome = (attempt) => OUTCOMES[attempt.outcome] ?? [attempt.outcome, "out"];

/** The timeline of a device. Gives `{element, close()}`. */
export function timeline(name) {
  let attempts = [], shown = null, more = false, timer = null, closed = false, due = false;
  const picker = h("select", { "aria-label": "Attempt", on: { change: () => choose(Number(picker.value)) } });
  const older = h("button", { type: "button", hidden: true, on: { click: readOlder } }, "Older attempts");
  const verdict = h("p", { class: "verdict", role: "status" });
  const summary = h("p", { class: "soft small summary" });
  const list = h("ol", { class: "bootsteps" });
  const legend = h("p", { class: "soft small", hidden: true }, "Dotted: when it usually comes.");
  const empty = h("p", { class: "empty", hidden: true }, "It has not booted since this is recorded. Power cycle it, or install an image.");
  const element = h("section", { class: "card timeline", id: "timeline", "aria-label": "Boot timeline" },
    h("div", { class: "rowwise" }, h("h2", { class: "grow" }, "Boot timeline"), picker, older), verdict, summary, list, legend, empty);
  let rows = [];
  let reading = false, again = false;

  /** One reading at a time, so that no older answer comes last; what changes meanwhile is one more. */
  async function read() {
    if (reading) return void (again = true);
    clearTimeout(timer);
    due = false;
    reading = true;
    // What boards say last may be written a moment after the attempt's end: one that ran is looked at once more.
    const ran = attempts[0]?.outcome === "running";
    try {
      const answer = await get(`${path`device/${name}/attempts`}/${query({ limit: attempts.length ? 2 : PAGE })}`);
      if (closed) return;
      if (!attempts.length) more = answer.more;
      const known = new Set(answer.attempts.map((one) => one.id));
      // Who looks at the newest goes on to the next newest; who has chosen an older one stays there.
      const wasNewest = !attempts.length || shown === attempts[0].id;
      attempts = [...answer.attempts, ...attempts.filter((one) => !known.has(one.id))];
      if (wasNewest) shown = attempts[0]?.id ?? null;
      draw();
    } catch (error) {
      if (!closed && !attempts.length) {
        verdict.hidden = false;
        empty.hidden = true;
        say(verdict, `The timeline cannot be read: ${error.message}`);
      }
    }
    reading = false;
    if (again && !closed) {
      again = false;
      return read();
    }
    if (!closed && (ran || attempts[0]?.outcome === "running")) timer = setTimeout(() => (document.hidden ? (due = true) : read()), LOOK_MS);
  }

  async function readOlder() {
    older.disabled = true;
    try {
      const answer = await get(`${path`device/${name}/attempts`}/${query({ limit: PAGE, before: attempts.at(-1).id })}`);
      if (closed) return;
      attempts.push(...answer.attempts);
      more = answer.more;
      if (answer.attempts.length) shown = answer.attempts[0].id;
      draw();
    } catch (error) {
      if (!closed) warn(`Older attempts: ${error.message}`);
    } finally {
      older.disabled = false;
    }
  }

  function choose(id) {
    shown = id;
    draw();
  }

  function draw() {
    empty.hidden = attempts.length > 0;
    for (const one of [picker, verdict, summary, list]) one.hidden = attempts.length === 0;
    older.hidden = !more;
    drawPicker();
    const attempt = attempts.find((one) => one.id === shown);
    if (!attempt) return;
    const [words, group] = outcome(attempt);
    verdict.className = `verdict group-${group}`;
    say(verdict, attempt.verdict ? sentence(attempt.verdict) : WITHOUT[attempt.outcome] ?? `It ${words} in ${attempt.state}.`);
    drawSummary(attempt);
    drawSteps(attempt);
  }

  function drawPicker() {
    const options = attempts.map((one) => {
      const at = point(parse(one.started));
      return [String(one.id), `${at} · ${what(one)} · ${outcome(one)[0]}${one.outcome === "running" ? "" : ` · ${precise(one.duration_ms)}`}`];
    });
    const wanted = JSON.stringify(options);
    if (picker.dataset.options !== wanted) {
      picker.dataset.options = wanted;
      put(picker, options.map(([value, text]) => h("option", { value }, text)));
    }
    picker.value = String(shown);
  }

  function drawSummary(attempt) {
    const began = parse(attempt.started);
    const [words, group] = outcome(attempt);
    put(summary, h("span", { class: ["state", `group-${group}`] }, words), ` · ${what(attempt)} · began ${point(began)} · `,
      attempt.outcome === "running" ? ["for ", since(began)] : `took ${precise(attempt.duration_ms)}`,
      attempt.usual_duration_ms ? `, usually ${precise(attempt.usual_duration_ms)}` : null,
      attempt.request_id ? [" · request ", requestLink(attempt.request_id)] : null);
  }

  /** Rows whose words have not changed stay; their bars move as the whole grows longer. */
  function drawSteps(attempt) {
    const { steps } = attempt;
    legend.hidden = !steps.some((step) => step.usual_ms);
    const whole = Math.max(attempt.duration_ms, ...steps.map((step) => Math.max(beginOf(step) + (step.took_ms ?? 0), step.usual_ms ?? 0)), 1);
    const share = (ms) => `${((100 * ms) / whole).toFixed(2)}%`;
    steps.forEach((step, at) => {
      const text = JSON.stringify(step);
      if (rows[at]?.text !== text) {
        const fresh = row(step);
        if (rows[at]) rows[at].element.replaceWith(fresh.element);
        else list.append(fresh.element);
        rows[at] = { ...fresh, text };
      }
      const runs = step.kind === "state" && at === lastState(steps) && attempt.outcome === "running";
      const length = runs ? attempt.duration_ms - step.at_ms : step.took_ms ?? 0;
      rows[at].bar.style.setProperty("left", share(beginOf(step)));
      rows[at].bar.style.setProperty("width", share(length));
      rows[at].usual?.style.setProperty("left", share(step.usual_ms));
    });
    for (const gone of rows.splice(steps.length)) gone.element.remove();
  }

  const lastState = (steps) => steps.findLastIndex((step) => step.kind === "state");

  function row(step) {
    const bar = h("span", { class: ["extent", `kind-${step.kind}`, step.bad && "bad"] });
    const usual = step.usual_ms === null || step.usual_ms === undefined ? null : h("span", { class: "usual" });
    const figures = [step.bytes !== null && step.bytes !== undefined && bytes(step.bytes), step.took_ms ? short(step.took_ms) : null].filter(Boolean).join(", ");
    const element = h("li", { class: ["bootstep", `of-${step.kind}`, step.late_ms && "late", step.bad && "bad"], title: usual ? `usually after ${precise(step.usual_ms)}` : null },
      h("span", { class: "at num mono" }, `+${precise(step.at_ms)}`),
      h("span", { class: "kind" }, inCapitals.has(step.kind) ? step.kind.toUpperCase() : step.kind),
      fill(h("span", { class: "did" }), step.bad && h("span", { class: "flag bad" }, "✕ "), isFile(step) && [h("span", { class: "mono" }, visible(step.name)), " "], visible(step.what), figures && h("span", { class: "soft" }, ` ${figures}`),
        step.late_ms ? h("span", { class: "flag" }, ` ▲ ${short(step.late_ms)} later than usual`) : null,
        step.slow ? h("span", { class: "flag" }, " ▲ slow") : null),
      h("span", { class: "track", "aria-hidden": "true" }, usual, bar));
    return { element, bar, usual };
  }

  const end = live.subscribe((news) => {
    if (news.devices.has(name)) read();
  });
  const seenAgain = () => !document.hidden && due && read();
  document.addEventListener("visibilitychange", seenAgain);
  draw();
  read();
  return {
    element,
    close() {
      closed = true;
      clearTimeout(timer);
      end();
      document.removeEventListener("visibilitychange", seenAgain);
    },
  };
}
