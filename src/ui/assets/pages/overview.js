// What is going on, at a glance.

import { h, put } from "../core/dom.js";
import * as live from "../core/live.js";
import { GROUPS, groupOf } from "../core/states.js";

export const title = () => "Overview";

export function open(root) {
  const body = h("dl", { class: "facts" });
  put(root, h("h1", {}, "Overview"), body);
  const draw = () => {
    const counts = Object.groupBy(live.devices.values(), groupOf);
    put(body, GROUPS.map(({ name, title: words }) => [h("dt", {}, words), h("dd", {}, counts[name]?.length ?? 0)]));
  };
  draw();
  return live.subscribe(draw);
}
