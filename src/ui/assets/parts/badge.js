// States as people see them, everywhere the same.

import { h } from "../core/dom.js";
import { groupOf, groupTitle, inWords, requestGroup, requestInWords } from "../core/states.js";
import { href } from "../core/router.js";

/** A device's state: colour, sign, words; its name as the API knows it on pointing. */
export const deviceState = (device) =>
  h("span", { class: ["state", `group-${groupOf(device)}`], title: device.reachable === false ? `${device.state}; its imaging server ${device.imaging_server} is gone` : `${device.state} (${groupTitle(groupOf(device))})` },
    device.reachable === false ? "unreachable" : groupOf(device) === "used" ? "in use" : device.state === "ready" ? "free" : inWords(device.state));

/** A request's state. */
export const requestState = (request) =>
  h("span", { class: ["state", `group-${requestGroup(request.state)}`], title: request.state }, requestInWords(request.state));

export const deviceLink = (name) => h("a", { href: href("devices", name), class: "mono" }, name);
export const requestLink = (id) => h("a", { href: href("requests", String(id)) }, `#${id}`);
export const logLink = (kind, name) => h("a", { href: `${href("log")}?${new URLSearchParams({ [kind]: name })}`, target: "_blank", rel: "noopener" }, "log");
