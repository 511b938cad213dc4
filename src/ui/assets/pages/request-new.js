// Asks for a board: a form driven by what the image wants to be told, and before it is sent how many boards fit.

import { get, path, post } from "../core/api.js";
import { fill, h, put, say } from "../core/dom.js";
import * as live from "../core/live.js";
import { recall, remember } from "../core/prefs.js";
import { go, href } from "../core/router.js";
import { GROUPS } from "../core/states.js";
import { seconds } from "../core/time.js";
import { fitting } from "../parts/fit.js";
import { form } from "../parts/form.js";
import { wrongLength } from "../parts/requests.js";
import { list } from "../parts/several.js";

/** Boards that are named one by one; more are counted. */
const NAMED_MAX = 12;
/** Suggestions of devices: a list of thousands helps nobody. */
const SUGGESTED_MAX = 200;

export const style = "request";
export const title = () => "New request";

export function open(root, { query }) {
  const body = h("div", { class: "new-request" });
  put(root, h("div", { class: "head" }, h("h1", {}, "New request")), body);
  let ended = false;
  let end = () => {};
  read();
  return () => {
    ended = true;
    end();
  };

  async function read() {
    let names, environments;
    try {
      [names, environments] = await Promise.all([
        get("image/list/").then(({ images }) => images.map((image) => image.name)),
        get("environment/list/").then((answer) => answer.environments),
      ]);
    } catch (error) {
      if (ended) return;
      const again = h("button", { type: "button", on: { click: read } }, "Try again");
      return void put(body, h("p", { class: "notice bad" }, `The form cannot be made: ${error.message}.`), again);
    }
    // A hidden image may be asked for, too, by who knows its name.
    const hidden = query.get("image");
    if (hidden && !names.includes(hidden)) names.push(hidden);
    if (!ended) end = build(body, names, environments, query);
  }
}

function build(body, images, environments, query) {
  if (images.length === 0) {
    put(body, h("p", { class: "empty" }, "There is no image that could be put on a board. ", h("a", { href: href("admin", "images") }, "Make one"), "."));
    return () => {};
  }
  let image = null;
  let turn = 0;
  const boards = boardsThatFit();
  const made = form({ fields: fields(), submit: send, action: "Request", needs: "requester", class: "request-form" });
  // Every wish changes how many boards fit.
  made.element.addEventListener("input", count);
  put(body, made.element, boards.element);
  choose(query.get("image") ?? recall("image", images[0]));

  function fields() {
    const more = "More wishes";
    const any = { placeholder: "any", on: {} };
    return [
      { name: "image", label: "Image", type: "select", options: images, value: image?.name ?? query.get("image") ?? recall("image", images[0]), on: { change: () => choose(made.values().image) } },
      ...(image?.boot_config_keys ?? []).map((key) => keyField(key, image.boot_config_defaults[key])),
      {
        name: "device", label: "Device", value: query.get("device") ?? "any", required: true, help: "any, or a device's name",
        options: ["any", ...[...live.devices.keys()].slice(0, SUGGESTED_MAX)],
      },
      { name: "environment", label: "Environment", value: query.get("environment") ?? "any", options: ["any", ...environments], help: "any, a pool, or pools with commas between: one of them will do" },
      { name: "assignee", label: "Assignee", value: recall("assignee", ""), required: true, help: "who asks: a name or an e-mail address", autocomplete: "email" },
      { name: "duration", label: "Duration", value: recall("duration", "1h"), required: true, help: "seconds, or such as 90m, 1h30m, 2d; it can be renewed", check: wrongLength },
      { name: "reason", label: "Reason", help: "what for; people read it" },
      { name: "hardware_type", label: "Hardware type", ...any, group: more, value: query.get("hardware_type") ?? "", options: live.valuesOf((d) => d.hardware_type) },
      { name: "hardware_model", label: "Hardware model", ...any, group: more, options: live.valuesOf((d) => d.hardware_model) },
      { name: "processor", label: "Processor", ...any, group: more, options: live.valuesOf((d) => d.processor) },
      { name: "tags", label: "Tags", group: more, placeholder: "none", options: live.valuesOf((d) => d.tags), help: "with commas between: the board has all of them; a|b is one of the two" },
      {
        name: "queue_limit", label: "Wait for a board at most", group: more, placeholder: "ten minutes",
        help: "then the request fails; ten seconds for a named device unless given", check: (text) => (text.trim() && seconds(text) === null ? wrongLength(text) : null),
      },
    ];
  }

  async function choose(name) {
    const mine = ++turn;
    made.input("image").value = name;
    try {
      const details = await get(path`image/${name}`);
      if (mine !== turn) return;
      image = details;
      made.setFields(fields());
      // Who is writing already goes on.
      if (!made.element.contains(document.activeElement)) made.input("image").focus({ preventScroll: true });
    } catch (error) {
      if (mine !== turn) return;
      image = null;
      made.setFields(fields());
      made.fail(error);
    }
    count();
  }

  function wishes() {
    const given = made.values();
    return {
      device: given.device.trim() || "any", environment: list(given.environment), hardware_type: list(given.hardware_type),
      hardware_model: list(given.hardware_model), processor: list(given.processor), tags: tagsOf(given.tags),
    };
  }

  function count() {
    boards.draw(fitting(live.devices.values(), { ...wishes(), pxe: image?.pxe }));
  }

  async function send(given) {
    const { device, ...wanted } = wishes();
    const limit = seconds(given.queue_limit);
    const request = {
      ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null && value.length !== 0)),
      assignee: given.assignee.trim(), duration: seconds(given.duration), image: given.image,
      ...(given.reason.trim() && { reason: given.reason.trim() }), ...(limit !== null && { queue_limit: limit }),
      ...Object.fromEntries((image?.boot_config_keys ?? []).map((key) => [key, valueOf(given[`key:${key}`], image.boot_config_defaults[key])])),
    };
    let answer;
    try {
      answer = await post(path`device/${device}/request`, request);
    } catch (error) {
      throw beside(error, image);
    }
    remember("assignee", request.assignee);
    remember("image", request.image);
    remember("duration", given.duration.trim());
    go(href("requests", String(answer.request.id)));
  }

  const end = live.subscribe((news) => {
    if (news.devices.size) count();
  });
  return end;
}

/** A field for something that the image wants to be told. */
function keyField(key, value) {
  const known = value !== undefined;
  const text = !known || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const help = known && typeof value !== "string" ? "the image wants this; JSON, as its default is" : "the image wants this";
  return {
    name: `key:${key}`, label: key, value: text, help,
    check: (given) => {
      try {
        valueOf(given, value);
      } catch {
        return "this is not JSON: write a number, true, \"a text\" or the like";
      }
    },
  };
}

/** What is typed, of the type that the default has. Nothing is `null`, which the image may take for its own choice. */
function valueOf(text, usual) {
  if (text.trim() === "") return null;
  return usual === undefined || usual === null || typeof usual === "string" ? text : JSON.parse(text);
}

/** `a, b|c`: a, and one of b and c. */
const tagsOf = (text) => text.split(",").map((tag) => tag.split("|").map((one) => one.trim()).filter(Boolean)).filter((tag) => tag.length).map((tag) => (tag.length > 1 ? tag : tag[0]));

/** An error of the API with the name that its field has here. */
function beside(error, image) {
  // A named device that another request holds: the answer is the request, which is closed already.
  const closed = error.status === 409 && error.body?.request;
  const field = closed ? "device" : image?.boot_config_keys.includes(error.field) ? `key:${error.field}` : error.field;
  const message = closed ? `${closed.requested_device} is another request's now. Name another device, or any; or wait for it with a limit under More wishes.` : error.message;
  return Object.assign(new Error(message), { field });
}

/** How many boards fit, and how many of them are free now. */
function boardsThatFit() {
  const words = h("p", { class: "fit", role: "status" });
  const meter = h("div", { class: "meter", "aria-hidden": "true" });
  const legend = h("ul", { class: "chart-legend" });
  const names = h("p", { class: "soft small" });
  const element = h("section", { class: "card", "aria-label": "Boards that fit" }, h("h2", {}, "Boards that fit"), words, meter, legend, names);
  return {
    element,
    draw({ all, fit, groups, against }) {
      const free = groups.free?.length ?? 0;
      const soon = (groups.used?.length ?? 0) + (groups.working?.length ?? 0);
      const then = free ? "" : fit && soon ? " The request waits until one becomes free." : fit ? " None of them is in service: the request would fail." : " The request would fail.";
      say(words, `${fit} of ${all} boards ${fit === 1 ? "fits" : "fit"}; ${free === 0 ? "none" : free} of them ${free === 1 || free === 0 ? "is" : "are"} free now.${then}`);
      element.classList.toggle("none", fit === 0 || (free === 0 && soon === 0));
      put(meter, GROUPS.map(({ name }) => groups[name] && h("span", { class: `group-${name}`, style: { "flex-grow": groups[name].length } })));
      put(legend, GROUPS.map(({ name, title: group }) => groups[name] && h("li", { class: ["state", `group-${name}`] }, `${groups[name].length} ${group}`)));
      const few = groups.free ?? [];
      put(names);
      if (few.length) fill(names, `Free: ${few.slice(0, NAMED_MAX).join(", ")}${few.length > NAMED_MAX ? " …" : ""}`);
      else if (against.length) fill(names, `${all - fit} do not fit: ${against.map(([why, n]) => `${n} ${why}`).join(", ")}.`);
    },
  };
}
