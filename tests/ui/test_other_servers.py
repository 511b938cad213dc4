"""Two imaging servers behind one page: what belongs to the other one is done there, with and without a login."""

import pytest
from playwright.sync_api import expect
from server import Server

SECRET = "a secret of this pool's own"


@pytest.fixture(scope="module")
def pool():
    """Two servers on one store; `shelf-2` is the second one's."""
    with Server("s1", secret=SECRET) as first, Server("s2", secret=SECRET, beside=first) as second:
        second.call("device/shelf-2", {"fqdn": "127.0.0.202", "state": "locked_out", "imaging_server": "s2"}, "PUT")
        first.token = second.token = first.call("token", {"name": "ann", "role": "admin"})["token"]
        yield first, second


def comment(page, text):
    page.get_by_role("button", name="Edit comment").click()
    page.get_by_label("comment", exact=True).fill(text)
    page.get_by_role("button", name="Save").click()


@pytest.mark.parametrize("mode", ["open", "token"])
def test_what_is_anothers_is_done_there(open_page, pool, mode):
    first, second = pool
    for server in pool:
        server.stop()
        server.mode = mode
        server.start()
    page = open_page("devices/shelf-2", server=first)
    if mode == "token":
        page.get_by_label("Token", exact=True).fill(first.token)
        page.locator("main").get_by_role("button", name="Log in").click()
        expect(page.locator("main h1")).to_contain_text("shelf-2")
    comment(page, f"by way of s1, {mode}")
    expect(page.get_by_role("button", name="Edit comment")).to_be_focused()
    assert second.device("shelf-2")["comments"] == f"by way of s1, {mode}"
    # A call without a body, and one that the other refuses.
    page.get_by_role("button", name="Ping", exact=True).last.click()
    expect(page.locator(".question", has_text="Ping").get_by_role("status")).to_contain_text("answer")
