"""Asking for a board by the form."""

import json
import re

import pytest
from playwright.sync_api import expect

EVIL = "<b>who</b>"


@pytest.fixture(autouse=True)
def returned(rack):
    """What a test asked for is given back."""
    yield
    for request in rack.call("request/list")["requests"]:
        rack.call(f"request/{request['id']}/return", {})


@pytest.fixture(scope="module")
def keyed(rack):
    """An image that wants to be told two things, one of them a number."""
    image = {"boot_config_keys": ["url", "size"], "boot_config_defaults": {"size": 1048576}, "second_stage": "write-image.sh", "check": "none",
             "pxe": {"emulated board": "image"}}
    rack.call("image/keyed", image, method="PUT")
    yield "keyed"


def last(rack):
    """The request that was made last, with all about it."""
    number = max(request["id"] for request in rack.call("request/list?include_closed=1")["requests"])
    return rack.call(f"request/{number}/details")


def send(page):
    page.get_by_role("button", name="Request", exact=True).click()


def boards(page):
    return page.get_by_role("region", name="Boards that fit")


def test_new_request_gets_a_board_and_leads_to_its_page(rack, open_page):
    page = open_page("requests/new")
    page.get_by_label("Image").select_option("demo")
    page.get_by_label("Device", exact=True).fill("any")
    page.get_by_label("Environment").fill("any")
    page.get_by_label("Assignee").fill("ann@example.com")
    page.get_by_label("Duration").fill("1h30m")
    page.get_by_label("Reason").fill(EVIL)
    send(page)
    expect(page.locator("main h1")).to_have_text(re.compile(r"Request \d+"))
    made = last(rack)
    assert page.locator("main h1").inner_text() == f"Request {made['id']}"
    assert (made["assignee"], made["image"], made["requested_device"], made["environment"], made["reason"]) == ("ann@example.com", "demo", "any", "any", EVIL)
    expect(page.get_by_text(EVIL)).to_be_visible()
    # 5,400 seconds from the making.
    expect(page.locator("dd").filter(has_text=re.compile(r"^1 h 29 min$"))).to_be_visible()
    # Who asked is remembered.
    page = page.context.new_page()
    page.goto(f"{rack.url}/ui/requests/new")
    expect(page.get_by_label("Assignee")).to_have_value("ann@example.com")
    expect(page.get_by_label("Duration")).to_have_value("1h30m")


def test_new_request_for_a_named_device_with_all_wishes(rack, open_page):
    rack.call("device/board-006", {"tags": ["camera", "wifi"], "hardware_model": ""}, method="PUT")
    page = open_page("requests/new?device=board-006")
    page.get_by_label("Assignee").fill("ann")
    page.get_by_text("More wishes").click()
    page.get_by_label("Hardware type").fill("emulated board, other")
    page.get_by_label("Hardware model").fill("B")
    expect(boards(page)).to_contain_text("0 of 6 boards fit")
    page.get_by_label("Hardware model").fill("")
    page.get_by_label("Processor").fill("emulated")
    page.get_by_label("Tags").fill("camera, wifi|ethernet")
    page.get_by_label("Wait for a board at most").fill("10m")
    expect(boards(page)).to_contain_text("1 of 6 boards fits; 1 of them is free now.")
    send(page)
    expect(page.locator("main h1")).to_have_text(re.compile(r"Request \d+"))
    made = last(rack)
    assert made["requested_device"] == made["assigned_device"] == "board-006"
    assert made["hardware_type"] == ["emulated board", "other"] and made["processor"] == "emulated"
    assert made["tags"] == ["camera", ["wifi", "ethernet"]]
    assert made["queue_until"] is not None
    rack.call("device/board-006", {"tags": None}, method="PUT")


def test_the_images_keys_are_fields_with_their_defaults(rack, keyed, open_page):
    page = open_page("requests/new")
    page.get_by_label("Assignee").fill("ann")
    expect(page.get_by_label("url")).to_have_count(0)
    page.get_by_label("Image").select_option(keyed)
    expect(page.get_by_label("size")).to_have_value("1048576")
    # What was typed stays when the image changes.
    expect(page.get_by_label("Assignee")).to_have_value("ann")
    page.get_by_label("url").fill("/files/x.img")
    page.get_by_label("size").fill("many")
    send(page)
    expect(page.get_by_text("this is not JSON")).to_be_visible()
    page.get_by_label("size").fill("7")
    send(page)
    expect(page.locator("main h1")).to_have_text(re.compile(r"Request \d+"))
    assert json.loads(last(rack)["boot_config"]) == {"url": "/files/x.img", "size": 7}
    page = open_page("requests/new?image=demo")
    expect(page.get_by_label("size")).to_have_count(0)


def test_it_says_before_it_is_sent_how_many_boards_fit(rack, open_page):
    page = open_page("requests/new")
    expect(boards(page)).to_contain_text("6 of 6 boards fit; 6 of them are free now.")
    page.get_by_label("Environment").fill("nowhere")
    expect(boards(page)).to_contain_text("0 of 6 boards fit; none of them is free now. The request would fail.")
    expect(boards(page)).to_contain_text("6 do not fit: 6 of another environment.")
    page.get_by_label("Environment").fill("demo, nowhere")
    expect(boards(page)).to_contain_text("6 of 6 boards fit")
    # Live: a board that is taken is not free any more.
    rack.put_into("board-001", "locked_out")
    expect(boards(page)).to_contain_text("6 of 6 boards fit; 5 of them are free now.")
    expect(boards(page)).to_contain_text("1 out of service")
    rack.put_into("board-001", "ready")
    expect(boards(page)).to_contain_text("6 of them are free now.")


def test_what_is_wrong_stands_beside_its_field(rack, open_page):
    page = open_page("requests/new")
    before = len(rack.call("request/list?include_closed=1")["requests"])
    wrong = lambda label: page.locator(f"#{page.get_by_label(label, exact=True).get_attribute('id')}-wrong")  # noqa: E731
    page.get_by_label("Duration").fill("soon")
    send(page)
    expect(wrong("Assignee")).to_have_text("Assignee: this is needed")
    expect(wrong("Duration")).to_contain_text("write seconds, or such as")
    expect(page.get_by_label("Assignee")).to_be_focused()
    page.get_by_label("Assignee").fill("ann")
    page.get_by_label("Duration").fill("900d")
    send(page)
    # In the words of the API.
    expect(wrong("Duration")).to_contain_text("duration is 77760000; it should be 1 to")
    page.get_by_label("Duration").fill("1h")
    page.get_by_label("Device", exact=True).fill("nobody")
    send(page)
    expect(wrong("Device")).to_contain_text("nobody")
    page.get_by_label("Device", exact=True).fill("any")
    page.get_by_label("Assignee").fill("a" * 2000)
    send(page)
    expect(wrong("Assignee")).to_contain_text("too long")
    page.get_by_text("More wishes").click()
    page.get_by_label("Assignee").fill("ann")
    page.get_by_label("Wait for a board at most").fill("x")
    page.get_by_text("More wishes").click()
    send(page)
    # What is folded away unfolds when it is wrong.
    expect(wrong("Wait for a board at most")).to_be_visible()
    assert len(rack.call("request/list?include_closed=1")["requests"]) == before


def test_a_device_that_another_request_holds_is_told_beside_its_name(rack, open_page):
    rack.request("board-002")
    rack.until_state("board-002", "ready")
    page = open_page("requests/new?device=board-002")
    page.get_by_label("Assignee").fill("ann")
    send(page)
    expect(page.get_by_text("board-002 is another request's now.")).to_be_visible()


def test_a_hidden_image_may_be_asked_for_by_its_name(rack, open_page):
    page = open_page("requests/new?image=maintenance")
    expect(page.get_by_label("Image")).to_have_value("maintenance")


def test_enter_sends_the_form(rack, open_page):
    page = open_page("requests/new")
    page.get_by_label("Assignee").fill("ann")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text(re.compile(r"Request \d+"))


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_is_accessible_and_fits(keyed, open_page, accessible, shoot, look):
    page = open_page("requests/new?image=keyed", look=look)
    expect(page.get_by_label("url")).to_be_visible()
    page.get_by_text("More wishes").click()
    send(page)
    accessible(page)
    shoot(page, f"request-new-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
