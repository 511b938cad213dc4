// What a human should do next: from all that is known, a short list, the most pressing first. Pure: what is known comes in.

import { causeOf, lookAt, staysFailed } from "./causes.js";
import { placeInWords, parsePower, boardKey } from "./power.js";
import { groupOf, isClosed } from "./states.js";
import { parse } from "./time.js";

/** Boards on one relay board that must have failed before the relay board is suspected. */
const SUSPECT_MIN = 2;
/** Who is out of service longer is asked about. */
const LONG_OUT_MS = 7 * 86_400_000;
/** Names in one line. */
const NAMED = 4;

/** Counters that say that something was lost, by service, with the words for it. */
const LOSSES = [
  ["journal", "lost", "log lines were lost"],
  ["journal", "bytes_dropped", "bytes of log lines were dropped"],
  ["syslog", "lost", "syslog lines were lost"],
  ["syslog", "dropped_by_kernel", "syslog packets were dropped because we were too slow"],
  ["syslog", "connections_refused", "syslog connections were refused"],
  ["tftp", "dropped_by_kernel", "TFTP packets were dropped because we were too slow"],
  ["tftp", "lines_lost", "log lines about TFTP were lost"],
];

export const listed = (names) => names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ` and ${names.length - NAMED} more` : "");
const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
const wants = (wanted, has) => wanted === null || wanted === undefined || wanted === "any" || [wanted].flat().includes(has);

/** Whether a board could ever serve a request: what it is, not what it is at. */
export function fits(request, device) {
  if (request.requested_device !== "any" && request.requested_device !== device.name) return false;
  return wants(request.environment, device.environment) && wants(request.hardware_type, device.hardware_type) &&
    wants(request.hardware_model, device.hardware_model) && wants(request.processor, device.processor) &&
    (request.tags ?? []).every((tag) => [tag].flat().some((one) => (device.tags ?? []).includes(one)));
}

/**
 * The list: `{rank, group, what, why, link: {page: [parts], query}, action}`; `action` is the link's text; `show: "unknown"` instead of a
 * link for the list of unknown senders. `known` is `{devices, requests, relayBoards, health, ready, senders, candidates, now}`; what could not be
 * found out is `null`.
 */
export function advice({ devices, requests, relayBoards, health, ready, senders, candidates, servers, now }) {
  const list = [];
  const add = (rank, group, what, why, more) => list.push({ rank, group, what, why, ...more });

  if (!devices.length) add(20, "working", "There are no devices yet.", "Add relay boards and devices, or import a lab file.", { link: { page: ["admin"] }, action: "Add devices" });

  for (const service of health?.services ?? []) {
    if (service.state === "off" || service.state === "running") continue;
    add(0, "failed", `The service ${service.name} does not run.`, `It is ${service.state}. The server's own log says why.`, { link: { page: [], query: { about: "1" } }, action: "Services" });
  }
  for (const check of ready?.checks ?? []) {
    if (!check.ok) add(1, "failed", `${check.name} is not ready.`, check.why ?? "It does not answer.", { link: { page: [], query: { about: "1" } }, action: "Services" });
  }
  const counters = new Map((health?.services ?? []).map((service) => [service.name, service.counters ?? {}]));
  const maybeOff = counters.get("bmm")?.power_may_be_off ?? 0;
  if (maybeOff) add(2, "failed", `${many(maybeOff, "power cycle")} may have left a board without power.`, "The relay did not confirm that it is on again.", { link: { page: ["rack"] }, action: "Rack" });
  for (const [service, counter, words] of LOSSES) {
    const count = counters.get(service)?.[counter] ?? 0;
    if (count) add(30, "working", `${count} ${words}.`, "Since the server started.", { link: { page: [], query: { about: "1" } }, action: "Services" });
  }

  for (const { name, alive, fault, devices: owned, last_seen } of servers ?? []) {
    const link = { page: ["devices"], query: { server: name } };
    if (fault) add(2, "failed", `Server ${name} is not spoken to: ${fault}.`, "It goes on with its own boards; requests of the others get none of them.", { link, action: "Its devices" });
    else if (!alive && last_seen) add(2, "failed", `Server ${name} is gone.`, `${owned ? `Its ${many(owned, "board")} cannot be had` : "It has no boards"} until it is back. Look at the machine and its network; to do without it, give its boards to another server.`, { link, action: "Its devices" });
  }

  // A relay board all of whose boards have failed: one cause rather than many.
  const names = new Map((relayBoards ?? []).map((board) => [boardKey(board.fqdn), board.name]));
  const byBoard = new Map();
  for (const device of devices) {
    const power = parsePower(device.relay_info);
    if (power?.kind !== "relay") continue;
    if (!byBoard.has(power.board)) byBoard.set(power.board, []);
    byBoard.get(power.board).push(device);
  }
  const suspected = new Set();
  for (const [key, all] of byBoard) {
    const inService = all.filter((device) => groupOf(device) !== "out");
    if (inService.length < SUSPECT_MIN || !inService.every((device) => groupOf(device) === "failed")) continue;
    for (const device of inService) suspected.add(device.name);
    const name = names.get(key) ?? key;
    add(3, "failed", `All ${inService.length} boards on ${name} have failed.`, "Look at the relay board itself first: its power, its network, the rack's switch.", { link: { page: ["rack"], query: { board: name } }, action: `Show ${name}` });
  }

  const causes = Map.groupBy(devices.filter((device) => staysFailed(device.state) && !suspected.has(device.name)), (device) => device.state);
  for (const [state, some] of [...causes].sort((a, b) => b[1].length - a[1].length)) {
    const look = lookAt(state);
    add(4 - some.length / 1e5, "failed", `${many(some.length, "board")} will not heal by ${some.length === 1 ? "itself" : "themselves"}: ${listed(some.map((one) => one.name))}.`,
      `${causeOf(state)}${look ? ` Look at: ${look}.` : ""}${some.length === 1 ? ` ${placeInWords(some[0].relay_info, names)}.` : ""}`, { link: { page: ["repair"], query: { state } }, action: "Repair list" });
  }

  const images = Map.groupBy(devices.filter((device) => device.state === "failed_image" && device.next_image), (device) => device.next_image);
  for (const [image, some] of images) {
    add(5, "failed", `The image ${image} cannot be installed.`, `It has failed on ${listed(some.map((one) => one.name))}.`, { link: { page: ["admin", "images", image] }, action: "Image" });
  }

  const inService = devices.filter((device) => !["failed", "out"].includes(groupOf(device)));
  for (const request of requests) {
    if (isClosed(request.state) || request.assigned_device || !["new", "finding_device"].includes(request.state)) continue;
    // Most that wait do so for boards that are in use; to find one of those is quicker than to look at all.
    if (inService.some((device) => fits(request, device))) continue;
    const fitting = devices.filter((device) => fits(request, device));
    const why = fitting.length
      ? `${many(fitting.length, "board")} would fit, but ${fitting.length === 1 ? "it has failed or is" : "all have failed or are"} out of service: ${listed(fitting.map((one) => one.name))}.`
      : "There is no board at all that has what it asks for.";
    add(6, "working", `Request #${request.id} of ${request.assignee} cannot be served.`, why, { link: { page: ["requests", String(request.id)] }, action: "Request" });
  }

  if (senders?.length) {
    add(8, "working", `${many(senders.length, "unknown sender")} ${senders.length === 1 ? "speaks" : "speak"} to us by syslog: ${listed(senders.map((one) => one.address))}.`,
      "No device is known for the address: a new board, or one whose address has changed.", { show: "unknown", action: "What they say" });
  }

  if (candidates?.length) {
    add(7, "working", `${many(candidates.length, "board")} ${candidates.length === 1 ? "is" : "are"} new here: ${listed(candidates.map((one) => one.mac))}.`,
      "They asked for a boot config or registered, and no device is known for them: accept or ignore them.", { link: { page: ["admin", "candidates"] }, action: "Candidates" });
  }

  const long = devices.filter((device) => groupOf(device) === "out" && now - (parse(device.state_since) ?? now) > LONG_OUT_MS);
  if (long.length) add(10, "out", `${many(long.length, "board")} ${long.length === 1 ? "has" : "have"} been out of service for more than a week: ${listed(long.map((one) => one.name))}.`, "Repair them, put them back, or take them out of the lab.", { link: { page: ["repair"], query: { show: "out" } }, action: "Out of service" });
  const fresh = devices.filter((device) => device.state === "unknown");
  if (fresh.length) add(9, "out", `${many(fresh.length, "board")} ${fresh.length === 1 ? "is" : "are"} in an unknown state: ${listed(fresh.map((one) => one.name))}.`, "Send them through a self-test to take them into service.", { link: { page: ["repair"], query: { show: "out" } }, action: "Out of service" });

  return list.sort((a, b) => a.rank - b.rank);
}
