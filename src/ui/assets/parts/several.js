// Values of which a request may want one or several.

/** As text: `a`, or `a, b`. */
export const several = (value) => [value ?? []].flat(1).flat(1).join(", ");

/** From what people type with commas: `null` for nothing, a text, or a list of texts. */
export function list(text) {
  const all = text.split(",").map((one) => one.trim()).filter(Boolean);
  return all.length > 1 ? all : (all[0] ?? null);
}
