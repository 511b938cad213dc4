// The last changes of states, oldest first: read once, then kept by the stream.

import { get } from "./api.js";
import { onChange } from "./live.js";

/** Changes that are looked through for those of the past: progress and comments are among them. */
const LOOK_BACK = 400;

/** Calls `draw(changes)` with the last `keep` changes of states, now and whenever one comes. Gives a function that ends it. */
export function recent(keep, draw) {
  let list = [];
  let due = false;
  let over = false;
  const wanted = ({ kind, what }) => (kind === "device" || kind === "request") && (what === "state" || (what === "created" && kind === "request"));

  function add(changes) {
    const known = new Set(list.map(({ seq }) => seq));
    list = [...list, ...changes.filter((one) => wanted(one) && !known.has(one.seq))].sort((a, b) => a.seq - b.seq).slice(-keep);
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      if (!over) draw(list);
    });
  }

  const end = onChange((change) => wanted(change) && add([change]));
  (async () => {
    try {
      const { last } = await get("events/?timeout=0");
      const { changes } = await get(`events/?timeout=0&kind=device,request&after=${Math.max(0, last - LOOK_BACK)}`);
      add(changes);
    } catch {
      // What comes from now on is shown; the past is not worth a message.
      add([]);
    }
  })();
  return () => {
    over = true;
    end();
  };
}
