// What has failed, as the server tells it; and without its list, from what is known of the devices.

import { get } from "../../core/api.js";
import { causeOf } from "../../core/causes.js";
import { placeInWords } from "../../core/power.js";

const compare = new Intl.Collator("en", { numeric: true }).compare;

/** Rows of the server's list by name: `cause`, `since`, `failures` and `last_log`; empty when there is no such list. */
export async function read() {
  try {
    return new Map((await get("repair/list")).devices.map((row) => [row.name, row]));
  } catch (error) {
    if (error.status === 404) return new Map();
    throw error;
  }
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

/** A device with what the list says of it. The device's own state is newer than the list. */
export function joined(device, row) {
  const same = row?.state === device.state;
  return { ...device, cause: (same && row.cause && sentence(row.cause)) || causeOf(device.state), since: (same && row.since) || device.state_since, failures: row?.failures ?? null, last_log: row?.last_log ?? null };
}

/** By relay board, bank and relay, as one walks along the rack. Gives `[[board's name, [devices]]]`. */
export function byPlace(devices, boardNames) {
  const places = new Map();
  for (const device of devices) {
    const place = placeInWords(device.relay_info, boardNames);
    const found = /^(.*), bank \d+, relay \d+$/.exec(place);
    const board = found ? found[1] : "Without a relay";
    if (!places.has(board)) places.set(board, []);
    places.get(board).push({ device, place });
  }
  const last = (name) => name === "Without a relay";
  return [...places].sort(([a], [b]) => last(a) - last(b) || compare(a, b))
    .map(([board, list]) => [board, list.sort((a, b) => compare(a.place, b.place) || compare(a.device.name, b.device.name)).map(({ device }) => device)]);
}
