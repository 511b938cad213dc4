// How far a request has come: the steps on the way to a ready board, what each took, and what it usually takes.

import { h, put } from "../core/dom.js";
import { inWords, isClosed } from "../core/states.js";
import { precise, since } from "../core/time.js";

/** The steps, with the states of devices that belong to them while the request is pending. */
const STEPS = [
  { name: "looking", title: "Look for a board", states: [] },
  { name: "found", title: "Board found", states: [] },
  { name: "power", title: "Power", states: ["start_pxe_boot", "pxe_power_cycling", "pc_power_cycling"] },
  { name: "boots", title: "Network boot", states: ["pxe_booting", "mobile_init_started"] },
  { name: "image", title: "Image", states: ["image_downloading", "image_extracting", "android_downloading", "android_extracting", "b2g_downloading", "b2g_extracting"] },
  {
    name: "checks", title: "Checks",
    states: ["image_pinging", "image_ping_power_cycle", "pc_rebooting", "pc_pinging", "pc_sut_rebooting", "sut_verifying", "sut_verify_power_cycle", "sut_sdcard_verifying", "operation_complete"],
  },
  { name: "ready", title: "Ready", states: [] },
];
const at = (name) => STEPS.findIndex((step) => step.name === name);
/** A board that has the image already is only switched off and on: it neither boots from the network nor is written. */
const REUSES = new Set(["pc_power_cycling", "pc_rebooting", "pc_pinging", "pc_sut_rebooting"]);

/** The step that a state of a device belongs to; -1 for none. */
const stepOf = (state) => STEPS.findIndex((step) => step.states.includes(state));

/**
 * Where a request is: `{now: place in STEPS, over, failed, reuse}`. `before` is what this gave last; it says where a request was
 * that has come to its end.
 */
function whereIs(request, device, before = null) {
  const { state } = request;
  const reuse = Boolean(device && state === "pending" && (REUSES.has(device.state) || (before?.reuse && stepOf(device.state) !== at("boots"))));
  const failed = state.startsWith("failed_");
  if (state === "ready") return { now: at("ready"), over: false, failed, reuse: before?.reuse ?? false };
  if (isClosed(state)) {
    const reached = failed && state === "failed_device_not_found" ? at("looking") : request.assigned_device ? at("found") : at("looking");
    return { now: before?.now ?? reached, over: true, failed, reuse: before?.reuse ?? false };
  }
  if (state === "new" || state === "finding_device") return { now: at("looking"), over: false, failed, reuse: false };
  const step = state === "pending" && device ? stepOf(device.state) : -1;
  return { now: Math.max(step, at("found")), over: false, failed, reuse };
}

/** Times by step from an attempt's steps: `{power: {begun_ms, usual_ms, slow}}`. */
function timesOf(attempt) {
  const times = {};
  for (const step of attempt?.steps ?? []) {
    if (step.kind !== "state") continue;
    const name = step.name === "ready" ? "ready" : STEPS[stepOf(step.name)]?.name;
    if (name && !times[name]) times[name] = { begun_ms: step.at_ms, usual_ms: step.usual_ms, slow: step.slow };
  }
  return times;
}

/** The element. `draw(request, device, attempt)` brings it up to date. */
export function steps() {
  const element = h("ol", { class: "steps", "aria-label": "Progress" });
  let where = null;
  return {
    element,
    draw(request, device, attempt) {
      where = whereIs(request, device, where);
      const times = timesOf(attempt);
      put(element, STEPS.map((step, place) => one(step, place, where, { request, device, attempt, times })));
    },
  };
}

function one(step, place, where, { request, device, attempt, times }) {
  const skipped = where.reuse && (step.name === "boots" || step.name === "image");
  const last = step.name === "ready";
  const done = place < where.now || (place === where.now && last);
  const now = place === where.now && !where.over && !last;
  const bad = place === where.now && where.over && where.failed;
  const kind = skipped ? "skipped" : bad ? "failed" : done ? "done" : now ? "now" : "open";
  const words = { skipped: "not needed", failed: "failed", done: "done", now: "now", open: "to come" }[kind];
  return h("li", { class: kind, "aria-current": now ? "step" : null },
    h("span", { class: "mark", "aria-hidden": "true" }), h("strong", {}, step.title), h("span", { class: "sr" }, `: ${words}`),
    h("span", { class: "small soft" }, detail(step, kind, { request, device, attempt, times })));
}

function detail(step, kind, { request, device, attempt, times }) {
  if (kind === "skipped") return "has the image already";
  const own = times[step.name];
  if (kind === "now") {
    const state = step.states.includes(device?.state) ? inWords(device.state) : null;
    const begun = state && device.state_since ? Date.parse(device.state_since) : Date.parse(request.created);
    const percent = step.name === "image" && device?.progress != null ? ` ${device.progress} %` : "";
    return [state && `${state}${percent}, `, since(begun), own?.slow && h("strong", {}, " late")];
  }
  if (kind === "done" && step.name === "found") return request.assigned_device;
  if (kind === "done" && own) {
    const next = nextBegun(step, times) ?? (step.name === "ready" ? null : attempt?.duration_ms);
    return next != null && next >= own.begun_ms ? `took ${precise(next - own.begun_ms)}` : null;
  }
  if (kind === "open" && own?.usual_ms != null) return `usually after ${precise(own.usual_ms)}`;
  return null;
}

function nextBegun(step, times) {
  for (let place = STEPS.indexOf(step) + 1; place < STEPS.length; place++) {
    const next = times[STEPS[place].name];
    if (next) return next.begun_ms;
  }
  return null;
}
