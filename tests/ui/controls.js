// Tells which controls a page has had and which of them were used, once each, for tests/ui/controls.py. A control is known by its page,
// its kind and its words, with names and numbers of devices left out: a tick box in each of six rows is one control. A link is known by
// where it leads, and what stands on all pages (the bar, messages, the way out of a dialog) has no page.
(() => {
  const CONTROLS = "button, a[href], input, select, textarea, summary, [role=button], [role=tab], [role=switch], [role=gridcell][tabindex]";
  const told = new Set();
  const plain = (text) =>
    text.replace(/\b(board|shelf|relay)-[\w.:-]*\d/g, "NAME").replace(/\d[\d.:,-]*/g, "N").replace(/\(N\)/, "").replace(/\s+/g, " ").trim().slice(0, 70);
  const page = (path) => {
    const [, , kind = "", ...rest] = path.split("/");
    // A tab is a page of its own where its controls are others; the first one has a short address, too.
    const parts = kind === "reports" ? [] : kind === "admin" && !rest.some(Boolean) ? ["images"] : rest.filter(Boolean);
    return `/${kind}${parts.map((part) => (/^(new|images|pxe|hardware|relays|devices|candidates|tokens|audit)$/.test(part) ? `/${part}` : "/*")).join("")}`;
  };
  const words = (e) =>
    e.getAttribute("aria-label") ||
    (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim() ||
    e.labels?.[0]?.textContent || (e.matches("input, select, textarea") ? e.placeholder || e.name : e.textContent) || e.title || "";
  // The address changes before the page does.
  let here = location.pathname;
  const where = (e) => {
    if (e.closest("header")) return "bar";
    if (e.closest(".messages")) return "message";
    const dialog = e.closest("dialog");
    if (!dialog) return page(here);
    // All that is asked before something is done is asked by one part.
    const title = plain(dialog.querySelector("h2")?.textContent ?? "");
    return e.textContent === "Cancel" || title === "Keys" ? "dialog" : `${page(here)} [${title}]`;
  };
  const sign = (e) => {
    if (e.matches("a[href]")) {
      if (e.getAttribute("href").startsWith("#")) return "link within the page";
      const to = new URL(e.href);
      return `link to ${to.origin === location.origin ? (to.pathname.startsWith("/ui") ? page(to.pathname) : to.pathname.replace(/[^/]*\d[^/]*/g, "*")) : to.origin}`;
    }
    const kind = e.tagName.toLowerCase() + (e.type && e.tagName === "INPUT" ? ` ${e.type}` : "");
    // Of colours and of relay boards there are as many as the rack has.
    const text = e.closest(".legend") ? "a colour" : plain(words(e)).replace(/^(Select (all|bank \w+) of) .*/, "$1 …");
    return `${where(e)}: ${kind} “${text}”`;
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
    for (const one of [node, ...node.querySelectorAll(CONTROLS)]) if (one.matches(CONTROLS) && !one.closest("[hidden]")) tell("seen", one);
  };
  new MutationObserver((changes) => {
    if (changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.nodeType === 1 && (node.matches("h1") || node.querySelector("h1"))))) here = location.pathname;
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") all(target);
      else for (const node of addedNodes) all(node);
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["hidden"] });
  for (const event of ["click", "input", "change"]) {
    addEventListener(event, (e) => tell("used", e.target.closest?.(CONTROLS)), true);
  }
})();
