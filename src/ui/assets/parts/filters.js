// A search box and choices above a list. What is chosen stands in the address, so that a view can be kept and sent.

import { h, put } from "../core/dom.js";
import { setQuery } from "../core/router.js";

/**
 * `choices`: `{name, title, options() → [value, text] or texts}`. `change(values)` is called with all values, `q` for the text.
 * Gives `{element, values(), refresh()}`; `refresh` brings the choices' options up to date.
 */
export function filters({ query, choices = [], placeholder = "Search", change }) {
  const values = { q: query.get("q") ?? "" };
  const box = h("input", { type: "search", value: values.q, placeholder, "aria-label": placeholder, "data-hotkey": "/", on: { input: () => set("q", box.value) } });
  const selects = choices.map(({ name, title, options }) => {
    values[name] = query.get(name) ?? "";
    const select = h("select", { "aria-label": title, on: { change: () => set(name, select.value) } });
    const fillOptions = () => {
      const list = options().map((one) => [one].flat());
      // A value from a kept address is shown although nothing has it any more.
      if (values[name] && !list.some(([value]) => value === values[name])) list.push([values[name]]);
      const wanted = JSON.stringify(list);
      if (select.dataset.options === wanted) return;
      select.dataset.options = wanted;
      put(select, h("option", { value: "" }, `${title}: all`), list.map(([value, text]) => h("option", { value }, text ?? value)));
      select.value = values[name];
    };
    return { select, fillOptions };
  });
  function set(name, value) {
    values[name] = value;
    setQuery({ [name]: value });
    change(values);
  }
  const refresh = () => selects.forEach((one) => one.fillOptions());
  refresh();
  return { element: h("div", { class: "filters", role: "search" }, box, selects.map((one) => one.select)), values: () => values, refresh };
}
