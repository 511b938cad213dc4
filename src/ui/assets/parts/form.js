// Forms from a table of fields. What is wrong stands beside its field, in our words or in those of the API's error.

import { fill, h, newId, put } from "../core/dom.js";

/**
 * A form. Each field: `{name, label, type, value, required, help, placeholder, options, check}`; `type` is that of an input, or
 * `textarea`, `select`, `checkbox`; `options` are `[value, text]` or texts, also suggestions for a text; `check(text, values)`
 * gives what is wrong, or nothing. `submit(values)` may throw an `ApiError`.
 * Gives `{element, values(), set(name, value), setFields(fields), fail(error), busy}`.
 */
export function form({ fields, submit, action = "Save", cancel = null, danger = false, class: kind = null }) {
  const rows = new Map();
  const body = h("div", { class: "fields-body", style: { display: "contents" } });
  const general = h("p", { class: "wrong", role: "alert", hidden: true });
  const go = h("button", { class: ["primary", danger && "danger"] }, action);
  const stop = cancel && h("button", { type: "button", on: { click: cancel } }, "Cancel");
  const element = h("form", { class: ["fields", kind], novalidate: true, on: { submit: send } }, body, general, h("div", { class: "buttons" }, stop, go));

  function setFields(list) {
    const kept = values();
    rows.clear();
    put(body, list.filter(Boolean).map((field) => {
      const made = row({ ...field, value: kept[field.name] ?? field.value });
      rows.set(field.name, made);
      return made.element;
    }));
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
    go.disabled = true;
    try {
      await submit(all);
    } catch (error) {
      fail(error);
    } finally {
      go.disabled = false;
    }
  }

  setFields(fields);
  return { element, values, setFields, fail, set: (name, value) => rows.get(name)?.set(value), input: (name) => rows.get(name)?.input };
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
  const label = h("label", { for: id }, field.label, field.required && h("span", { "aria-hidden": "true" }, " *"));
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
      if (why) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}
