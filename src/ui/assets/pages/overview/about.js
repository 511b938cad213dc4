// What this server is: its three layers, its version, its services and where they listen.

import { h, put } from "../../core/dom.js";
import { href } from "../../core/router.js";
import { parse, since } from "../../core/time.js";

const LAYERS = [
  ["Mozpool", "requests", "Who wants what until when. It chooses a board for each request, has it made ready, and looks for another one when it fails.", "Requests"],
  ["Lifeguard", "devices", "One state machine per board: it installs images, checks and tests boards, and heals them where it can.", "Devices"],
  ["Black Mobile Magic", "rack", "The hardware: relay boards that switch power, boot over the network, ping and checks.", "Rack"],
];

/** Gives `{element, update(health, ready)}`. */
export function about() {
  const facts = h("dl", { class: "facts" });
  const services = h("tbody");
  const element = h("section", { class: "card", id: "about", "aria-labelledby": "about-title", tabindex: "-1" },
    h("h2", { id: "about-title" }, "About this server"), facts,
    h("div", { class: "layers" }, LAYERS.map(([name, page, text, link]) =>
      h("div", {}, h("h3", {}, name), h("p", { class: "soft small" }, text), h("a", { href: href(page), "aria-label": `${name}: ${link}` }, link)))),
    h("details", { class: "services" }, h("summary", {}, "Services"),
      h("div", { class: "matrix-box", tabindex: "0", role: "region", "aria-label": "Services" },
        h("table", {}, h("caption", { class: "sr" }, "Services"), h("thead", {}, h("tr", {}, ["service", "state", "listens", "queue"].map((title) => h("th", { scope: "col" }, title)))), services))));
  let is = "";

  return {
    element,
    open() {
      element.querySelector("details").open = true;
      element.scrollIntoView({ block: "start" });
      element.focus({ preventScroll: true });
    },
    update(health, ready) {
      if (!health) return;
      const now = JSON.stringify([health, ready]);
      if (now === is) return;
      is = now;
      const started = parse(health.started);
      put(facts, h("dt", {}, "Server"), h("dd", {}, health.server), h("dt", {}, "Version"), h("dd", {}, health.version),
        h("dt", {}, "Up for"), h("dd", {}, started ? since(started) : "–"),
        h("dt", {}, "Works"), h("dd", {}, h("span", { class: ["state", ready?.ready === false || health.status !== "ok" ? "group-failed" : "group-free"] },
          ready?.ready === false ? ready.checks.filter((one) => !one.ok).map((one) => `${one.name}: ${one.why ?? "no answer"}`).join("; ") : health.status === "ok" ? "all services and the store answer" : "a service does not run")));
      put(services, health.services.map((service) => h("tr", {},
        h("th", { scope: "row" }, service.name),
        h("td", {}, h("span", { class: ["state", service.state === "running" ? "group-free" : service.state === "off" ? "group-out" : "group-failed"] }, service.state)),
        h("td", { class: "mono" }, service.listens.map((one) => h("div", {}, one))),
        h("td", {}, service.queue_max ? `${service.queued} of ${service.queue_max}` : ""))));
    },
  };
}
