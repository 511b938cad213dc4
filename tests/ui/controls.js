// Tells which controls a page has had and which of them were used, once each, for tests/ui/controls.py. A control is known by its page,
// its kind and its words, with names and numbers of devices left out: a tick box in each of six rows is one control.
(() => {
  const CONTROLS = "button, a[href], input, select, textarea, summary, [role=button], [role=tab], [role=switch], [role=gridcell][tabindex]";
  const told = new Set();
  const plain = (text) =>
    text.replace(/\b(board|shelf|relay)-[\w.:-]*\d/g, "NAME").replace(/\d[\d.:,-]*/g, "N").replace(/\s+/g, " ").trim().slice(0, 70);
  const page = (path) => {
    const [, , kind = "", ...rest] = path.split("/");
    return `/${kind}${rest.filter(Boolean).map((part) => (/^(new|images|pxe|hardware|relays|devices)$/.test(part) ? `/${part}` : "/*")).join("")}`;
  };
  const words = (e) =>
    e.getAttribute("aria-label") ||
    (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim() ||
    e.labels?.[0]?.textContent || (e.matches("input, select, textarea") ? e.placeholder || e.name : e.textContent) || e.title || "";
  const sign = (e) => {
    const where = `${page(location.pathname)}${e.closest("dialog") ? ` [${plain(e.closest("dialog").querySelector("h2")?.textContent ?? "")}]` : ""}`;
    if (e.matches("a[href]")) {
      const to = new URL(e.href);
      const target = to.origin === location.origin ? (to.pathname.startsWith("/ui") ? page(to.pathname) : to.pathname.replace(/[^/]*\d[^/]*/g, "*")) : to.origin;
      return `${e.closest("header") ? "bar" : where}: link to ${target}`;
    }
    const kind = e.tagName.toLowerCase() + (e.type && e.tagName === "INPUT" ? ` ${e.type}` : "");
    return `${e.closest("header") ? "bar" : where}: ${kind} “${plain(words(e))}”`;
  };
  const tell = (what, element) => {
    if (!element || !element.isConnected) return;
    const line = `control ${what} ${sign(element)}`;
    if (told.has(line)) return;
    told.add(line);
    console.debug(line);
  };
  const all = (node) => {
    if (node.nodeType !== 1) return;
    if (node.matches(CONTROLS)) tell("seen", node);
    for (const one of node.querySelectorAll(CONTROLS)) tell("seen", one);
  };
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) all(node);
  }).observe(document, { childList: true, subtree: true });
  for (const event of ["click", "input", "change"]) {
    addEventListener(event, (e) => tell("used", e.target.closest?.(CONTROLS)), true);
  }
})();
