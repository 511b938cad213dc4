"""Makes the documents' pictures of the web page, from the demo's rack: `tests/python/run --version` once for the tools, then

    MOZPOOL=target/debug/mozpool target/python-tools/bin/python docs/pictures/make.py
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests/python"))
from rack import Rack, Refused  # noqa: E402

#: File, address, height of the window.
PICTURES = [("overview", "", 860), ("rack", "rack", 470), ("device", "devices/board-002", 860)]


def furnish(rack):
    """Boards in all groups, as on a day in a lab."""
    rack.until_at_rest()
    for name, state, comment in [
        ("board-031", "failed_self_test", "card replaced on Monday, again"),
        ("board-040", "failed_pxe_booting", ""),
        ("board-045", "locked_out", "fan is loud; waits for a new one"),
    ]:
        rack.put_into(name, state)
        rack.call(f"device/{name}/set-comments", {"comments": comment})
    try:
        rack.request(assignee="release@example.com", tags=["camera"])
    except Refused:
        pass
    for n in range(9):
        rack.request(assignee=f"ci-job-47{n:02}")


def main():
    """Writes the pictures beside this file."""
    with Rack(48, 14) as rack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="light")
        page.goto(f"{rack.url}/ui/")
        page.locator("main h1").wait_for()
        furnish(rack)
        for name, path, height in PICTURES:
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto(f"{rack.url}/ui/{path}")
            page.locator("main h1").wait_for()
            page.wait_for_timeout(1500)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
