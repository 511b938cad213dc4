"""What the tests of the web page share: a rack, Debian's Chromium, pages that fail a test when anything in them goes wrong."""

import os
import re
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

sys.path[:0] = [str(Path(__file__).parent.parent / "python"), str(Path(__file__).parent)]
from controls import SCRIPT, Controls  # noqa: E402
from rack import LIMIT_S, Rack  # noqa: E402

CHROMIUM = os.environ.get("MOZPOOL_CHROMIUM", "/usr/bin/chromium")
#: Pictures of all pages are left here, to be looked at.
SHOTS = Path(os.environ.get("MOZPOOL_SHOTS", Path(os.environ["MOZPOOL"]).parent.parent / "ui-shots"))
#: The widths and colours that every page is looked at in.
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
expect.set_options(timeout=min(30, LIMIT_S) * 1000)

#: What a browser says of an answer that the page knows what to do with.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503)|net::ERR_")


CONTROLS = Controls()


def pytest_sessionfinish(session, exitstatus):
    """After all tests of the page, all its controls must have been used. Several processes may have tried them."""
    folder = os.environ.get("MOZPOOL_ALL_CONTROLS")
    if not folder:
        return
    CONTROLS.save(folder)
    if hasattr(session.config, "workerinput"):
        return
    controls = Controls.of(folder)
    unused = controls.unused()
    print(f"\n{len(controls.seen)} controls of the page were seen, {len(unused)} never used")
    for sign, test in unused:
        print(f"  {sign}    (seen by {test})")
    if exitstatus == 0 and (unused or not controls.seen):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def rack():
    """Six boards on two relay boards, tested and free. Tests of a module share it; each leaves its boards as it found them."""
    with Rack(boards=6) as rack:
        rack.until_at_rest()
        yield rack


@pytest.fixture
def open_page(browser, rack, request):
    """Opens pages: `open_page("rack")`, `open_page("devices", look="phone")`. Errors in them fail the test."""
    contexts, troubles = [], []

    def open_page(path="", look="light", server=None):
        context = browser.new_context(**LOOKS[look])
        context.set_default_timeout(LIMIT_S * 1000)
        context.add_init_script(SCRIPT)
        contexts.append(context)

        def hear(said):
            if CONTROLS.hear(said.text, request.node.nodeid) or said.type != "error" or EXPECTED.search(said.text):
                return
            # Scripts of the tests, as axe is one, come from no address; what they may not do is not the page's fault.
            if said.location["url"]:
                troubles.append(f"{path}: {said.text}")

        # Also those that a link opens.
        context.on("console", hear)
        context.on("weberror", lambda error: troubles.append(f"{path}: {error.error}"))
        page = context.new_page()
        page.goto(f"{(server or rack).url}/ui/{path}")
        page.locator("main h1").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def shoot(request):
    """Keeps a picture of a page: `shoot(page, "rack-dark")`."""
    def shoot(page, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png")

    return shoot


@pytest.fixture
def accessible():
    """Fails when axe finds anything that keeps people from using the page: `accessible(page)`."""
    def accessible(page):
        # Without preloading: axe would copy the style sheets into the page, which the page forbids.
        found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False})
        assert found.violations_count == 0, found.generate_report()

    return accessible
