// Counts over all devices that cost one step per change, not one look at everything.

import { groupOf } from "./states.js";

/**
 * Counts devices by what `keys(device)` gives (a list of texts). `update(names, devices)` after changes; `count(key)`.
 * Several tallies may look at the same devices.
 */
export function tally(keys = (device) => [groupOf(device)]) {
  const known = new Map();
  const counts = new Map();

  function add(list, by) {
    for (const key of list) {
      const now = (counts.get(key) ?? 0) + by;
      if (now) counts.set(key, now);
      else counts.delete(key);
    }
  }

  return {
    update(names, devices) {
      for (const name of names) {
        const before = known.get(name);
        if (before) add(before, -1);
        const device = devices.get(name);
        if (device) {
          const now = keys(device);
          known.set(name, now);
          add(now, 1);
        } else {
          known.delete(name);
        }
      }
    },
    count: (key) => counts.get(key) ?? 0,
    keys: () => [...counts.keys()],
    get size() {
      return known.size;
    },
  };
}
