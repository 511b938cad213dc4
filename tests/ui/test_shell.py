"""What surrounds every page: ways, keys, colours, the notice of a lost connection."""

import pytest
from playwright.sync_api import expect

PAGES = ["Overview", "Rack", "Devices", "Requests", "Repair", "Reports", "Admin"]


def test_the_root_leads_to_the_page_and_every_way_to_its_own(open_page):
    page = open_page()
    expect(page).to_have_title("Overview · Mozpool")
    for title in PAGES:
        page.get_by_role("navigation").get_by_role("link", name=title).click()
        expect(page.locator("main h1")).to_have_text(title)
        expect(page.locator("nav [aria-current=page]")).to_contain_text(title)
    page.go_back()
    expect(page.locator("main h1")).to_have_text("Repair")


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


def test_an_address_that_means_nothing_says_so(open_page):
    page = open_page("no/such/page")
    expect(page.locator("main h1")).to_have_text("There is no such page.")


@pytest.mark.parametrize("path", ["-/x/index.html", "-/x/../../etc/passwd", "-/x/core/none.js", "-/"])
def test_files_that_are_not_the_pages_are_not_there(rack, path):
    import http.client

    connection = http.client.HTTPConnection(rack.url.removeprefix("http://"), timeout=30)
    connection.request("GET", f"/ui/{path}")
    assert connection.getresponse().status == 404
