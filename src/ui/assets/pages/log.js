// The log of a device or a request, as long as the screen is high.

import { h, put } from "../core/dom.js";
import { setQuery } from "../core/router.js";
import { deviceLink, requestLink } from "../parts/badge.js";
import { logview } from "../parts/logview.js";

const asked = () => new URLSearchParams(location.search);

export const style = "device";
export function title() {
  const query = asked();
  return query.has("request") ? `Log of request #${query.get("request")}` : `Log of ${query.get("device") ?? "nothing"}`;
}

export function open(root, { query }) {
  const [device, request] = [query.get("device"), query.get("request")];
  if (device === null && request === null) {
    put(root, h("h1", {}, "Log"), h("p", {}, "Whose? Open it from a device or a request, or add ?device=NAME to the address."));
    return null;
  }
  const link = request !== null ? requestLink(request) : deviceLink(device);
  const kind = request !== null ? "Log of request " : "Log of ";
  const view = logview({ ...(request !== null ? { request } : { device }), q: query.get("q") ?? "", onSearch: (q) => setQuery({ q }) });
  view.element.classList.add("log-page");
  put(root, h("h1", {}, kind, link), view.element);
  return view.close;
}
