// One thing's form: made, changed or deleted only after the API has said in words what that would change.

import { ApiError, del, get, put as putRow, query as queryOf } from "../core/api.js";
import { h, put } from "../core/dom.js";
import { valuesOf } from "../core/live.js";
import { go, href } from "../core/router.js";
import { confirm } from "../parts/dialog.js";
import { form } from "../parts/form.js";
import { KINDS } from "../parts/kinds.js";
import { preview } from "../parts/pxe-preview.js";
import { tell, warn } from "../parts/toast.js";
import { changeList, tabs } from "./admin.js";

const NEW = "+new";
const PXE = "pxe:";

export const style = "admin";
export const title = ({ kind, name }) => (name === NEW ? `New ${KINDS[kind]?.one ?? "thing"}` : name);

export function open(root, { params, query }) {
  const kind = KINDS[params.kind];
  const fresh = params.name === NEW;
  const key = [params.name, query.get("model") ?? ""];
  const label = key.filter(Boolean).join(" ");
  const body = h("div", { class: "admin edit" });
  const buttons = h("span", { class: "rowwise" });
  put(root, h("div", { class: "head" }, h("h1", {}, fresh ? `New ${kind?.one}` : `${kind ? kind.one[0].toUpperCase() + kind.one.slice(1) : "No"} ${label}`), buttons), tabs(params.kind), body);
  let ended = false;
  let shown = null;
  (async () => {
    if (!kind) return void put(body, h("p", { class: "notice bad" }, `There is nothing called ${params.kind} to look after.`));
    try {
      const row = fresh ? null : await get(kind.where(key));
      const matrix = kind.matrix ? await readMatrix() : null;
      if (ended) return;
      if (!fresh) put(buttons, h("button", { type: "button", class: "danger", needs: "admin", on: { click: () => remove(params.kind, kind, key, label) } }, "Delete"));
      shown = build(body, { name: params.kind, kind, key, label, row, matrix });
    } catch (error) {
      if (!ended) put(body, h("p", { class: "notice bad" }, error.message), h("p", {}, h("a", { href: href("admin", params.kind) }, kind.title)));
    }
  })();
  return () => {
    ended = true;
    shown?.close();
  };
}

/** Hardware and the PXE configs that it may get. */
async function readMatrix() {
  const [{ hardware_types: hardware }, { pxe_configs: configs }] = await Promise.all([get("hardware_type/list"), get("bmm/pxe_config/list/")]);
  return { hardware: [...hardware.map((one) => `${one.type} ${one.model}`.trim()), "*"], configs };
}

function build(body, { name, kind, key, label, row, matrix }) {
  const was = row ?? {};
  const fields = kind.fields.filter((field) => !(row && (field.key !== undefined || field.fresh))).map((field) => ({
    ...field,
    value: field.type === "checkbox" ? (was[field.name] ?? field.value ?? false) : (field.show ?? String)(was[field.name] ?? (field.show ? undefined : "")),
    options: field.options ?? (field.suggest && valuesOf((one) => one[field.suggest])),
  }));
  const mapped = matrix && [...new Set([...matrix.hardware, ...Object.keys(was.pxe ?? {})])].map((one) => ({
    name: PXE + one, label: one === "*" ? "all other hardware that there is now" : one, type: "select", value: was.pxe?.[one] ?? "",
    options: [["", "not for this hardware"], ...new Set([...matrix.configs, was.pxe?.[one]].filter(Boolean))],
  }));
  const made = form({
    fields: [...fields, ...(mapped ?? [])], class: "admin-form", needs: "admin", action: row ? "Review and save" : "Review and make",
    cancel: () => go(href("admin", name)), submit: save,
  });
  if (mapped?.length) made.input(mapped[0].name).closest(".field").before(h("h2", { class: "row" }, "PXE config by hardware"));
  const contents = kind.preview && made.input("contents");
  const look = contents && preview(contents);
  put(body, h("div", { class: look ? "with-preview" : null }, made.element, look?.element));

  /** The fields that differ from what is there. */
  function changed(values) {
    const change = {};
    for (const field of kind.fields) {
      if (!(field.name in values) || (field.key !== undefined && row)) continue;
      if (field.key !== undefined) continue;
      const value = field.type === "checkbox" ? values[field.name] : (field.read ?? String)(values[field.name]);
      // Some fields take no null: left alone they stay, or get their usual value.
      if (field.omit && value === null) continue;
      const old = field.type === "checkbox" || !field.read ? was[field.name] : field.read((field.show ?? String)(was[field.name]));
      if (!row ? value !== null && value !== "" : JSON.stringify(value) !== JSON.stringify(old)) change[field.name] = value;
    }
    const pxe = {};
    for (const { name: field } of mapped ?? []) {
      const one = field.slice(PXE.length);
      const value = values[field] || null;
      if (value !== (was.pxe?.[one] ?? null)) pxe[one] = value;
    }
    return Object.keys(pxe).length ? { ...change, pxe } : change;
  }

  async function save(values) {
    const given = kind.fields.filter((field) => field.key !== undefined).map((field) => (row ? key[field.key] : values[field.name].trim()));
    const change = changed(values);
    const where = kind.where(given);
    const exists = row ? "yes" : "no";
    try {
      const { changes } = await putRow(where + queryOf({ exists, dry_run: "1" }), change);
      if (changes.length === 0) return void tell("Nothing would change.");
      const what = row ? `Change ${label}?` : `Make this ${kind.one}?`;
      if (!(await confirm(what, changeList(changes), { action: row ? "Save" : "Make it", danger: false }))) return;
      await putRow(where + queryOf({ exists }), change);
    } catch (error) {
      throw beside(error, values, mapped, kind);
    }
    tell(row ? `${label} is changed.` : `The ${kind.one} is made.`);
    if (row) go(location.pathname + location.search, { replace: true });
    else go(href("admin", name));
  }

  return { close: () => look?.close() };
}

/** The field of this form that an error is about. */
function beside(error, values, mapped, kind) {
  let { field } = error;
  if (field === "pxe" && mapped) field = mapped.find(({ name }) => error.message.includes(`\`${name.slice(PXE.length)}\``) || (values[name] && error.message.includes(`\`${values[name]}\``)))?.name;
  // That it is there already is said beside its name.
  if (error instanceof ApiError && error.status === 409 && !field) field = kind.fields[0].name;
  return Object.assign(new Error(error.message), { field });
}

async function remove(name, kind, key, label) {
  const where = kind.where(key);
  try {
    await removeWith(where, name, label, {}, "");
  } catch (error) {
    if (!(kind.force && error.status === 409)) return void warn(error.message);
    try {
      await removeWith(where, name, label, { force: "1" }, error.message);
    } catch {
      // What force does not help either was said by the first refusal.
      warn(error.message);
    }
  }
}

async function removeWith(where, name, label, options, why) {
  const { changes } = await del(where + queryOf({ ...options, dry_run: "1" }));
  const what = h("div", {}, why && h("p", {}, `${why}.`), changeList(changes));
  if (!(await confirm(why ? `Delete ${label} nevertheless?` : `Delete ${label}?`, what, { action: "Delete" }))) return;
  await del(where + queryOf(options));
  tell(`${label} is deleted.`);
  go(href("admin", name));
}
