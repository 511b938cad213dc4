// What this browser remembers for its user: theme, name, filters. Without storage it forgets, and goes on.

const KEY = "mozpool.";

export function recall(name, otherwise = null) {
  try {
    return JSON.parse(localStorage.getItem(KEY + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(KEY + name, JSON.stringify(value));
  } catch {
    // Private windows and full storages.
  }
}

/** `light`, `dark`, or `auto` for what the system says. */
export function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  remember("theme", theme);
}
