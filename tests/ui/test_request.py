"""One request: watched until its board is ready, kept, given back."""

import re

import pytest
from playwright.sync_api import expect
from rack import wait_for

NOWHERE = {"environment": "nowhere", "queue_limit": 3000}
EVIL = '<script>document.title="evil"</script>'


@pytest.fixture
def asked(rack):
    """Makes requests that are returned when the test is over."""
    made = []

    def ask(device="any", **more):
        made.append(rack.request(device, **more))
        return made[-1]

    yield ask
    for number in made:
        rack.call(f"request/{number}/return", {})


def details(rack, number):
    return rack.call(f"request/{number}/details")


def step(page, name):
    return page.get_by_role("list", name="Progress").get_by_role("listitem").filter(has=page.get_by_text(name, exact=True))


def ready(rack, number):
    wait_for(f"request {number} to be ready", lambda: details(rack, number)["state"] == "ready")
    return details(rack, number)


def test_it_is_watched_until_its_board_is_ready(rack, asked, open_page):
    board = "board-002"
    rack.put_into(board, "locked_out")
    number = asked(board, queue_limit=3000)
    page = open_page(f"requests/{number}")
    page.evaluate("""() => {
        window.turns = [];
        const list = document.querySelector("[aria-label=Progress]");
        new MutationObserver(() => {
            const now = list.querySelector("[aria-current=step]")?.textContent ?? "";
            if (window.turns.at(-1) !== now) window.turns.push(now);
        }).observe(list, { subtree: true, childList: true, attributes: true });
    }""")
    rack.put_into(board, "ready")
    expect(step(page, "Board found")).to_contain_text(board)
    expect(step(page, "Ready")).to_contain_text(": done")
    expect(step(page, "Power")).to_contain_text(": done")
    # Each step was shown in its turn.
    turns = page.evaluate("window.turns")
    order = [next(at for at, turn in enumerate(turns) if name in turn) for name in ("Power", "Image")]
    assert order == sorted(order), turns
    expect(page.locator(".head .state").first).to_have_text("ready")
    # What each step took is known from the board's timeline.
    expect(step(page, "Image")).to_contain_text(re.compile(r"took \d"))
    expect(page.get_by_text("entering state ready")).to_be_visible()


def test_how_long_it_usually_takes_is_said(rack, asked, open_page):
    ready(rack, asked())
    page = open_page(f"requests/{asked(**NOWHERE)}")
    expect(page.get_by_text("Usually ready")).to_be_visible()


def test_it_says_why_it_waits(asked, open_page):
    page = open_page(f"requests/{asked(**NOWHERE)}")
    expect(page.get_by_role("status").filter(has_text="No board: of 6, 6 are of another environment")).to_be_visible()
    expect(step(page, "Look for a board")).to_have_attribute("aria-current", "step")
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_it_says_why_it_has_failed_and_can_be_asked_again(asked, open_page):
    page = open_page(f"requests/{asked(environment='nowhere', queue_limit=0)}")
    expect(page.get_by_role("status").filter(has_text="Request failed!")).to_be_visible()
    expect(step(page, "Look for a board")).to_contain_text(": failed")
    page.get_by_role("link", name="Ask again").click()
    expect(page.locator("main h1")).to_have_text("New request")
    expect(page.get_by_label("Image")).to_have_value("demo")


def test_renew(rack, asked, open_page):
    number = asked(**NOWHERE)
    before = details(rack, number)["expires"]
    page = open_page(f"requests/{number}")
    page.get_by_role("button", name="Renew").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Renew").click()
    dialog.get_by_label("For").fill("900d")
    dialog.get_by_role("button", name="Renew").click()
    expect(dialog.get_by_role("alert").filter(has_text="duration is 77760000")).to_be_visible()
    dialog.get_by_label("For").fill("2h")
    dialog.get_by_role("button", name="Renew").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Put this message away").click()
    wait_for("it to end later", lambda: details(rack, number)["expires"] > before)
    expect(page.locator("dd").filter(has_text=re.compile("^1 h 59 min$"))).to_be_visible()


def test_return_asks_first(rack, asked, open_page):
    number = asked()
    board = ready(rack, number)["assigned_device"]
    page = open_page(f"requests/{number}")
    page.get_by_role("button", name="Return").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"{board} is given back")
    dialog.get_by_role("button", name="Cancel").click()
    assert details(rack, number)["state"] == "ready"
    page.get_by_role("button", name="Return").click()
    dialog.get_by_role("button", name="Return").click()
    expect(page.locator(".head .state").first).to_have_text("returned")
    assert details(rack, number)["state"] == "closed"
    expect(page.get_by_role("button", name="Return")).to_have_count(0)
    expect(page.get_by_text("It has none any more.")).to_be_visible()


def test_what_was_wanted_is_shown_and_markup_in_it_stays_text(asked, open_page):
    number = asked(reason=EVIL, assignee="ann", processor=["a", "b"], tags=["x", ["y", "z"]], **NOWHERE)
    page = open_page(f"requests/{number}")
    facts = page.locator(".facts")
    for text in [EVIL, "ann", "demo", "nowhere", "a, b", "x, y or z", "/files/images/demo.img"]:
        expect(facts).to_contain_text(text)
    expect(page).to_have_title(f"Request {number} · Mozpool")


def test_the_log_grows_while_it_is_read(rack, asked, open_page):
    number = asked(**NOWHERE)
    page = open_page(f"requests/{number}")
    log = page.get_by_role("list", name="Log lines")
    expect(log).to_contain_text("entering state finding_device")
    rack.call(f"request/{number}/return", {"who": EVIL, "reason": "enough"})
    expect(log).to_contain_text(EVIL)
    link = page.get_by_role("link", name="in a window of its own")
    with page.context.expect_page() as opened:
        link.click()
    assert opened.value.url.endswith(f"/ui/log?request={number}")


def test_how_to_use_the_board_and_links_to_it(rack, asked, open_page):
    number = asked()
    board = ready(rack, number)["assigned_device"]
    page = open_page(f"requests/{number}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the address").click()
    assert page.evaluate("navigator.clipboard.readText()") == rack.device(board)["fqdn"]
    page.get_by_text("The same by command line").click()
    for what, text in [("the server's address", f"export MOZPOOL_URL={rack.url}"), ("the command that renews", f"mozpool request renew {number} --duration 1h"),
                       ("the command that returns", f"mozpool request return {number}"), ("the call that returns", f"/api/request/{number}/return/")]:
        button = page.get_by_role("button", name=f"Copy {what}")
        button.click()
        expect(button).to_have_text("Copied")
        assert text in page.evaluate("navigator.clipboard.readText()")
    expect(page.get_by_role("link", name="log", exact=True)).to_have_attribute("href", f"/ui/log?device={board}")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="log", exact=True).click()
    opened.value.close()
    page.get_by_role("link", name="Timeline").click()
    assert page.url.endswith(f"/ui/devices/{board}#timeline")
    page.go_back()
    page.get_by_role("link", name=board, exact=True).click()
    assert page.url.endswith(f"/ui/devices/{board}")


def test_a_waiting_request_offers_the_command_that_waits(asked, open_page):
    number = asked("board-003", **NOWHERE)
    page = open_page(f"requests/{number}")
    page.get_by_text("The same by command line").click()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the command that waits").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"mozpool request wait {number}"
    page.get_by_role("link", name="board-003").click()
    assert page.url.endswith("/ui/devices/board-003")


def test_a_request_that_is_not_there_says_so(open_page):
    page = open_page("requests/987654")
    expect(page.get_by_text("987654").last).to_be_visible()
    page.get_by_role("link", name="All requests").click()
    expect(page.locator("main h1")).to_have_text("Requests")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_is_accessible_and_fits(rack, asked, open_page, accessible, shoot, look):
    number = asked()
    ready(rack, number)
    page = open_page(f"requests/{number}", look=look)
    expect(step(page, "Image")).to_contain_text("took")
    accessible(page)
    shoot(page, f"request-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if look == "light":
        page = open_page(f"requests/{asked(**NOWHERE)}")
        expect(page.get_by_text("No board: of 6").first).to_be_visible()
        shoot(page, "request-waits")
