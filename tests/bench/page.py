"""How quick the web page is: first paint, live updates, and long tasks while a rack images, in Debian's Chromium.

`tests/bench/page` builds the program for release and runs it against the demo's rack of 80 boards, to which devices are added that
are locked out, so that the list is long. It prints medians of several loads; nothing here passes or fails.
"""

import argparse
import http.server
import json
import statistics
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
from rack import Rack, wait_for  # noqa: E402

BOARDS = 80
LOADS = 7
PAGES = ["", "rack", "devices", "requests", "repair"]

#: Long tasks and paints of a page, from its beginning.
WATCH = """
  window.watched = {long: [], paint: {}};
  new PerformanceObserver((list) => { for (const e of list.getEntries()) watched.long.push([e.startTime, e.duration]); })
    .observe({type: "longtask", buffered: true});
  new PerformanceObserver((list) => { for (const e of list.getEntries()) watched.paint[e.name] = e.startTime; })
    .observe({type: "paint", buffered: true});
  new PerformanceObserver((list) => { for (const e of list.getEntries()) watched.paint.largest = e.startTime; })
    .observe({type: "largest-contentful-paint", buffered: true});
"""

#: When the text of an element that `selector` names becomes another one, by the page's own clock.
UNTIL_CHANGED = """
  ([selector, text]) => new Promise((tell) => {
    const look = () => {
      const found = [...document.querySelectorAll(selector)].some((e) => e.textContent.includes(text));
      if (found) requestAnimationFrame(() => tell(Date.now())); else setTimeout(look, 5);
    };
    look();
  })
"""


def lengthen(rack, devices):
    """Adds devices until there are so many."""
    have = len(rack.devices())
    numbers = range(have + 1, devices + 1)
    boards = sorted({n // 32 for n in numbers})
    rack.call("lab/import", {"relay_board": [{"name": f"shelf-{b}", "fqdn": f"10.99.{b // 250}.{b % 250 + 1}"} for b in boards]})
    rows = [
        {
            "name": f"spare-{n:05}", "fqdn": f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", "state": "locked_out",
            "environment": ["lab", "mobile", "b2g", "spare"][n % 4], "hardware_type": "emulated board",
            "comments": "waits for a card" if n % 3 else "",
            "relay_info": f"10.99.{n // 32 // 250}.{n // 32 % 250 + 1}:bank{n % 32 // 8 + 1}:relay{n % 8 + 1}",
        }
        for n in numbers
    ]
    for at in range(0, len(rows), 2000):
        rack.call("lab/import", {"device": rows[at:at + 2000]})


def new_context(browser):
    """A desktop's window; what is asked of the page here is code made of texts, which its own policy forbids."""
    return browser.new_context(viewport={"width": 1280, "height": 860}, bypass_csp=True)


class Bare(http.server.BaseHTTPRequestHandler):
    """A page with nothing but a word on it: what browser and machine take by themselves."""

    def do_GET(self):
        text = b"<!doctype html><title>Bare</title><main><h1>Bare</h1></main>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def load_times(browser, address):
    """Milliseconds to the first and to the largest paint, and the longest task, for each of some loads; caches are warm."""
    context = new_context(browser)
    context.add_init_script(WATCH)
    figures = []
    for _ in range(LOADS + 1):
        page = context.new_page()
        page.goto(address)
        page.locator("main h1").wait_for()
        page.wait_for_function("watched.paint.largest > 0")
        page.wait_for_timeout(700)
        watched = page.evaluate("watched")
        longest = max((took for _, took in watched["long"]), default=0)
        figures.append((watched["paint"]["first-contentful-paint"], watched["paint"]["largest"], longest))
        page.close()
    context.close()
    return [statistics.median(column) for column in zip(*figures[1:])]


def update_times(browser, rack):
    """Milliseconds from a change's answer until the page shows it."""
    context = new_context(browser)
    page = context.new_page()
    page.goto(f"{rack.url}/ui/devices?q=board-001")
    page.locator("tr[data-key='board-001']").wait_for()
    took = []
    for n in range(LOADS):
        page.evaluate("window.seen = null")
        page.evaluate(f"({UNTIL_CHANGED})(['main', 'note {n}.']).then((at) => window.seen = at)" + "; 0")
        sent = time.time() * 1000
        rack.call("device/board-001/set-comments", {"comments": f"note {n}."})
        page.wait_for_function("window.seen !== null")
        took.append(page.evaluate("window.seen") - sent)
    context.close()
    return statistics.median(took), max(took)


def long_tasks(browser, rack, path):
    """All long tasks of a page while 80 boards are imaged."""
    context = new_context(browser)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(f"{rack.url}/ui/{path}")
    page.locator("main h1").wait_for()
    page.wait_for_timeout(1500)
    page.evaluate("watched.long = []")
    ids = [rack.request() for _ in range(BOARDS)]
    wait_for("all requests to end", lambda: not any(
        r["state"] in ("new", "finding_device", "contact_lifeguard", "contacting_lifeguard", "pending")
        for r in rack.call("request/list/")["requests"]), 180)
    tasks = [took for _, took in page.evaluate("watched.long")]
    for number in ids:
        rack.call(f"request/{number}/return", {})
    rack.until_at_rest_of("board-")
    context.close()
    return len(tasks), max(tasks, default=0)


def main():
    """Prints the figures, and as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="*", default=[800, 8000], help="how many devices there are to be, in rising order")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    with sync_playwright() as playwright, Rack(BOARDS) as rack:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox", "--disable-gpu"])
        rack.until_at_rest_of("board-")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bare)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bare = f"http://127.0.0.1:{server.server_port}/"
        for devices in given.devices:
            lengthen(rack, devices)
            print(f"\n{devices} devices    first paint   largest   longest task   (ms, medians of {LOADS} loads)")
            for name, address in [("a bare page", bare), *((path or "overview", f"{rack.url}/ui/{path}") for path in PAGES)]:
                first, largest, longest = load_times(browser, address)
                results[f"{devices} {name}"] = [first, largest, longest]
                print(f"  {name:12}  {first:10.0f} {largest:9.0f} {longest:13.0f}", flush=True)
            median, most = update_times(browser, rack)
            results[f"{devices} update"] = [median, most]
            print(f"  a change is seen after {median:.0f} ms, at most {most:.0f} ms")
            for path in ["", "rack", "devices", "requests"]:
                count, longest = long_tasks(browser, rack, path)
                results[f"{devices} imaging {path or 'overview'}"] = [count, longest]
                print(f"  while {BOARDS} boards image, {path or 'overview':9}: {count} tasks over 50 ms, the longest {longest:.0f} ms", flush=True)
        browser.close()
    if given.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
