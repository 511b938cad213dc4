// A device as the network sees it: whether it has power and answers, asked when somebody wants to know, and what it would get from
// the network if it booted now.

import { get, path } from "../core/api.js";
import { fill, h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { point } from "../core/time.js";
import { visible } from "./text.js";

/** Gives `{element, close()}`. */
export function network(name) {
  let turn = 0, known = null;
  const offer = h("div", { class: "stack" });
  const power = question("Check power", "Power", async () => {
    const { power: is } = await get(path`device/${name}/power/`);
    return is === "unknown" ? "the relay does not tell" : is;
  });
  const ping = question("Ping", "Ping", async () => ((await get(path`device/${name}/ping/`)).success ? "answers" : "does not answer"));
  const element = h("section", { class: "card", "aria-label": "Power and network" }, h("h2", {}, "Power and network"), power, ping,
    h("h3", {}, "If it booted from the network now"), offer);

  /** Relay boards serve one at a time, so nobody is asked before it is wanted. */
  function question(words, label, ask) {
    const said = h("span", { role: "status", class: "grow" }, h("span", { class: "soft" }, "not asked yet"));
    const button = h("button", { type: "button", needs: "operator", on: { click: go } }, words);
    async function go() {
      button.disabled = true;
      put(said, h("span", { class: "soft" }, "asking…"));
      try {
        const answer = await ask();
        put(said, h("strong", {}, answer), h("span", { class: "soft small" }, ` at ${point(Date.now())}`));
      } catch (error) {
        put(said, h("span", { class: "wrong" }, error.message));
      } finally {
        button.disabled = false;
      }
    }
    return h("div", { class: "rowwise question" }, h("span", { class: "soft" }, label), said, button);
  }

  async function read() {
    const mine = ++turn;
    try {
      const boot = await get(path`device/${name}/pxe`);
      if (mine !== turn) return;
      const text = JSON.stringify(boot);
      if (text === known) return;
      known = text;
      const open = offer.querySelector("details")?.open ?? false;
      put(offer, h("p", {}, sentence(boot.why)), boot.error && h("p", { class: "notice bad" }, boot.error),
        h("dl", { class: "facts" },
          h("dt", {}, "PXE config"), h("dd", {}, boot.pxe_config || "none"),
          h("dt", {}, "Gets"), h("dd", { class: "mono" }, boot.gets)),
        h("details", { open }, h("summary", {}, "The text of it"), h("pre", { class: "bootconfig" }, visible(boot.text)),
          h("p", { class: "soft small" }, "It asks for these, one after the other:"), h("pre", { class: "soft small" }, boot.asks_for.join("\n"))));
    } catch (error) {
      if (mine !== turn) return;
      known = null;
      put(offer, fill(h("p", { class: "soft" }), `It cannot be told: ${error.message}`));
    }
  }

  const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

  const end = live.subscribe((news) => {
    if (news.devices.has(name) || news.kinds.has("pxe_config") || news.kinds.has("image")) read();
  });
  read();
  return {
    element,
    close() {
      turn++;
      end();
    },
  };
}
