// Calls to the API. An answer is its JSON; a refusal is an `ApiError` with the API's own words.

/** How long a call may take: a relay board's test takes eleven seconds, an import a minute. */
const LIMIT_MS = 90_000;

/** The API said no, or nothing. `status` is 0 when there was no answer; `body` is what came instead of an error. */
export class ApiError extends Error {
  constructor(status, code, message, detail, body) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, detail: detail ?? {}, body: body ?? null });
  }

  /** The name of the key or field that is wrong, where the API names one: in its detail, or at the beginning of its sentence. */
  get field() {
    const { key, field, kind } = this.detail;
    if (key || field) return key || field;
    if (this.status === 404) return kind ?? null;
    return this.message.match(/^(?:the key )?`?([a-z_]+)`? (?:is|holds|should)\b/)?.[1] ?? null;
  }
}

/** `path` with its segments escaped: path`device/${name}/state`. */
export function path(texts, ...values) {
  return texts.reduce((all, text, at) => all + encodeURIComponent(values[at - 1]) + text);
}

/** What proves that a call is this page's own and not another site's, where somebody is logged in; core/session.js says it. */
let proof = null;
export const setProof = (text) => (proof = text);

let denied = async () => false;
/**
 * Who hears of answers that say that the server does not know us (401), or does not believe us (403). `hear(error)` gives a
 * promise: whether the same call may come through now.
 */
export const onDenied = (hear) => (denied = hear);

/** A call; once more where it was refused because of a session that has changed meanwhile. A refused call has done nothing. */
async function call(method, where, body, options = {}) {
  try {
    return await callOnce(method, where, body, options);
  } catch (error) {
    if ((error.status !== 401 && error.status !== 403) || where.startsWith("session") || !(await denied(error))) throw error;
    return callOnce(method, where, body, options);
  }
}

async function callOnce(method, where, body, { type = "application/json", limit_ms = LIMIT_MS }) {
  const options = { method, cache: "no-cache", signal: AbortSignal.timeout(limit_ms), headers: {} };
  // Also with calls that only read: some of them ask hardware, and are as guarded as what changes something.
  if (proof) options.headers["X-CSRF-Token"] = proof;
  if (body !== undefined) {
    options.headers["Content-Type"] = type;
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  let answer, text;
  try {
    answer = await fetch(`/api/${where}`, options);
    text = await answer.text();
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, "no_answer", late ? "the server has not answered in time; look whether it was done" : "the server does not answer");
  }
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, "strange", `the server answers as no Mozpool does (status ${answer.status})`);
  }
  if (answer.ok) return value;
  const { code, message, detail } = value?.error ?? {};
  throw new ApiError(answer.status, code ?? "strange", message ?? `the server answers with status ${answer.status}`, detail, value);
}

/** What is there, whether or not it is good news: health and readiness say their troubles with status 503 and a body of their own. */
export async function getEither(where) {
  try {
    return await get(where);
  } catch (error) {
    if (error.body && !error.body.error) return error.body;
    throw error;
  }
}

export const get = (where, options) => call("GET", where, undefined, options);
export const post = (where, body = {}) => call("POST", where, body);
export const postText = (where, text, type) => call("POST", where, text, { type });
export const put = (where, body) => call("PUT", where, body);
export const del = (where) => call("DELETE", where);

/** `{a: 1, b: null}` as `?a=1`. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
