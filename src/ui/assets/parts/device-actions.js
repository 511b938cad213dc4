// What people do to devices, one or many: a table of actions, and a bar of buttons for those that are selected.

import { path, post, ApiError } from "../core/api.js";
import { h, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { ask, confirm } from "./dialog.js";
import { run } from "./jobs.js";

/** Names that a question spells out; the rest it counts. */
const NAMED = 12;

/** Asks a device for something. What its state did not accept is answered with status 200 and the reason, and is a refusal like any other. */
export async function please(name, event, body) {
  const answer = await post(path`device/${name}/event/${event}`, body);
  if (answer?.accepted === false) throw new ApiError(409, "not_accepted", answer.why ?? `it does not accept ${event} in ${answer.state}`);
  return answer;
}

/**
 * `act(name)` does it; `warns` is what a question says of it, with nothing it is done at once; `held` is what it means to whoever
 * holds the board.
 */
export const ACTIONS = [
  { name: "self-test", title: "Self-test", act: (name) => please(name, "please_self_test"),
    warns: "It boots into the live system and tests itself." },
  { name: "power-cycle", title: "Power cycle", danger: true, act: (name) => post(path`device/${name}/power-cycle`),
    warns: "Power goes off and comes back, whatever the board is at.", held: "loses what runs on it" },
  { name: "power-off", title: "Power off", danger: true, act: (name) => post(path`device/${name}/power-off`),
    warns: "Power goes off and stays off until somebody or its state machine switches it on.", held: "loses the board's power" },
  { name: "power-on", title: "Power on", act: (name) => post(path`device/${name}/power-on`) },
  { name: "maintenance", title: "Maintenance", danger: true, act: (name) => please(name, "please_start_maintenance"),
    warns: "It boots into a live system with a shell and is out of service until somebody sends it through a self-test." },
  { name: "lock-out", title: "Lock out", danger: true, act: (name) => please(name, "please_offline"),
    warns: "Nothing touches the board any more, not its power either, until somebody puts it back." },
  { name: "put-back", title: "Put back", act: (name) => please(name, "please_online") },
];

export const setComment = (name, comments) => post(path`device/${name}/set-comments`, { comments });
const setEnvironment = (name, environment) => post(path`device/${name}/set-environment`, { environment });

const boards = (names) => (names.length === 1 ? names[0] : `${names.length} boards`);

/** Does an action to devices, after a question where it needs one. Gives the names that it was refused for, or `null` for "no". */
export async function doTo(names, action) {
  if (action.warns && (action.danger || names.length > 1)) {
    const holders = action.held
      ? names.map((name) => live.devices.get(name)).filter((device) => device && device.request_id !== null && device.request_id !== undefined)
      : [];
    const list = names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ` and ${names.length - NAMED} more` : "");
    const what = h("div", { class: "asks" },
      names.length > 1 && h("p", { class: "mono" }, list),
      h("p", {}, action.warns),
      holders.map((device) => {
        const who = live.requests.get(device.request_id)?.assignee;
        return h("p", { class: "notice" }, `${device.name} is held by request #${device.request_id}${who ? ` of ${who}` : ""}, who ${action.held}.`);
      }).slice(0, NAMED));
    if (!(await confirm(`${action.title}: ${boards(names)}?`, what, { action: action.title, danger: action.danger }))) return null;
  }
  return run(action.title, names, action.act);
}

/** Asks for a comment on devices; an empty one takes it away. */
export async function askComment(names) {
  const known = new Set(names.map((name) => live.devices.get(name)?.comments ?? ""));
  const given = await ask(`Comment on ${boards(names)}`, {
    fields: [{ name: "comments", label: "Comment", type: "textarea", rows: 3, value: known.size === 1 ? [...known][0] : "",
      help: known.size > 1 ? "They have different comments now; this one replaces them all." : "Left empty, the comment goes." }],
    action: "Set comment",
  });
  return given && run("Comment", names, (name) => setComment(name, given.comments.trim()));
}

/** Asks for the environment of devices. */
async function askEnvironment(names) {
  const known = live.valuesOf((device) => device.environment);
  const now = new Set(names.map((name) => live.devices.get(name)?.environment ?? ""));
  const given = await ask(`Environment of ${boards(names)}`, {
    fields: [{ name: "environment", label: "Environment", value: now.size === 1 ? [...now][0] : "", options: known, required: true,
      help: "The pool that requests may ask for." }],
    action: "Set environment",
  });
  return given && run("Environment", names, (name) => setEnvironment(name, given.environment.trim()));
}

/**
 * A bar for a selection: hidden while nothing is selected. `clear()` is called when the selection is to go; after something was
 * done those that it was not done to stay selected by `keep(names)`: the refused ones, and what was selected meanwhile. Gives
 * `{element, set(names)}`.
 */
export function actionBar({ clear, keep }) {
  let names = [];
  const count = h("strong", { role: "status" });
  const button = (title, act, danger) => h("button", { type: "button", class: danger && "danger", needs: "operator", on: { click: once(() => doneTo([...names], act)) } }, title);
  const element = h("div", { class: "actions device-actions", role: "toolbar", "aria-label": "Actions on the selected boards", hidden: true },
    count, ACTIONS.map((action) => button(action.title, (list) => doTo(list, action), action.danger)),
    button("Comment…", askComment), button("Environment…", askEnvironment),
    h("button", { type: "button", class: "quiet", on: { click: clear } }, "Clear selection"));

  async function doneTo(asked, act) {
    const refused = await act(asked);
    if (!refused) return;
    const left = names.filter((name) => refused.includes(name) || !asked.includes(name));
    if (left.length) keep(left);
    else clear();
  }

  return {
    element,
    set(list) {
      names = list;
      element.hidden = names.length === 0;
      say(count, names.length === 1 ? "1 board" : `${names.length} boards`);
    },
  };
}

/** `act`, which does nothing while it is at it: two clicks are one. The button stays enabled, or it would lose the focus. */
function once(act) {
  let busy = false;
  return async () => {
    if (busy) return;
    busy = true;
    try {
      await act();
    } finally {
      busy = false;
    }
  };
}

/** One button for one action on one device, with its words. */
export function actionButton(name, action, { title = action.title, primary = false, done = () => {} } = {}) {
  const act = once(async () => {
    const refused = await doTo([name], action);
    if (refused && refused.length === 0) done();
  });
  return h("button", { type: "button", class: [primary && "primary", action.danger && "danger"], needs: "operator", on: { click: act } }, title);
}

export const action = (name) => ACTIONS.find((one) => one.name === name);
