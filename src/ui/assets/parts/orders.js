// What people do to devices: a bar of buttons, each of which asks what it needs to know. The list of devices does it to those
// that are selected, a device's page to its own.

import { ApiError, get, path, post } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import * as live from "../core/live.js";
import { whyNot } from "../core/session.js";
import { DEVICE_STATES, inWords } from "../core/states.js";
import { bootConfigFields, bootConfigOf, bootConfigReady, readObject } from "./boot-config.js";
import { please as askOf } from "./device-actions.js";
import { ask, confirm } from "./dialog.js";
import { run } from "./jobs.js";
import { warn } from "./toast.js";

/** Names that a sentence lists before it only counts. */
const NAMED_MAX = 6;

const VERBS = [
  ["please_power_cycle", "power cycle, and see that the system comes up"],
  ["please_image", "install an image"],
  ["please_self_test", "self-test"],
  ["please_start_maintenance", "maintenance: live system with a shell"],
  ["please_offline", "lock out: hands off"],
  ["please_online", "back to work, through a self-test"],
];

/** Everything that can be done, in the order of the buttons. */
const ACTIONS = [
  { name: "please", title: "Please…", act: please, primary: true },
  { name: "force", title: "Force state…", act: force },
  { name: "cycle", title: "Power cycle…", act: power("power-cycle", "Power cycle", "Power goes off and on. The network offers nothing, so it boots its own disk.") },
  { name: "off", title: "Power off…", act: power("power-off", "Power off", "Power goes off and stays off until somebody switches it on.") },
  { name: "on", title: "Power on…", act: power("power-on", "Power on", "Power goes on.", false) },
  { name: "pxe", title: "PXE boot…", act: pxeBoot },
  { name: "clear", title: "Clear PXE…", act: power("clear-pxe", "Clear PXE", "The next boot is from its own disk, whatever the network was to offer.", false) },
  { name: "ping", title: "Ping", act: ping },
  { name: "environment", title: "Environment…", act: environment },
  { name: "comments", title: "Comments…", act: comments },
];

/**
 * The bar. `names()` gives the devices that it is for; `submitted()` is called when something has been asked of them.
 * Gives `{element, refresh()}`; `refresh` brings the buttons up to date with `names()`.
 */
export function orders({ names, submitted = () => {}, class: kind = null }) {
  const buttons = ACTIONS.map(({ title, act, primary }) =>
    h("button", { type: "button", class: primary ? "primary" : null, needs: "operator", on: { click: () => begin(act) } }, title));
  let busy = false;
  async function begin(act) {
    const chosen = names();
    // What a dialog needs is read before it opens: a second click would open a second one.
    if (busy || !chosen.length) return;
    busy = true;
    try {
      await act(chosen, submitted);
    } catch (error) {
      warn(error.message);
    } finally {
      busy = false;
    }
  }
  // Where it scrolls, those who may use none of it reach its end by the keyboard nevertheless.
  const element = h("div", { class: ["orders", kind], role: "group", "aria-label": "Actions", tabindex: whyNot("operator") && "0" }, buttons);
  const refresh = () => {
    const none = names().length === 0;
    for (const button of buttons) button.disabled = none;
  };
  refresh();
  return { element, refresh };
}

function listed(names) {
  const shown = names.length > NAMED_MAX + 1 ? names.slice(0, NAMED_MAX) : names;
  return shown.join(", ") + (shown.length < names.length ? ` and ${names.length - shown.length} more` : "");
}

/** What a dialog says first: which devices, and which of them are somebody's. */
function about(names, text) {
  const held = names.filter((name) => live.devices.get(name)?.request_id);
  const holders = held.map((name) => {
    const request = live.requests.get(live.devices.get(name).request_id);
    return request ? `${name} (${request.assignee})` : name;
  });
  return fill(h("span", { class: "stack" }),
    h("span", {}, h("strong", {}, names.length > 1 ? `${names.length} devices: ${listed(names)}. ` : `${names[0]}. `), text),
    held.length ? h("span", { class: "notice" }, `In use: ${listed(holders)}.`) : null);
}

/** Tick box and text: typing ticks, blank and ticked clears the comment. Each dialog begins with it unticked. */
const rider = ({ value = "" } = {}) => [
  {
    name: "comment", label: "Comment", value, placeholder: "blank clears it",
    on: { input: (event) => (event.target.form.elements.set_comment.checked = true) },
  },
  { name: "set_comment", label: "Set this comment", type: "checkbox" },
];

const setComment = (name, values) =>
  values.set_comment ? post(path`device/${name}/set-comments/`, { comments: values.comment.trim() }) : null;

/** Does `act(name)` to each, and then writes the comment where that was done. */
function start(title, names, values, act, submitted) {
  run(title, names, async (name) => {
    await act(name);
    await setComment(name, values);
  });
  submitted();
}

async function please(names, submitted) {
  const { images } = await get("image/list/");
  const keysOf = (values) => images.find((image) => image.name === values.image)?.boot_config_keys ?? [];
  const installs = (values) => values.verb === "please_image";
  await ask("Please…", {
    about: about(names, "It is asked, and may refuse."),
    action: "Ask",
    fields: (values) => [
      { name: "verb", label: "Please", type: "select", options: [["", "choose…"], ...VERBS.map(([verb, words]) => [verb, `${words} (${verb})`])] },
      ...(installs(values)
        ? [{ name: "image", label: "Image", type: "select", options: [["", "choose…"], ...images.map(({ name }) => name)] }, ...bootConfigFields(keysOf(values), values)]
        : []),
      ...rider(),
    ],
    ready: (values) => values.verb && (!installs(values) || (values.image && bootConfigReady(keysOf(values), values))),
    submit: async (values) => {
      const body = installs(values) ? { image: values.image, boot_config: bootConfigOf(keysOf(values), values) } : {};
      start(values.verb, names, values, (name) => askOf(name, values.verb, body), submitted);
    },
  });
}

async function force(names, submitted) {
  await ask("Force state", {
    about: about(names, "As if it had come to that state by itself, with all that the state does. It has to be in the state that is shown here."),
    action: "Force…",
    danger: true,
    fields: [{ name: "state", label: "State", options: DEVICE_STATES, required: true, placeholder: "ready" }, ...rider()],
    ready: (values) => values.state.trim(),
    submit: async (values) => {
      const to = values.state.trim();
      const from = new Map(names.map((name) => [name, live.devices.get(name)?.state ?? "unknown"]));
      const lines = names.slice(0, NAMED_MAX).map((name) => h("li", {}, `${name}: ${from.get(name)} → ${to}`));
      if (names.length > NAMED_MAX) lines.push(h("li", {}, `and ${names.length - NAMED_MAX} more`));
      const sure = await confirm("Force it?", h("ul", {}, lines), { action: "Force" });
      if (!sure) throw new Error("Nothing was changed.");
      start(`Force ${to}`, names, values, (name) => post(path`device/${name}/state-change/${from.get(name)}/to/${to}/`), submitted);
    },
  });
}

function power(call, title, what, danger = true) {
  return (names, submitted) =>
    ask(title, {
      about: about(names, what),
      action: title,
      danger,
      fields: rider(),
      submit: async (values) => start(title, names, values, (name) => post(path`device/${name}/` + `${call}/`), submitted),
    });
}

async function pxeBoot(names, submitted) {
  const { pxe_configs: configs } = await get("bmm/pxe_config/list/?active_only=1");
  await ask("PXE boot", {
    about: about(names, "A power cycle, after which the network offers this PXE config."),
    action: "PXE boot",
    danger: true,
    fields: [
      { name: "pxe_config", label: "PXE config", type: "select", options: [["", "choose…"], ...configs] },
      { name: "boot_config", label: "Boot config (JSON)", type: "textarea", placeholder: "{}", help: "What the second stage is told; may be empty.", check: (text) => readObject(text)[1] },
      ...rider(),
    ],
    ready: (values) => values.pxe_config,
    submit: async (values) => {
      const body = { pxe_config: values.pxe_config };
      if (values.boot_config.trim()) body.boot_config = readObject(values.boot_config)[0];
      start(`PXE boot ${values.pxe_config}`, names, values, (name) => post(path`device/${name}/power-cycle/`, body), submitted);
    },
  });
}

async function ping(names, submitted) {
  run("Ping", names, pingOne);
  submitted();
}

/** Whether it answers; that it does not is an error like any other. */
async function pingOne(name) {
  const { success } = await get(path`device/${name}/ping/`);
  if (!success) throw new ApiError(200, "no_ping", "does not answer");
}

async function environment(names, submitted) {
  const { environments } = await get("environment/list/");
  const now = new Set(names.map((name) => live.devices.get(name)?.environment));
  await ask("Environment", {
    about: about(names, "The pool that it belongs to. Requests may ask for one of them."),
    action: "Set environment",
    fields: [{ name: "environment", label: "Environment", options: environments, required: true, value: now.size === 1 ? [...now][0] : "" }],
    ready: (values) => values.environment.trim(),
    submit: async (values) => {
      const wanted = { environment: values.environment.trim() };
      start("Environment", names, {}, (name) => post(path`device/${name}/set-environment/`, wanted), submitted);
    },
  });
}

async function comments(names, submitted) {
  const value = names.length === 1 ? live.devices.get(names[0])?.comments : "";
  await ask("Comments", {
    about: about(names, "For the next person who looks at it."),
    action: "Set comments",
    fields: rider({ value }),
    ready: (values) => values.set_comment,
    submit: async (values) => start("Comments", names, values, async () => {}, submitted),
  });
}

/** The states of devices with their words, for a filter. */
export const stateOptions = () => live.valuesOf((device) => device.state).map((state) => [state, inWords(state)]);
