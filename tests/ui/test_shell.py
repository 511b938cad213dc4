"""What surrounds every page: ways, keys, colours, the notice of a lost connection."""

import re

import pytest
from playwright.sync_api import expect
from server import Server

PAGES = ["Overview", "Rack", "Devices", "Requests", "Repair", "Reports", "Admin"]


def test_the_root_leads_to_the_page_and_every_way_to_its_own(open_page):
    page = open_page()
    expect(page).to_have_title("Overview · Mozpool")
    for title in PAGES:
        page.get_by_role("navigation").get_by_role("link", name=title).click()
        expect(page.locator("main h1")).to_have_text(title)
        expect(page.locator("header nav [aria-current=page]")).to_contain_text(title)
    page.go_back()
    expect(page.locator("main h1")).to_have_text(PAGES[-2])

def test_a_dialog_goes_with_its_page(open_page):
    page = open_page()
    page.get_by_role("navigation").get_by_role("link", name="Requests").click()
    expect(page.locator("main h1")).to_have_text("Requests")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.locator("main h1")).to_have_text("Overview")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_way_to_the_page_keeps_what_is_written(open_page):
    page = open_page("devices")
    page.get_by_role("searchbox").fill("panda")
    page.evaluate("document.querySelector('main h1').dataset.same = 'yes'")
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("main h1")).to_have_attribute("data-same", "yes")
    expect(page.get_by_role("searchbox")).to_have_value("panda")


def test_an_address_cut_off_within_an_escape_is_no_page(open_page):
    page = open_page()
    page.evaluate("history.pushState(null, '', '/ui/devices/board-%E0'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator("main h1")).to_have_text("There is no such page.")


def test_keys_lead_to_pages(open_page):
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.locator("main h1")).to_have_text("Devices")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("go to Repair")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_colours_follow_the_system_until_they_are_chosen(open_page):
    page = open_page(look="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Colours: auto").click()
    assert page.evaluate(ground) != dark
    page.reload()
    page.get_by_role("button", name="Colours: light").click()
    assert page.evaluate(ground) == dark


def test_a_lost_connection_shows_and_heals_by_itself(open_page):
    page = open_page()
    expect(page.get_by_text("Connection lost")).to_have_count(0)
    page.context.set_offline(True)
    expect(page.get_by_text("Connection lost")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Connection lost")).to_have_count(0)


@pytest.fixture
def server():
    """A daemon of this test's own, with one device that nothing touches."""
    with Server() as server:
        server.call("device/shelf-1", {"fqdn": "127.0.0.201", "state": "locked_out"}, "PUT")
        yield server


def connection(page):
    return page.get_by_role("status").filter(has_text="Connection lost")


def out_of_service(page, count):
    expect(page.get_by_role("link", name=re.compile("^out of service"))).to_contain_text(str(count))


def test_a_server_that_ends_and_comes_back_is_found_again_with_all_that_has_changed(open_page, server):
    page = open_page(server=server)
    out_of_service(page, 1)
    server.stop()
    expect(connection(page)).to_contain_text("What you see is as it was")
    server.start()
    expect(connection(page)).to_have_count(0)
    # The stream is there again, not only the list.
    server.call("device/shelf-2", {"fqdn": "127.0.0.202", "state": "locked_out"}, "PUT")
    out_of_service(page, 2)


def test_a_server_that_hangs_is_noticed_and_found_again(open_page, server):
    page = open_page(server=server)
    out_of_service(page, 1)
    page.clock.install()
    page.reload()
    out_of_service(page, 1)
    server.pause()
    # The time until it is asked whether it lives is not waited for; that for its answer is.
    page.clock.fast_forward(16_000)
    expect(connection(page)).to_contain_text("the server has not answered in time")
    server.go_on()
    page.clock.fast_forward(30_000)
    expect(connection(page)).to_have_count(0)
    server.call("device/shelf-1", None, "DELETE")
    out_of_service(page, 0)


def test_a_server_that_refuses_the_stream_is_no_connection(open_page, server):
    page = open_page(server=server)
    out_of_service(page, 1)
    page.route("**/api/events/?stream=1*", lambda route: route.fulfill(status=503, json={"error": {"code": "busy", "message": "too many"}}))
    page.reload()
    expect(connection(page)).to_be_visible()
    # It does not come and go with each attempt.
    page.evaluate("""() => {
      window.gone = 0;
      const place = document.querySelector(".connection");
      new MutationObserver(() => { if (place.hidden) gone++; }).observe(place, {attributes: true});
    }""")
    with page.expect_response("**/api/device/list/?details=1"):
        pass
    with page.expect_response("**/api/device/list/?details=1"):
        pass
    assert page.evaluate("gone") == 0
    page.unroute("**/api/events/?stream=1*")
    expect(connection(page)).to_have_count(0)


def test_a_server_that_has_another_version_after_a_restart_asks_for_a_reload(open_page, server):
    page = open_page(server=server)
    out_of_service(page, 1)
    server.stop()
    expect(connection(page)).to_be_visible()
    page.route("**/api/version/", lambda route: route.fulfill(json={"version": "99.1"}))
    server.start()
    notice = page.get_by_role("status").filter(has_text="The server runs version 99.1 now.")
    expect(notice).to_be_visible()
    with page.expect_navigation():
        notice.get_by_role("button", name="Reload the page").click()
    expect(page.locator("main h1")).to_be_visible()
    expect(notice).to_have_count(0)


def test_without_a_server_the_page_says_so_and_begins_when_there_is_one(open_page, server):
    page = open_page(server=server)
    page.route("**/api/**", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("status").filter(has_text="No connection")).to_contain_text("the server does not answer")
    page.unroute("**/api/**")
    expect(page.get_by_role("status").filter(has_text="No connection")).to_have_count(0)
    out_of_service(page, 1)


def test_the_first_stop_of_the_tab_key_leads_past_the_bar(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_page_that_is_gone_to_has_the_focus(open_page):
    page = open_page()
    page.get_by_role("navigation").get_by_role("link", name="Repair").click()
    expect(page.locator("main h1")).to_have_text("Repair")
    expect(page.locator("main")).to_be_focused()


def test_the_list_of_keys_keeps_the_keyboard_and_gives_the_focus_back(open_page):
    page = open_page()
    keys = page.get_by_role("button", name="Keys")
    keys.click()
    dialog = page.get_by_role("dialog")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))")
    dialog.get_by_role("button", name="Close").click()
    expect(keys).to_be_focused()


def test_keys_are_letters_where_somebody_writes(open_page):
    page = open_page("rack")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gd?n")
    expect(page.get_by_role("searchbox")).to_have_value("gd?n")
    expect(page.locator("main h1")).to_have_text("Rack")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_bar_counts_what_has_failed(open_page, rack):
    page = open_page("devices")
    repair = page.get_by_role("navigation").get_by_role("link", name="Repair")
    rack.put_into("board-001", "failed_self_test")
    try:
        expect(repair).to_contain_text("1")
    finally:
        rack.put_into("board-001", "ready")
    expect(repair.locator(".count")).to_be_hidden()


def test_an_address_that_means_nothing_says_so(open_page):
    page = open_page("no/such/page")
    expect(page.locator("main h1")).to_have_text("There is no such page.")


@pytest.mark.parametrize("path", ["-/x/index.html", "-/x/../../etc/passwd", "-/x/core/none.js", "-/"])
def test_files_that_are_not_the_pages_are_not_there(rack, path):
    import http.client

    connection = http.client.HTTPConnection(rack.url.removeprefix("http://"), timeout=30)
    connection.request("GET", f"/ui/{path}")
    assert connection.getresponse().status == 404
