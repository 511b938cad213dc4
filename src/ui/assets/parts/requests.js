// What several pages show of a request, and ask before it ends.

import { path, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { recall } from "../core/prefs.js";
import { isClosed } from "../core/states.js";
import { parse, point, seconds, span, ticking } from "../core/time.js";
import { ask, confirm } from "./dialog.js";

/** Less than this is left: somebody may want to renew it. */
const SOON_MS = 10 * 60_000;

/** When it expires: how long still, counting down, and in UTC on pointing; of one that has ended the point of time. */
export function expires(request) {
  const at = parse(request.expires);
  if (at === null) return "";
  const utc = `${new Date(at).toISOString().replace("T", " ").slice(0, 19)} UTC`;
  if (isClosed(request.state)) return h("time", { datetime: new Date(at).toISOString(), title: utc, class: "soft" }, point(at));
  let element = null;
  const soon = (now) => at - now < SOON_MS;
  const text = (now) => {
    element?.classList.toggle("soon", soon(now));
    return at > now ? span(at - now) : "ends now";
  };
  return (element = ticking(text, { title: utc, class: soon(Date.now()) ? "soon" : null }));
}

/** What is wrong with a length of time that somebody types; nothing when it is right. */
export const wrongLength = (text) => (seconds(text) ? null : "write seconds, or such as 90m, 1h30m, 2d");

/** Asks for how long, and renews. Gives whether it was done. */
export async function renew(request) {
  const given = await ask(`Renew request ${request.id}`, {
    about: "It ends so long from now; what was left of its time does not count.",
    fields: [{ name: "duration", label: "For", value: "1h", required: true, help: "seconds, or such as 90m, 1h30m, 2d", check: wrongLength }],
    action: "Renew",
    submit: ({ duration }) => post(path`request/${request.id}/renew`, { duration: seconds(duration) }),
  });
  return Boolean(given);
}

/** Asks, and ends it. Gives whether it was done; throws what the API refuses. */
export async function close(request) {
  const board = request.assigned_device;
  const what = board ? `${board} is given back and may be another's within seconds. What runs on it is lost.` : "The search for a board ends.";
  if (!(await confirm(`Return request ${request.id}?`, what, { action: "Return" }))) return false;
  const who = recall("assignee");
  await post(path`request/${request.id}/return`, who ? { who } : {});
  return true;
}
