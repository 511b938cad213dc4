// Where devices' power hangs: what `relay_info` says, and the rack that follows from it.
//
// `HOST[:PORT]:bankB:relayR[:no]` is a relay of a board, `command:PROGRAM [ARGUMENT]...` a program of the admin's.

/** Relays in a bank. */
export const RELAYS = 8;
/** The port of a relay board that names none. */
const PORT = 2101;

const RELAY = /^(.+?)(?::(\d+))?:bank(\d+):relay(\d+)(:no)?$/i;

const compare = new Intl.Collator("en", { numeric: true }).compare;

/** `{kind: "relay", board, host, bank, relay, open}`, `{kind: "command", text}`, or `null` for no power that we switch. */
export function parsePower(text) {
  if (!text) return null;
  if (text.startsWith("command:")) return { kind: "command", text: text.slice("command:".length).trim() };
  const found = RELAY.exec(text);
  if (!found) return null;
  const [, host, port, bank, relay, open] = found;
  return { kind: "relay", board: boardKey(port ? `${host}:${port}` : host), host, bank: Number(bank), relay: Number(relay), open: Boolean(open) };
}

/** What a relay board is known by, however its address is spelt. */
export function boardKey(address) {
  const found = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(address);
  return found ? `${found[1]}:${found[2] ?? PORT}`.toLowerCase() : address.toLowerCase();
}

/**
 * The rack: `{boards: [{key, name, fqdn, server, known, banks: [{number, relays: [name or null, …8]}], names}], others: [names]}`.
 * `relayBoards` are the rows of relay/list; a board that only devices speak of is shown, too (`known` is false).
 */
export function layout(devices, relayBoards) {
  const boards = new Map();
  const others = [];
  for (const { name, fqdn, imaging_server: server } of relayBoards) {
    boards.set(boardKey(fqdn), { key: boardKey(fqdn), name, fqdn, server, known: true, slots: new Map() });
  }
  for (const device of devices) {
    const power = parsePower(device.relay_info);
    if (power?.kind !== "relay" || power.relay < 1 || power.relay > RELAYS) {
      others.push(device.name);
      continue;
    }
    let board = boards.get(power.board);
    if (!board) {
      const fqdn = power.board.endsWith(`:${PORT}`) ? power.host : power.board;
      boards.set(power.board, (board = { key: power.board, name: fqdn, fqdn, server: device.imaging_server, known: false, slots: new Map() }));
    }
    const slot = `${power.bank}:${power.relay}`;
    // A relay that two devices name is shown with the first; the other must not be lost.
    if (board.slots.has(slot)) others.push(device.name);
    else board.slots.set(slot, device.name);
  }
  const made = [...boards.values()].map(({ slots, ...board }) => {
    let last = 0;
    for (const slot of slots.keys()) last = Math.max(last, parseInt(slot, 10));
    const banks = Array.from({ length: last }, (_, at) => ({
      number: at + 1,
      relays: Array.from({ length: RELAYS }, (_, relay) => slots.get(`${at + 1}:${relay + 1}`) ?? null),
    }));
    return { ...board, banks, names: banks.flatMap((bank) => bank.relays.filter(Boolean)) };
  });
  made.sort((a, b) => compare(a.name, b.name));
  others.sort(compare);
  return { boards: made, others };
}

/** A place in words: `relay-1, bank 1, relay 3`; `names` are boards' names by key. */
export function placeInWords(text, names = new Map()) {
  const power = parsePower(text);
  if (!power) return text ? text : "no relay";
  if (power.kind === "command") return `by program: ${power.text}`;
  return `${names.get(power.board) ?? power.board.replace(`:${PORT}`, "")}, bank ${power.bank}, relay ${power.relay}`;
}
