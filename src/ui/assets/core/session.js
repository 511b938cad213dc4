// Who uses this page, and what they may do: what `GET session` says. The cookie that makes it so is no script's to read.

import { get, post, del, onDenied, setProof } from "./api.js";
import { askWhyNot } from "./dom.js";

/** Roles, each of which may do what those before it may. `server` stands beside them, and reads. */
export const ROLES = ["viewer", "requester", "operator", "admin"];

/** `mode` is `open` or `token`, `null` until the server has said; `name` is the token's, `role` what it may do. */
export const session = { mode: null, name: null, role: null, environments: [], expires: null };

const listeners = new Set();
/** Calls `listen()` whenever somebody else uses the page, or nobody. */
export const onSession = (listen) => listeners.add(listen);

/** Whether the server asks who we are, and does not know. */
export const isStranger = () => session.mode === "token" && session.role === null;

function take({ csrf = null, ...said }) {
  const was = JSON.stringify(session);
  Object.assign(session, said);
  setProof(csrf);
  if (JSON.stringify(session) !== was) for (const listen of listeners) listen();
}

/** Reads it. Throws what the API says when it says no. */
export async function load(options) {
  take(await get("session", options));
}

/** Begins one with a token. Throws the API's refusal. */
export async function logIn(token) {
  take(await post("session", { token }));
}

/** Ends it, here and on all servers. */
export async function logOut() {
  await del("session");
  take({ mode: "token", name: null, role: null, environments: [], expires: null });
}

/** Why we may not do what needs a role, in a sentence; nothing if we may, or if the server has not said who we are. */
export function whyNot(needed) {
  if (session.role === null || ROLES.indexOf(session.role) >= ROLES.indexOf(needed)) return null;
  return `This needs the role ${needed}; ${session.name} has the role ${session.role}.`;
}

// A session ends after hours, when its token is revoked, and when another window of this browser logs out or in.
let again = null;
onDenied(async ({ status, code }) => {
  if (status === 403 && code !== "no_csrf_token") return false;
  again ??= load().finally(() => (again = null));
  try {
    await again;
  } catch {
    return false;
  }
  return !isStranger();
});

askWhyNot(whyNot);
