// The boot config as fields of a form: one for each key that an image asks for, or all of it as JSON.

const KEY = "key ";

/** Reads `text` as the JSON of an object. Gives `[object, null]` or `[null, what is wrong]`; nothing is `{}`. */
export function readObject(text) {
  if (text.trim() === "") return [{}, null];
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return [null, `this is not JSON: ${error.message}`];
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [null, 'this should be a JSON object, such as {"key": "value"}'];
  return [value, null];
}

const ofKeys = (keys, values) => Object.fromEntries(keys.map((key) => [key, values[KEY + key] ?? ""]));
const texts = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]));

/** Fields for `keys`, given the form's present values; none when there are no keys. */
export function bootConfigFields(keys, values) {
  if (!keys.length) return [];
  const [written] = readObject(values.boot_config ?? "");
  const known = texts(written ?? {});
  const choice = { name: "as_json", label: "Write it as JSON", type: "checkbox" };
  if (!values.as_json) {
    return [...keys.map((key) => ({ name: KEY + key, label: key, value: known[key], required: true, help: "The image's second stage is told this." })), choice];
  }
  return [
    {
      name: "boot_config",
      label: "Boot config (JSON)",
      type: "textarea",
      value: keys.some((key) => values[KEY + key]) ? JSON.stringify(ofKeys(keys, values), null, 2) : "",
      placeholder: JSON.stringify(Object.fromEntries(keys.map((key) => [key, "…"]))),
      check(text) {
        const [object, wrong] = readObject(text);
        const missing = object && keys.filter((key) => !(key in object));
        return wrong ?? (missing.length ? `the image asks for ${missing.join(", ")}, too` : null);
      },
    },
    choice,
  ];
}

/** Whether there is something in every field. */
export const bootConfigReady = (keys, values) =>
  keys.length === 0 || (values.as_json ? Boolean(values.boot_config?.trim()) : keys.every((key) => values[KEY + key]?.trim()));

/** The boot config that the form says, an object. */
export const bootConfigOf = (keys, values) => (values.as_json ? readObject(values.boot_config ?? "")[0] : ofKeys(keys, values));
