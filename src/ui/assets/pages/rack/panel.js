// A relay board in the picture of the rack: its name, its two-way test, its banks as rows of relays. And a panel of those devices
// that no relay switches.

import { get, path } from "../../core/api.js";
import { h, newId, put, say } from "../../core/dom.js";
import { GROUPS } from "../../core/states.js";

/** Asks the relay board and tells in words. `GET relay/…/test` switches nothing. */
async function test(board, button, result) {
  button.disabled = true;
  result.className = "result";
  say(result, "is asked …");
  try {
    const { success } = await get(path`relay/${board.name}/test`);
    result.className = success ? "result state group-free" : "result state group-failed";
    say(result, success ? "answers" : "does not answer");
  } catch (error) {
    result.className = "result state group-failed";
    say(result, error.message);
  } finally {
    button.disabled = false;
  }
}

/** How many of which group, in words; nothing of what there is none of. */
const summary = (counts) => GROUPS.filter(({ name }) => counts.get(name)).map(({ name, title }) => `${counts.get(name)} ${title}`).join(", ");

function frame(title, names, pickBox, lines, ...head) {
  const id = newId("board");
  const sums = h("span", { class: "sums soft small" });
  const body = h("div", { class: "banks", role: "grid", "aria-labelledby": id, "aria-multiselectable": "true" });
  const element = h("section", { class: "board card", "aria-labelledby": id, style: { "--lines": lines } },
    h("div", { class: "board-head" }, pickBox(names, `Select all of ${title}`), h("h2", { id }, title), ...head, sums), body);
  return { element, body, sums: (counts) => say(sums, summary(counts)) };
}

/**
 * A panel. It is empty until `fill(cellOf)` is called, so that thousands of cells need not be made at once; `pickBox(names, label)`
 * makes a tick box for several devices.
 */
export function boardPanel(board, pickBox) {
  const result = h("span", { class: "result", role: "status" });
  const button = board.known && h("button", { type: "button", needs: "operator", "aria-label": `Test ${board.name}`, on: { click: () => test(board, button, result) } }, "Test");
  const panel = frame(board.name, board.names, pickBox, board.banks.length,
    board.name !== board.fqdn && h("span", { class: "soft small mono" }, board.fqdn),
    !board.known && h("span", { class: "soft small" }, "not among the relay boards, so it cannot be tested"), button, result);
  return {
    ...panel, key: board.key, names: board.names, name: board.name,
    fill(cellOf) {
      put(panel.body, board.banks.map((bank) => {
        const names = bank.relays.filter(Boolean);
        const box = names.length ? pickBox(names, `Select bank ${bank.number} of ${board.name}`) : null;
        return h("div", { class: "bank", role: "row" },
          h("div", { class: "bank-name", role: "rowheader" }, box, h("span", {}, `bank ${bank.number}`)),
          bank.relays.map((name, at) => name ? cellOf(name).element
            : h("div", { role: "gridcell", class: "cell vacant" }, h("span", { class: "note" }, at + 1), h("span", { class: "sr" }, `relay ${at + 1}: empty`))));
      }));
      if (!board.banks.length) put(panel.body, h("div", { role: "row" }, h("div", { role: "gridcell", class: "empty" }, "No device hangs on it.")));
    },
  };
}

/** The panel of devices that no relay switches, or that share one. */
export function otherPanel(names, pickBox) {
  const panel = frame("Without a relay of their own", names, pickBox, Math.ceil(names.length / 8),
    h("span", { class: "soft small" }, "switched by a program, by hand, or by a relay that another device has"));
  return {
    ...panel, key: "", names, name: "",
    fill(cellOf) {
      put(panel.body, h("div", { class: "bank loose", role: "row" }, names.map((name) => cellOf(name).element)));
    },
  };
}
