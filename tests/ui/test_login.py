"""A server that asks who calls: logging in and out, what a role may not do, tokens, and the audit log."""

import re

import pytest
from playwright.sync_api import expect
from rack import Refused
from server import Server

ROLES = {"ann": "admin", "olga": "operator", "rita": "requester", "vera": "viewer", "leo": "operator"}


@pytest.fixture(scope="module")
def guarded():
    """A server with a device that nothing touches, and a token for each of them."""
    with Server() as server:
        device = {"fqdn": "127.0.0.201", "state": "locked_out", "environment": "west"}
        server.call("device/shelf-1", device, "PUT")
        server.call("image/demo", {"check": "none"}, "PUT")
        server.tokens = {name: server.call("token", {"name": name, "role": role})["token"] for name, role in ROLES.items()}
        east = {"name": "eve", "role": "operator", "environments": ["east"]}
        server.tokens["eve"] = server.call("token", east)["token"]
        server.stop()
        server.mode = "token"
        server.start()
        server.token = server.tokens["ann"]
        yield server


@pytest.fixture
def as_(open_page, guarded):
    """Opens a page as somebody: `as_("vera", "devices")`."""
    def open_as(name, path="", look="light"):
        page = open_page(path, look=look, server=guarded)
        log_in(page, guarded.tokens[name])
        # The name is there a moment before the page is made anew.
        expect(page.locator("main h1")).not_to_have_text("Log in")
        expect(page.locator("header .name")).to_have_text(name)
        return page

    return open_as


def log_in(page, token):
    expect(page.locator("main h1")).to_have_text("Log in")
    page.get_by_label("Token", exact=True).fill(token)
    page.locator("main").get_by_role("button", name="Log in").click()


def test_who_is_not_known_logs_in_and_is_back_where_they_were(open_page, guarded):
    page = open_page("devices?q=shelf", server=guarded)
    expect(page).to_have_title("Log in · Mozpool")
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_text("mozpool token create NAME")).to_be_visible()
    expect(page.get_by_label("Token", exact=True)).to_be_focused()
    log_in(page, "mzp_" + "x" * 43)
    expect(page.get_by_role("alert")).to_contain_text("no such token")
    log_in(page, guarded.tokens["vera"])
    expect(page.locator("main h1")).to_have_text("Devices")
    assert page.url.endswith("/ui/devices?q=shelf")
    expect(page.locator("header .who")).to_contain_text("vera")
    expect(page.locator("header .who")).to_contain_text("viewer")
    # No script can read what was given for the token.
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("main h1")).to_have_text("Log in")
    page.goto(f"{guarded.url}/ui/devices")
    expect(page.locator("main h1")).to_have_text("Log in")


def test_an_address_that_was_sent_leads_to_no_other_place(as_, guarded, open_page):
    page = as_("vera", "login?next=https://evil.example/ui/devices")
    expect(page.locator("main h1")).to_have_text("Overview")
    assert page.url == f"{guarded.url}/ui/"
    page.goto(f"{guarded.url}/ui/login")
    expect(page.get_by_text("You are logged in as vera.")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("main h1")).to_have_text("Overview")


def test_whose_token_is_revoked_is_asked_again(as_, guarded):
    page = as_("leo", "devices")
    guarded.call("token/leo", method="DELETE")
    # The page may have noticed by now that its stream has ended, and shows no ways any more.
    page.locator("header nav a[href='/ui/admin']").dispatch_event("click")
    expect(page.locator("main h1")).to_have_text("Log in")
    expect(page.locator(".messages")).to_be_empty()
    log_in(page, guarded.tokens["ann"])
    expect(page.locator("main h1")).to_have_text("Admin")


def test_another_window_of_the_browser_may_log_in_anew(as_, guarded):
    page = as_("olga", "devices/shelf-1")
    # The windows share their cookies, and this one's proof is of the session before.
    assert page.context.request.post(f"{guarded.url}/api/session", data={"token": guarded.tokens["olga"]}).ok
    page.get_by_role("button", name="Edit comment").click()
    page.get_by_label("comment", exact=True).fill("by olga")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit comment")).to_be_focused()
    assert guarded.device("shelf-1")["comments"] == "by olga"


def denied(control, role):
    expect(control).to_be_disabled()
    expect(control).to_have_attribute("title", re.compile(f"^This needs the role {role}; "))


def test_a_role_sees_what_it_may_not_do_and_why(as_, guarded):
    page = as_("vera", "devices/shelf-1")
    for name in ("Please…", "Power off…", "Edit comment", "Check power"):
        denied(page.get_by_role("button", name=name), "operator")
    page.goto(f"{guarded.url}/ui/")
    denied(page.locator("main").get_by_role("link", name="New request"), "requester")
    page.goto(f"{guarded.url}/ui/requests/new")
    denied(page.locator("main").get_by_role("button", name="Request", exact=True), "requester")
    page.goto(f"{guarded.url}/ui/admin/images")
    denied(page.get_by_role("link", name="New image"), "admin")
    page.goto(f"{guarded.url}/ui/admin/tokens")
    expect(page.get_by_text("needs the role admin")).to_be_visible()
    page.goto(f"{guarded.url}/ui/admin/audit")
    expect(page.get_by_text("needs the role admin")).to_be_visible()
    page = as_("rita")
    page.locator("main").get_by_role("link", name="New request").click()
    expect(page.locator("main").get_by_role("button", name="Request", exact=True)).to_be_enabled()


def test_what_the_server_refuses_is_told_in_its_words(as_):
    page = as_("eve", "devices/shelf-1")
    expect(page.locator("header .name")).to_have_attribute("title", "eve has the role operator for east")
    page.get_by_role("button", name="Ping", exact=True).first.click()
    expect(page.get_by_role("alert")).to_contain_text("eve may work in east only")


def test_a_token_is_made_shown_once_and_revoked(as_, guarded):
    page = as_("ann", "admin/tokens")
    rows = page.locator("tr[data-key]")
    expect(rows.filter(has_text="vera")).to_contain_text("viewer")
    for head in page.locator("th[data-column] button").all():
        head.click()
        expect(page.locator("th[aria-sort]")).to_have_count(1)
    page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("ci")
    dialog.get_by_label("Role").select_option("requester")
    dialog.get_by_label("Environments").fill("west, east")
    dialog.get_by_label("Good for days").fill("soon")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_text("a whole number of days")).to_be_visible()
    dialog.get_by_label("Good for days").fill("30")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog).to_contain_text("it is not shown again")
    text = dialog.locator("code").inner_text()
    assert re.fullmatch(r"mzp_[\w-]{43}", text)
    dialog.get_by_role("button", name="Copy the token").click()
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("body")).not_to_contain_text(text)
    expect(rows.filter(has_text="ci")).to_contain_text("east, west")

    def works():
        before, guarded.token = guarded.token, text
        try:
            guarded.call("device/list")
            return True
        except Refused as refused:
            assert refused.status == 401
            return False
        finally:
            guarded.token = before

    assert works()
    # A name that is taken is told beside its field or below the form.
    page.get_by_role("button", name="New token").click()
    dialog.get_by_label("Name", exact=True).fill("ci")
    dialog.get_by_label("For a user whom a reverse proxy names: without a secret").check()
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert").filter(has_text="there is a token ci already")).to_be_visible()
    dialog.get_by_label("Name", exact=True).fill("paula")
    dialog.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("a proxy that names this user is believed")).to_be_visible()
    expect(rows.filter(has_text="paula")).to_contain_text("a proxy’s header")

    revoke = page.locator("tr[data-key='ci']").get_by_role("button", name="Revoke")
    revoke.click()
    dialog.get_by_role("button", name="Cancel").click()
    assert works()
    revoke.click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.locator("tr[data-key='ci']")).to_have_count(0)
    assert not works()


def test_the_audit_log_tells_who_did_what(as_, guarded):
    for n in range(51):
        guarded.call("device/shelf-1/set-comments", {"comments": str(n)})
    page = as_("ann", "admin/audit")
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="/api/device/shelf-1/set-comments").first).to_contain_text("ann")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Older entries").click()
    expect(page.get_by_text("That is all that is kept.")).to_be_visible()
    assert rows.count() > 51
    page.get_by_placeholder("Who").fill("nobody-at-all")
    expect(page.get_by_text("Nothing of nobody-at-all stands here.")).to_be_visible()
    page.get_by_placeholder("Who").fill("ann")
    expect(rows).to_have_count(50)
    expect(rows.filter(has_text="vera")).to_have_count(0)
    assert page.url.endswith("?q=ann")


def test_a_server_that_asks_nobody_says_so(open_page):
    page = open_page("login?next=/ui/rack")
    expect(page.get_by_text("asks nobody who they are")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("main h1")).to_have_text("Rack")
    expect(page.locator("header .who")).to_be_hidden()
    page = open_page("admin/tokens")
    expect(page.get_by_text("everybody who reaches it may do everything")).to_be_visible()
    expect(page.get_by_text("There are no tokens yet.")).to_be_visible()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_is_accessible_and_fits(as_, guarded, open_page, accessible, shoot, look):
    def look_at(page, name):
        accessible(page)
        shoot(page, f"{name}-{look}")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

    look_at(open_page("admin/tokens", look=look, server=guarded), "login")
    page = as_("ann", "admin/tokens", look)
    expect(page.locator("tr[data-key]").first).to_be_visible()
    look_at(page, "admin-tokens")
    page.goto(f"{guarded.url}/ui/admin/audit")
    expect(page.locator("tbody tr").first).to_be_visible()
    look_at(page, "admin-audit")
    page = as_("vera", "devices/shelf-1", look)
    look_at(page, "device-viewer")
