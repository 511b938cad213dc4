// What a cell's colour and second line may tell. The colour never tells it alone: the second line has it in words.

import { GROUPS, groupOf, groupTitle, inWords } from "../../core/states.js";
import { parse, span } from "../../core/time.js";

/** Colours that values take turns in; style/rack.css has as many. */
const HUES = 8;

const AGES = [
  [10 * 60_000, "under 10 min"],
  [3_600_000, "under an hour"],
  [86_400_000, "under a day"],
  [7 * 86_400_000, "under a week"],
  [Infinity, "a week and more"],
];

const ageOf = (device, now) => AGES.findIndex(([limit]) => now - (parse(device.state_since) ?? now) < limit);

/** Words for states that fit into a cell; the whole is in the card beside it. */
const SHORT = {
  locked_out: "locked",
  maintenance_mode: "mainten.",
  troubleshooting: "trouble",
  pc_power_cycling: "cycle",
  pxe_power_cycling: "cycle",
  image_ping_power_cycle: "cycle",
  sut_verify_power_cycle: "cycle",
  pc_rebooting: "reboots",
  pc_pinging: "pings",
  start_pxe_boot: "begins",
  start_self_test: "begins",
  start_maintenance: "begins",
  pxe_booting: "boots",
  mobile_init_started: "live",
  image_downloading: "loads",
  image_extracting: "writes",
  image_pinging: "comes up",
  self_test_running: "tests",
  failed_power_cycling: "power",
  failed_pxe_booting: "no boot",
  failed_mobile_init_started: "live sys.",
  failed_self_test: "self-test",
  failed_pinging: "no ping",
  failed_image: "image",
  failed_image_extracting: "writing",
  failed_image_pinging: "system",
};

function short(device) {
  const group = groupOf(device);
  if (group === "used") return "in use";
  if (device.state === "ready") return "free";
  return SHORT[device.state] ?? inWords(device.state).replace(/^failed: /, "");
}

/** `key(device)` is what devices of one colour share, `note(device)` the second line; `title(key)` names it in the legend. */
export const MODES = [
  { name: "state", title: "State", key: groupOf, note: short, title_of: groupTitle, order: GROUPS.map(({ name }) => name) },
  { name: "environment", title: "Environment", key: (device) => device.environment || "", note: (device) => device.environment || "none", title_of: (key) => key || "none" },
  { name: "image", title: "Image", key: (device) => device.image || "", note: (device) => device.image || "not known", title_of: (key) => key || "not known" },
  { name: "age", title: "Time in state", key: (device) => String(ageOf(device, Date.now())), note: (device) => span(Date.now() - (parse(device.state_since) ?? Date.now())).replace(/:\d\d min/, " min").replace(/^\d+ s$/, "< 1 min"),
    title_of: (key) => AGES[Number(key)]?.[1] ?? key, order: AGES.map((_, at) => String(at)), ticks: true },
];

/** Which colour each key has: `classOf(key)`. New keys take the next colour, so that nothing that is shown changes its own. */
export function palette(mode) {
  const given = new Map();
  return (key) => {
    if (mode.name === "state") return `group-${key}`;
    if (mode.name === "age") return `age-${key}`;
    if (key === "") return "hue-none";
    if (!given.has(key)) given.set(key, given.size % HUES);
    return `hue-${given.get(key) + 1}`;
  };
}
