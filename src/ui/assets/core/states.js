// What a device's or a request's state means to a person. The words of the five groups are those of the API's reports.

/** The five groups, in the order in which they are shown. */
export const GROUPS = [
  { name: "free", title: "free", about: "ready, and nobody's" },
  { name: "used", title: "in use", about: "ready, and held by a request" },
  { name: "working", title: "working", about: "being switched, installed, tested or checked" },
  { name: "failed", title: "failed", about: "given up; most heal by a self-test, some wait for a person" },
  { name: "out", title: "out of service", about: "locked out, in maintenance, or not taken into service yet" },
];

const OUT = new Set(["locked_out", "maintenance_mode", "troubleshooting", "new", "unknown"]);

/** Which group a device is in. */
export function groupOf(device) {
  const { state } = device;
  if (state.startsWith("failed_")) return "failed";
  if (OUT.has(state)) return "out";
  if (state === "ready") return device.request_id === null || device.request_id === undefined ? "free" : "used";
  return "working";
}

export const groupTitle = (name) => GROUPS.find((group) => group.name === name)?.title ?? name;

/** States in words, where their names say too little. */
const WORDS = {
  ready: "ready",
  locked_out: "locked out",
  maintenance_mode: "in maintenance",
  pc_power_cycling: "power cycle",
  pxe_power_cycling: "power cycle for a network boot",
  pc_rebooting: "reboots",
  pc_sut_rebooting: "agent reboots it",
  pc_pinging: "is to answer ping",
  start_pxe_boot: "begins to be imaged",
  start_self_test: "begins its self-test",
  start_maintenance: "begins maintenance",
  pxe_booting: "boots over the network",
  mobile_init_started: "live system has started",
  image_downloading: "loads the image",
  image_extracting: "writes the image",
  image_pinging: "new system is to come up",
  image_ping_power_cycle: "power cycle: new system did not come up",
  sut_verifying: "agent is to answer",
  sut_verify_power_cycle: "power cycle: agent did not answer",
  sut_sdcard_verifying: "agent checks the card",
  operation_complete: "done",
  self_test_running: "tests itself",
};

/** A state in words. */
export function inWords(state) {
  if (WORDS[state]) return WORDS[state];
  if (state.startsWith("failed_")) return `failed: ${state.slice(7).replaceAll("_", " ")}`;
  return state.replaceAll("_", " ");
}

/** States in which a request has come to its end. */
export const isClosed = (state) => state === "closed" || state === "expired" || state.startsWith("failed_");

/** A request's group, for its colour. */
export function requestGroup(state) {
  if (state === "ready") return "used";
  if (state.startsWith("failed_")) return "failed";
  if (state === "closed" || state === "expired") return "out";
  return "working";
}

const REQUEST_WORDS = {
  new: "just made",
  finding_device: "looks for a board",
  contact_lifeguard: "has a board",
  contacting_lifeguard: "has a board",
  pending: "board is prepared",
  ready: "ready",
  closed: "returned",
  expired: "expired",
  failed_device_not_found: "failed: no board found",
  failed_bad_image: "failed: bad image",
  failed_bad_device: "failed: bad board",
  failed_device_busy: "failed: board is busy",
};

/** A request's state in words. */
export const requestInWords = (state) => REQUEST_WORDS[state] ?? state.replaceAll("_", " ");

/** All states of a device, for those who name one. */
export const DEVICE_STATES = [
  "new", "unknown", "locked_out", "troubleshooting", "ready", "pc_power_cycling", "pc_rebooting", "pc_sut_rebooting", "pc_pinging",
  "start_pxe_boot", "start_self_test", "start_maintenance", "pxe_power_cycling", "pxe_booting", "mobile_init_started",
  "android_downloading", "android_extracting", "b2g_downloading", "b2g_extracting", "image_downloading", "image_extracting",
  "sut_verifying", "sut_verify_power_cycle", "sut_sdcard_verifying", "image_pinging", "image_ping_power_cycle", "operation_complete",
  "maintenance_mode", "self_test_running", "failed_power_cycling", "failed_pinging", "failed_pxe_booting",
  "failed_mobile_init_started", "failed_self_test", "failed_image", "failed_image_extracting", "failed_image_pinging",
  "failed_sut_verifying", "failed_sut_sdcard_verifying", "failed_android_downloading", "failed_android_extracting",
  "failed_android_pinging", "failed_b2g_downloading", "failed_b2g_extracting", "failed_b2g_pinging",
];
