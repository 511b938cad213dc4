"""The log: of a device and of a request, on a page of its own and within a device's page."""

import re

import pytest
from boards import HOSTILE, is_text, lines_of, say
from playwright.sync_api import expect
from rack import wait_for

LOOKS = ["light", "dark", "phone"]
#: Both places where a log is; the board in each.
PLACES = {"log?device={}": "a page of its own", "devices/{}": "a device's page"}


def log_in(page):
    return page.get_by_role("log")


def at_end(page):
    return log_in(page).evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight < 24")


def until_at_end(page):
    # A log that has not been read yet is at its end, too.
    log_in(page).locator(".logline").first.wait_for()
    wait_for("the log to be at its end", lambda: at_end(page))


def scroll_to(page, top):
    log_in(page).evaluate("(e, top) => { e.scrollTop = top; }", top)


@pytest.fixture(params=PLACES)
def open_log(open_page, request):
    return lambda board: open_page(request.param.format(board))


@pytest.mark.parametrize("look", LOOKS)
def test_the_log_is_accessible_in_each_look(open_page, rack, shoot, accessible, look):
    page = open_page("log?device=board-001", look=look)
    expect(log_in(page)).to_contain_text("entering state")
    accessible(page)
    shoot(page, f"log-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_log_page_shows_time_source_and_message_of_a_device_and_tails_it(open_log, rack):
    page = open_log("board-001")
    last = lines_of(rack, "board-001")[-1]
    line = log_in(page).locator(".logline").last
    expect(line.locator(".speaker")).to_have_text(last["source"])
    expect(line.locator(".said")).to_have_text(last["message"])
    expect(line.locator("time")).to_have_attribute("datetime", re.compile(last["timestamp"][:19]))
    until_at_end(page)
    say(rack, "board-001", "kernel: it lives")
    expect(log_in(page).locator(".logline").last).to_contain_text("kernel: it lives")
    until_at_end(page)


def test_log_page_shows_all_of_a_request_and_tails_it(open_page, rack):
    number = rack.request("board-002")
    try:
        page = open_page(f"log?request={number}")
        expect(page.locator("main h1")).to_have_text(f"Log of request #{number}")
        wait_for("the request to be ready", lambda: rack.call(f"request/{number}/status")["state"] == "ready")
        lines = rack.call(f"request/{number}/log")["log"]
        expect(log_in(page).locator(".logline")).to_have_count(len(lines))
        for line in lines:
            expect(log_in(page)).to_contain_text(line["message"])
        page.get_by_role("searchbox").fill("finding")
        expect(page.get_by_text("1 line found")).to_be_visible()
        page.get_by_role("searchbox").fill("")
        expect(log_in(page).locator(".logline")).to_have_count(len(lines))
    finally:
        rack.call(f"request/{number}/return", {})
    # It is said of the return, too.
    expect(log_in(page)).to_contain_text(rack.call(f"request/{number}/log")["log"][-1]["message"])
    page.get_by_role("link", name=f"#{number}").click()
    expect(page).to_have_url(re.compile(f"/ui/requests/{number}$"))


def test_markup_from_a_board_stays_text(open_log, rack):
    page = open_log("board-003")
    say(rack, "board-003", f"evil: {HOSTILE}")
    is_text(page, log_in(page), HOSTILE)
    # Also where it is searched for, which splits it.
    page.get_by_role("searchbox").fill("<script>")
    expect(log_in(page).locator("mark").first).to_have_text("<script>")
    is_text(page, log_in(page), HOSTILE)
    page.reload()
    is_text(page, log_in(page), HOSTILE)


def test_what_is_hidden_in_a_line_is_shown(open_page, rack):
    # As the store has it: what it does not clean away must be seen here.
    page = open_page("log?device=board-004")
    page.route(re.compile(r"/log/\?limit="), lambda route: route.fulfill(json={
        "log": [{"id": 1, "timestamp": "2026-01-01T00:00:00.000000", "source": "syslog", "message": "\x1b[31mred\x07 \u202egnorw \u200bnone"}],
        "before": "0-0", "after": "0-0", "more": False}))
    page.reload()
    expect(log_in(page)).to_contain_text("␛[31mred␇ ⟨202E⟩gnorw ⟨200B⟩none")


def test_search_finds_lines_in_all_of_the_log_whatever_their_case(open_log, rack):
    say(rack, "board-005", "Needle in the stack", "hay", "another NEEDLE")
    page = open_log("board-005")
    page.keyboard.press("/")
    page.get_by_role("searchbox", name="Search this log").fill("needle")
    expect(page.get_by_text(re.compile(r"^\d+ lines found$"))).to_be_visible()
    lines = [line["message"] for line in lines_of(rack, "board-005", q="needle")]
    expect(log_in(page).locator(".logline .said")).to_have_text(lines)
    expect(log_in(page).locator("mark").first).to_have_text("Needle")
    # New lines come searched, too.
    say(rack, "board-005", "more hay")
    say(rack, "board-005", "a third needle")
    expect(log_in(page).locator(".logline .said")).to_have_text([*lines, "a third needle"])
    page.get_by_role("searchbox").fill("there is none")
    expect(page.get_by_text("No line has “there is none” in it.")).to_be_visible()


def test_a_search_stands_in_the_address(open_page, rack):
    page = open_page("log?device=board-001&q=entering")
    expect(page.get_by_role("searchbox")).to_have_value("entering")
    page.get_by_role("searchbox").fill("ready")
    expect(page).to_have_url(re.compile("device=board-001&q=ready$"))


def fill_log(rack, board, count):
    """So many lines, in datagrams that come one after the other."""
    for at in range(0, count, 100):
        say(rack, board, *[f"line {n:05}" for n in range(at, min(at + 100, count))])


def test_a_long_log_begins_at_its_end_and_older_lines_are_had_in_pages(open_log, rack):
    if not lines_of(rack, "board-006", q="line 01249"):
        fill_log(rack, "board-006", 1250)
    page = open_log("board-006")
    expect(log_in(page).locator(".logline")).to_have_count(1000)
    until_at_end(page)
    before = log_in(page).locator(".logline").first.locator(".said").text_content()
    page.get_by_role("button", name="Older lines").click()
    lines = len(lines_of(rack, "board-006"))
    expect(log_in(page).locator(".logline")).to_have_count(lines)
    shown = log_in(page).locator(".logline .said").all_text_contents()
    assert shown == [line["message"] for line in lines_of(rack, "board-006")]
    # What was looked at has not moved away.
    assert before in shown
    expect(page.get_by_role("button", name="Older lines")).to_be_hidden()


def test_who_has_scrolled_up_is_not_moved_and_told_what_is_new(open_log, rack):
    if not lines_of(rack, "board-006", q="line 01249"):
        fill_log(rack, "board-006", 1250)
    page = open_log("board-006")
    until_at_end(page)
    scroll_to(page, 200)
    end = page.get_by_role("button", name="To the end ↓")
    end.click()
    until_at_end(page)
    expect(end).to_be_hidden()
    scroll_to(page, 200)
    expect(end).to_be_visible()
    say(rack, "board-006", "something new")
    expect(page.get_by_role("button", name="1 new ↓")).to_be_visible()
    assert log_in(page).evaluate("e => e.scrollTop") == 200
    page.get_by_role("button", name="1 new ↓").click()
    until_at_end(page)
    expect(log_in(page).locator(".logline").last).to_contain_text("something new")


def test_a_log_that_grows_holds_a_bounded_number_of_lines(open_page, rack):
    page = open_page("log?device=board-002")
    until_at_end(page)
    # The page's own bound is thousands; a stream of that length is made up here, the rest is the page's.
    page.add_init_script("""
      const Real = EventSource;
      window.EventSource = class extends EventTarget {
        constructor(address) {
          super();
          if (!address.includes("/log/")) return new Real(address);
          window.flood = (from, to) => {
            for (let n = from; n < to; n++) {
              const data = JSON.stringify({ id: n, timestamp: "2026-01-01T00:00:00.000000", source: "syslog", message: `flood ${n}` });
              this.dispatchEvent(new MessageEvent("line", { data, lastEventId: `${Math.floor(n / 100)}-0` }));
            }
          };
        }
        close() {}
      };
    """)
    page.reload()
    until_at_end(page)
    for at in range(0, 9000, 1500):
        page.evaluate("([from, to]) => flood(from, to)", [at, at + 1500])
        expect(log_in(page).locator(".logline").last).to_contain_text(f"flood {at + 1499}")
    assert 5000 <= log_in(page).locator(".logline").count() <= 6000
    until_at_end(page)
    # The oldest that are left are led on from by a place.
    with page.expect_request(re.compile(r"before=\d+-0")):
        page.get_by_role("button", name="Older lines").click()


def test_a_log_is_copied_and_downloaded(open_log, rack):
    page = open_log("board-001")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(log_in(page)).to_contain_text("entering state")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    first = lines_of(rack, "board-001")[0]
    assert f"{first['timestamp']}Z {first['source']} {first['message']}\n" in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename == "board-001.log"
    lines = started.value.path().read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [line["message"] for line in lines_of(rack, "board-001")]


def test_a_log_that_cannot_be_read_says_why_and_an_address_without_one_asks_whose(open_page):
    page = open_page("log?device=no-such-board")
    expect(page.get_by_text("The log cannot be read: ")).to_contain_text("no-such-board")
    page = open_page("log")
    expect(page.get_by_text("Whose?")).to_be_visible()


#: Counts the streams that a page holds, and lets it be hidden.
STREAMS = """
  window.streams = new Set();
  const Real = EventSource;
  window.EventSource = class extends Real {
    constructor(address) { super(address); streams.add(this); }
    close() { super.close(); streams.delete(this); }
  };
  window.hide = (on) => {
    Object.defineProperty(document, "hidden", { value: on, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
"""


def test_a_page_that_nobody_sees_leaves_its_connections_to_others(open_page, rack):
    page = open_page("log?device=board-001")
    page.clock.install()
    page.add_init_script(STREAMS)
    page.reload()
    expect(log_in(page)).to_contain_text("entering state")
    wait_for("both streams", lambda: page.evaluate("streams.size") == 2)
    page.evaluate("hide(true)")
    page.clock.fast_forward(11_000)
    assert page.evaluate("streams.size") == 0
    say(rack, "board-001", "said while nobody looked")
    page.evaluate("hide(false)")
    expect(log_in(page).locator(".logline").last).to_contain_text("said while nobody looked")
    page.clock.fast_forward(1000)
    wait_for("both streams", lambda: page.evaluate("streams.size") == 2)
    expect(page.get_by_text("Connection lost")).to_be_hidden()
