// Which boards a request could get: the same rules as the server's, for a look before it is sent.

import { groupOf } from "../core/states.js";

/** Hardware as images' PXE tables write it. */
export const hardware = (device) => `${device.hardware_type} ${device.hardware_model}`.trim();

const one = (wanted, has) => wanted === null || [wanted].flat().includes(has);

/** Each wish: what it is called, and whether a device fulfils it. */
const WISHES = [
  ["of another name", (w, d) => w.device === "any" || w.device === d.name],
  ["of another environment", (w, d) => w.environment === null || [w.environment].flat().includes("any") || one(w.environment, d.environment)],
  ["of another hardware type", (w, d) => one(w.hardware_type, d.hardware_type)],
  ["of another hardware model", (w, d) => one(w.hardware_model, d.hardware_model)],
  ["with another processor", (w, d) => one(w.processor, d.processor)],
  ["without a tag that is wanted", (w, d) => w.tags.every((tag) => [tag].flat().some((any) => d.tags.includes(any)))],
  ["without a PXE config for the image", (w, d) => !w.pxe || hardware(d) in w.pxe || "*" in w.pxe],
];

/**
 * Sorts devices by `wanted` (`device`, `environment`, `hardware_type`, `hardware_model`, `processor`: `null`, text or texts;
 * `tags`; `pxe`: the image's table). Gives `{all, fit, groups: {free: [names] …}, against: [[words, count]]}`; a device that does
 * not fit counts for the first wish that it does not fulfil.
 */
export function fitting(devices, wanted) {
  const groups = {};
  const against = new Map();
  let all = 0;
  let fit = 0;
  for (const device of devices) {
    all++;
    const no = WISHES.find(([, fulfils]) => !fulfils(wanted, device));
    if (no) against.set(no[0], (against.get(no[0]) ?? 0) + 1);
    else {
      fit++;
      (groups[groupOf(device)] ??= []).push(device.name);
    }
  }
  return { all, fit, groups, against: [...against] };
}
