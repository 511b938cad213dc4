// What devices say, shown as it is: what would be invisible, or would turn what follows around, gets a sign.

import { h } from "../core/dom.js";

// C0 and C1 controls but tab and newline; then what changes direction, joins, or takes no room.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The sign for a character that has none: ␛ for an escape, ⟨202E⟩ for others. */
function signOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Nodes and texts for `text`, with signs for what is hidden and marks where `wanted` is found, whatever its case. */
export function visible(text, wanted = "") {
  return marked(text, wanted).map(([piece, found]) => {
    const nodes = signed(piece);
    return found ? h("mark", {}, nodes) : nodes;
  });
}

/** A device's MAC address as people write it: twelve digits with colons. */
export const macOf = (device) => (device.mac_address ?? "").replace(/(..)(?!$)/g, "$1:");

/** JSON with a line for each key; what is none stays as it is. */
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function marked(text, wanted) {
  if (!wanted) return [[text, false]];
  const [low, key] = [text.toLowerCase(), wanted.toLowerCase()];
  // Where lower case has another length, places would not agree.
  if (low.length !== text.length) return [[text, false]];
  const pieces = [];
  let at = 0;
  for (let next; (next = low.indexOf(key, at)) >= 0; at = next + key.length) {
    if (next > at) pieces.push([text.slice(at, next), false]);
    pieces.push([text.slice(next, next + key.length), true]);
  }
  if (at < text.length) pieces.push([text.slice(at), false]);
  return pieces;
}

function signed(text) {
  const nodes = [];
  let at = 0;
  for (const { index, 0: character } of text.matchAll(HIDDEN)) {
    if (index > at) nodes.push(text.slice(at, index));
    nodes.push(h("span", { class: "control", title: `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}` }, signOf(character)));
    at = index + character.length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}
