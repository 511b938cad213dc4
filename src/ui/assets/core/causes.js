// Why a device has failed, or is out of service, in words for whoever goes to it; and whether it tries to heal itself.

/** `cause` is a sentence, `look` what to look at first. States that are not here have no more to say than their name. */
const CAUSES = {
  failed_power_cycling: { cause: "Its power could not be switched.", look: "relay board: power, network, wiring", stays: true },
  failed_pxe_booting: { cause: "It got power but never came up over the network.", look: "power supply, network cable, card with the boot loader", stays: true },
  failed_mobile_init_started: { cause: "The live system came up but never began its work.", look: "second stage, file server, memory", stays: true },
  failed_self_test: { cause: "Its self-test found a fault.", look: "the log: it says which test", stays: true },
  failed_pinging: { cause: "It got power but does not answer.", look: "network cable, card" },
  failed_image: { cause: "Its image could not be installed.", look: "the image and its files" },
  failed_image_extracting: { cause: "The image could not be written.", look: "card or disk" },
  failed_image_pinging: { cause: "The image was written, but the new system did not come up.", look: "card, image" },
  failed_sut_verifying: { cause: "The agent in the new system did not answer.", look: "card, image" },
  failed_sut_sdcard_verifying: { cause: "The agent could not write to the card.", look: "card" },
  failed_android_extracting: { cause: "The image could not be written.", look: "card or disk" },
  failed_b2g_extracting: { cause: "The image could not be written.", look: "card or disk" },
};

const OUT = {
  locked_out: "Somebody locked it out; nothing touches it.",
  maintenance_mode: "It runs a live system with a shell for somebody.",
  troubleshooting: "Somebody looks into it.",
  new: "It was not taken into service yet.",
  unknown: "Nobody knows what it is at.",
};

/** The cause of a failure as a sentence. */
export const causeOf = (state) => CAUSES[state]?.cause ?? `It has failed: ${state.replace(/^failed_/, "").replaceAll("_", " ")}.`;
/** What to look at first, or `null`. */
export const lookAt = (state) => CAUSES[state]?.look ?? null;
/** Whether a failed device stays as it is until a person comes. The others test themselves. */
export const staysFailed = (state) => CAUSES[state]?.stays ?? false;
/** Why a device is out of service. */
export const outOf = (state) => OUT[state] ?? null;
