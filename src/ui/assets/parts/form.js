// Forms from a table of fields. What is wrong stands beside its field, in our words or in those of the API's error.

import { fill, h, newId, put } from "../core/dom.js";

/**
 * A form. Each field: `{name, label, type, value, required, help, placeholder, options, check}`; `type` is that of an input, or
 * `textarea`, `select`, `checkbox`; `options` are `[value, text]` or texts, also suggestions for a text; `check(text, values)`
 * gives what is wrong, or nothing. Fields with the same `group`, one after the other, are folded away below that title until one
 * of them has a value or is wrong. `submit(values)` may throw an `ApiError`. `fields` may be a function of the values: then the
 * form follows what has been chosen. `ready(values)` says whether the button can be pressed yet, `needs` which role may press it.
 * Gives `{element, values(), set(name, value), setFields(fields), fail(error), busy}`.
 */
export function form({ fields, submit, action = "Save", cancel = null, danger = false, class: kind = null, ready = null, needs = null }) {
  const fieldsFor = typeof fields === "function" ? fields : null;
  let busy = false;
  const rows = new Map();
  const body = h("div", { class: "fields-body", style: { display: "contents" } });
  const general = h("p", { class: "wrong", role: "alert", hidden: true });
  const go = h("button", { class: ["primary", danger && "danger"], needs }, action);
  const stop = cancel && h("button", { type: "button", on: { click: cancel } }, "Cancel");
  const element = h("form", { class: ["fields", kind], novalidate: true, on: { submit: send, input: follow, change: follow } }, body, general, h("div", { class: "buttons" }, stop, go));

  function setFields(list) {
    const before = new Map(rows);
    const opened = new Set([...body.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    rows.clear();
    const groups = new Map();
    put(body, list.filter(Boolean).map((field) => {
      const old = before.get(field.name);
      const shape = shapeOf(field);
      const made = old?.shape === shape ? old : row({ ...field, value: old?.read() ?? field.value });
      rows.set(field.name, Object.assign(made, { shape }));
      if (!field.group) return made.element;
      const known = groups.get(field.group);
      const box = known ?? h("details", { class: "group", open: opened.has(field.group) }, h("summary", {}, field.group), h("div", { class: "group-fields" }));
      groups.set(field.group, box);
      fill(box.lastChild, made.element);
      if (made.read()) box.open = true;
      return known ? null : box;
    }));
    focused?.focus();
    drawn = JSON.stringify(list.filter(Boolean).map(shapeOf));
  }

  /** What a field looks like, its value aside. */
  function shapeOf({ value, ...field }) {
    return JSON.stringify(field);
  }

  function follow() {
    if (fieldsFor) {
      const list = fieldsFor(values());
      if (JSON.stringify(list.filter(Boolean).map(shapeOf)) !== drawn) setFields(list);
    }
    go.disabled = busy || Boolean(ready && !ready(values()));
  }

  function values() {
    return Object.fromEntries([...rows].map(([name, one]) => [name, one.read()]));
  }

  function fail(error) {
    const one = rows.get(error.field);
    if (one) {
      one.wrong(error.message);
      one.input.focus();
    } else {
      general.hidden = false;
      general.textContent = error.message;
    }
  }

  async function send(event) {
    event.preventDefault();
    if (go.disabled) return;
    general.hidden = true;
    const all = values();
    let first = null;
    for (const one of rows.values()) {
      const why = one.check(all);
      one.wrong(why);
      if (why) first ??= one;
    }
    if (first) return first.input.focus();
    go.disabled = busy = true;
    try {
      await submit(all);
    } catch (error) {
      fail(error);
    } finally {
      busy = false;
      follow();
    }
  }

  let drawn = null;
  setFields(fieldsFor ? fieldsFor({}) : fields);
  follow();
  return { element, values, setFields, fail, set: (name, value) => (rows.get(name)?.set(value), follow()), input: (name) => rows.get(name)?.input };
}

function row(field) {
  const id = newId(field.name);
  const help = field.help ? h("div", { class: "help", id: `${id}-help` }, field.help) : null;
  const wrong = h("div", { class: "wrong", id: `${id}-wrong`, role: "alert", hidden: true });
  const common = {
    id, name: field.name, placeholder: field.placeholder, "aria-describedby": [help && `${id}-help`, `${id}-wrong`].filter(Boolean).join(" "),
    "aria-required": field.required ? "true" : null, autocomplete: field.autocomplete ?? "off", on: field.on,
  };
  const isCheck = field.type === "checkbox";
  let input, list = null;
  if (field.type === "select") {
    input = fill(h("select", common), (field.options ?? []).map((one) => {
      const [value, text] = [one].flat();
      return h("option", { value }, text ?? value);
    }));
    if (field.value !== undefined && field.value !== null) input.value = field.value;
  } else if (field.type === "textarea") {
    input = h("textarea", { ...common, value: field.value ?? "", rows: field.rows, spellcheck: "false" });
  } else if (isCheck) {
    input = h("input", { ...common, type: "checkbox", checked: Boolean(field.value) });
  } else {
    if (field.options) list = h("datalist", { id: `${id}-list` }, field.options.map((value) => h("option", { value })));
    input = h("input", { ...common, type: field.type ?? "text", value: field.value ?? "", list: list && `${id}-list`, inputmode: field.inputmode });
  }
  const label = h("label", { for: id, class: field.required ? "required" : null }, field.label);
  const element = h("div", { class: ["field", isCheck && "check"] }, isCheck ? [input, label] : [label, input], list, help, wrong);
  const read = () => (isCheck ? input.checked : input.value);
  return {
    element, input, read,
    set: (value) => (isCheck ? (input.checked = value) : (input.value = value)),
    check(all) {
      if (field.required && !isCheck && read().trim() === "") return `${field.label}: this is needed`;
      return field.check?.(read(), all) || null;
    },
    wrong(why) {
      wrong.hidden = !why;
      wrong.textContent = why ?? "";
      if (why) {
        input.setAttribute("aria-invalid", "true");
        const folded = element.closest("details");
        if (folded) folded.open = true;
      } else input.removeAttribute("aria-invalid");
    },
  };
}
