// Which page an address means. Addresses are paths below /ui/, so that they can be kept, sent and opened in a new tab.

const routes = [];

/** Adds a page: `pattern` such as `devices/:name`; `load` gives a promise of its module. */
export const route = (pattern, load) => routes.push({ parts: pattern.split("/").filter(Boolean), load });

/** The module's loader and parameters of a path, or `null`. */
export function find(pathname) {
  let parts;
  try {
    parts = pathname.replace(/^\/ui\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    // An address that somebody has cut off within an escape.
    return null;
  }
  for (const { parts: pattern, load } of routes) {
    if (pattern.length !== parts.length) continue;
    const params = {};
    const fits = pattern.every((want, at) => (want[0] === ":" ? ((params[want.slice(1)] = parts[at]), true) : want === parts[at]));
    if (fits) return { load, params };
  }
  return null;
}

/** The address of a page: href("devices", name). */
export const href = (...parts) => `/ui/${parts.map(encodeURIComponent).join("/")}`;

let show = () => {};

/** Goes to an address within the page. `replace` keeps the history as it is. */
export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  show();
}

/** Changes the address' query without drawing the page anew; for filters. */
export function setQuery(values) {
  const search = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") search.delete(key);
    else search.set(key, value);
  }
  const text = search.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

/** Begins to show pages: now, and whenever a link within /ui/ is followed. */
export function start(draw) {
  show = draw;
  addEventListener("popstate", show);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith("/ui/")) return;
    event.preventDefault();
    const to = link.getAttribute("href");
    // Within the page nothing is drawn anew, or what was written there would be gone.
    if (to.startsWith("#")) return document.getElementById(to.slice(1))?.focus();
    go(link.href);
  });
  show();
}
