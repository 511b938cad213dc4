// The page begins here: shell, lists, pages. A page is a module with `style` (the name of its style sheet), `title(params)` and
// `open(root, context)`; `open` draws into `root` and gives a function that ends what it began. `context` is `{params, query}`; lists are in core/live.js.

import { h, put } from "./core/dom.js";
import * as live from "./core/live.js";
import { recall, setTheme } from "./core/prefs.js";
import { find, go, route, start } from "./core/router.js";
import { isStranger, onSession } from "./core/session.js";
import { shell } from "./parts/shell.js";

route("", () => import("./pages/overview.js"));
route("rack", () => import("./pages/rack.js"));
route("devices", () => import("./pages/devices.js"));
route("devices/:name", () => import("./pages/device.js"));
route("log", () => import("./pages/log.js"));
route("requests", () => import("./pages/requests.js"));
route("requests/new", () => import("./pages/request-new.js"));
route("requests/:id", () => import("./pages/request.js"));
route("repair", () => import("./pages/repair.js"));
route("reports", () => import("./pages/reports.js"));
route("reports/:report", () => import("./pages/reports.js"));
route("login", () => import("./pages/login.js"));
route("admin", () => import("./pages/admin.js"));
route("admin/tokens", () => import("./pages/tokens.js"));
route("admin/audit", () => import("./pages/audit.js"));
route("admin/candidates", () => import("./pages/candidates.js"));
route("admin/candidates/:mac", () => import("./pages/candidate.js"));
route("admin/:kind", () => import("./pages/admin.js"));
route("admin/:kind/:name", () => import("./pages/admin-edit.js"));

setTheme(recall("theme", "auto"));
const base = new URL(".", import.meta.url).pathname.replace(/\/$/, "");
const frame = shell(document.getElementById("shell"), base);
let close = null;
let shown = 0;

async function draw() {
  const turn = ++shown;
  const found = find(location.pathname);
  const query = new URLSearchParams(location.search);
  frame.at();
  let page = null;
  let failure = null;
  try {
    page = found ? await found.load() : null;
  } catch (error) {
    failure = error;
  }
  await first;
  if (turn !== shown) return;
  if (isStranger() && !isLogin()) return go(loginHref(), { replace: true });
  close?.();
  close = null;
  // A dialog belongs to the page that asked.
  for (const box of document.querySelectorAll("dialog[open]")) box.close();
  put(frame.page);
  scrollTo(0, 0);
  if (!page) {
    document.title = "Mozpool";
    delete document.documentElement.dataset.page;
    const why = failure ? "This page could not be loaded; the server may have been upgraded." : "There is no such page.";
    return void put(frame.page, h("h1", {}, why), h("p", {}, h("a", { href: "/ui/" }, "Overview")));
  }
  document.title = `${page.title(found.params)} · Mozpool`;
  // Its style holds while it is shown; see style/pages.css.
  document.documentElement.dataset.page = page.style;
  try {
    close = page.open(frame.page, { params: found.params, query }) ?? null;
  } catch (error) {
    reportError(error);
    put(frame.page, h("h1", {}, "This page cannot be shown"), h("p", { class: "notice bad" }, error.message), h("p", {}, h("a", { href: "/ui/" }, "Overview")));
  }
  // The heading is where those who hear the page begin to read; the first page has the focus where the browser puts it, and one that
  // is there to be filled in where it begins.
  if (turn > 1 && !frame.page.contains(document.activeElement)) frame.page.focus();
}

const isLogin = () => location.pathname.replace(/\/$/, "") === "/ui/login";

/** The page to log in on, which leads back to where we are. */
const loginHref = () => `/ui/login?${new URLSearchParams({ next: location.pathname + location.search })}`;

// Whose session ends is asked who they are, and comes back to this page.
onSession(() => {
  if (shown > 0 && isStranger() && !isLogin()) go(loginHref(), { replace: true });
});

const first = live.start();
start(draw);
