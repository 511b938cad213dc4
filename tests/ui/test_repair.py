"""The repair list: what has failed, where it is and why, and the way back; what is out of service, and why."""

import pytest
from playwright.sync_api import expect
from rack import wait_for

BOARD = "board-001"
NASTY = "<img src=x onerror=window.stolen=1>"


@pytest.fixture(autouse=True)
def as_it_was(rack):
    """Leaves all boards free and without comments."""
    yield
    for device in rack.devices():
        if device["comments"]:
            rack.call(f"device/{device['name']}/set-comments", {"comments": ""})
        if device["state"] != "ready":
            rack.put_into(device["name"], "ready")


def item(page, name=BOARD):
    return page.get_by_role("article", name=name)


def section(page, title):
    return page.get_by_role("region", name=title)


def log_of(rack, name):
    return "\n".join(line["message"] for line in rack.call(f"device/{name}/log?limit=60")["log"])


def test_nothing_to_repair_says_so(open_page):
    page = open_page("repair")
    expect(page.get_by_text("Nothing has failed.")).to_be_visible()
    expect(page.get_by_text("Nothing is out of service.")).to_be_visible()


def test_a_failed_board_comes_with_place_cause_and_last_words(open_page, rack):
    page = open_page("repair")
    rack.put_into(BOARD, "failed_self_test")
    one = item(page)
    expect(section(page, "Failed").get_by_role("heading", name="relay-1")).to_be_visible()
    expect(one).to_contain_text("relay-1, bank 1, relay 1")
    expect(one).to_contain_text("failed: self test")
    row = next(row for row in rack.call("repair/list")["devices"] if row["name"] == BOARD)
    expect(one).to_contain_text(row["cause"], ignore_case=True)
    expect(one).to_contain_text(row["last_log"][-1]["message"])
    expect(one).not_to_contain_text(row["last_log"][0]["message"])
    one.get_by_role("button", name="lines before").click()
    expect(one).to_contain_text(row["last_log"][0]["message"])
    rack.put_into(BOARD, "ready")
    expect(one).to_have_count(0)


def test_what_failed_is_in_the_order_of_the_rack(open_page, rack):
    for name in ("board-004", "board-003", "board-001", "board-002"):
        rack.put_into(name, "failed_pxe_booting")
    page = open_page("repair")
    expect(section(page, "Failed").get_by_role("article").get_by_role("heading")).to_have_text(["board-001", "board-003", "board-002", "board-004"])


def test_the_way_to_device_timeline_and_log(open_page, rack):
    rack.put_into(BOARD, "failed_self_test")
    page = open_page("repair")
    assert item(page).get_by_role("link", name="Timeline").get_attribute("href") == f"/ui/devices/{BOARD}#timeline"
    with page.context.expect_page() as opened:
        item(page).get_by_role("link", name="log").click()
    opened.value.wait_for_url(f"**/ui/log?device={BOARD}")
    item(page).get_by_role("link", name="Timeline").click()
    page.wait_for_url(f"**/ui/devices/{BOARD}#timeline")
    page.go_back()
    item(page).get_by_role("link", name=BOARD).click()
    page.wait_for_url(f"**/ui/devices/{BOARD}")


def test_a_comment_is_edited_in_place(open_page, rack):
    rack.put_into(BOARD, "failed_self_test")
    page = open_page("repair")
    comment = item(page).get_by_label("Comment")
    comment.fill(NASTY)
    comment.press("Enter")
    expect(item(page).get_by_text("saved", exact=True)).to_be_visible()
    assert rack.device(BOARD)["comments"] == NASTY
    assert page.evaluate("window.stolen") is None
    comment.fill("something else")
    comment.press("Escape")
    expect(comment).to_have_value(NASTY)
    # What somebody else writes comes in, but not into what is being typed.
    rack.call(f"device/{BOARD}/set-comments", {"comments": "new card"})
    expect(comment).to_have_value("new card")
    comment.fill("my own te")
    rack.call(f"device/{BOARD}/set-comments", {"comments": "from elsewhere"})
    rack.put_into("board-002", "failed_self_test")
    expect(item(page, "board-002")).to_be_visible()
    expect(comment).to_have_value("my own te")
    comment.press("Escape")
    expect(comment).to_have_value("from elsewhere")


def test_fixed_test_it_sends_a_board_through_its_self_test(open_page, rack):
    rack.put_into(BOARD, "failed_self_test")
    page = open_page("repair")
    item(page).get_by_role("button", name="Fixed: test it").click()
    tested = section(page, "Sent through their test from here")
    expect(tested.get_by_role("article", name=BOARD)).to_be_visible()
    rack.until_state(BOARD, "ready")
    assert "start_self_test" in log_of(rack, BOARD)
    expect(tested).to_contain_text("It works again.")
    tested.get_by_role("button", name="Clear those that work").click()
    expect(tested).to_be_hidden()


def test_several_are_selected_commented_and_tested_at_once(open_page, rack):
    names = ["board-001", "board-003", "board-005"]
    for name in names:
        rack.put_into(name, "failed_pxe_booting")
    page = open_page("repair")
    bar = page.get_by_role("toolbar", name="Actions on the selected boards")
    page.get_by_role("checkbox", name="Select all of relay-1 (failed)").check()
    expect(bar).to_contain_text("3 boards")
    bar.get_by_role("button", name="Clear selection").click()
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="Select board-001").check()
    page.get_by_role("checkbox", name="Select board-005").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 boards")
    bar.get_by_role("button", name="Comment…").click()
    page.get_by_role("dialog").get_by_label("Comment").fill("new power supply")
    page.get_by_role("dialog").get_by_role("button", name="Set comment").click()
    wait_for("the comments", lambda: all(rack.device(name)["comments"] == "new power supply" for name in names))
    page.get_by_role("checkbox", name="Select all of relay-1 (failed)").check()
    bar.get_by_role("button", name="Fixed: test them").click()
    expect(page.get_by_role("dialog")).to_contain_text(", ".join(names))
    page.get_by_role("dialog").get_by_role("button", name="Self-test").click()
    for name in names:
        rack.until_state(name, "ready")
        assert "start_self_test" in log_of(rack, name)


def test_what_is_out_of_service_says_why_and_is_put_back(open_page, rack):
    rack.call(f"device/{BOARD}/event/please_offline", {})
    rack.call(f"device/{BOARD}/set-comments", {"comments": "ann: waits for a fan"})
    rack.put_into("board-002", "troubleshooting")
    page = open_page("repair?show=out")
    out = section(page, "Out of service")
    expect(out).to_be_in_viewport()
    expect(out.get_by_role("article", name=BOARD)).to_contain_text("Somebody locked it out")
    expect(item(page).get_by_label("Comment")).to_have_value("ann: waits for a fan")
    item(page).get_by_role("button", name="Put back").click()
    rack.until_state(BOARD, "ready")
    item(page, "board-002").get_by_role("button", name="Put back: test it").click()
    rack.until_state("board-002", "ready")
    for name in (BOARD, "board-002"):
        assert "start_self_test" in log_of(rack, name)
    # Several at once, each by the way that its state has.
    rack.call(f"device/{BOARD}/event/please_offline", {})
    rack.put_into("board-003", "troubleshooting")
    page.get_by_role("checkbox", name="Select all of relay-1 (out of service)").check()
    page.get_by_role("toolbar").get_by_role("button", name="Fixed: test them").click()
    for name in (BOARD, "board-003"):
        rack.until_state(name, "ready")


def test_of_very_many_the_first_are_shown_and_more_on_demand(open_page, rack):
    names = [f"shelf-{n:03}" for n in range(70)]
    rack.call("lab/import", {"device": [{"name": name, "fqdn": f"10.9.1.{n}", "state": "locked_out"} for n, name in enumerate(names)]})
    page = open_page("repair")
    try:
        expect(page.get_by_role("article")).to_have_count(60)
        page.get_by_role("button", name="Show more: 60 of 70 are shown").click()
        expect(page.get_by_role("article")).to_have_count(70)
    finally:
        for name in names:
            rack.call(f"device/{name}", None, "DELETE")
    expect(page.get_by_role("article")).to_have_count(0)


def test_it_is_filtered(open_page, rack):
    rack.put_into(BOARD, "failed_self_test")
    rack.put_into("board-002", "failed_pxe_booting")
    page = open_page("repair?state=failed_self_test")
    articles = page.get_by_role("article")
    expect(articles).to_have_count(1)
    page.get_by_role("combobox", name="State").select_option("")
    expect(articles).to_have_count(2)
    page.get_by_role("searchbox").fill("relay-2")
    expect(articles).to_have_count(1)
    expect(item(page, "board-002")).to_be_visible()
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("Nothing of it fits what is searched for.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("combobox", name="Environment").select_option("demo")
    expect(articles).to_have_count(2)


def test_on_paper_there_are_no_buttons_and_all_words(open_page, rack, shoot):
    rack.put_into(BOARD, "failed_self_test")
    page = open_page("repair")
    page.evaluate("window.print = () => { window.printed = true; }")
    page.get_by_role("button", name="Print").click()
    page.wait_for_function("window.printed")
    page.emulate_media(media="print")
    expect(item(page).get_by_role("button", name="Fixed: test it")).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(item(page)).to_contain_text("relay-1, bank 1, relay 1")
    expect(item(page)).to_contain_text("device has failed")
    shoot(page, "repair-print")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_well_and_is_accessible(open_page, rack, shoot, accessible, look):
    rack.put_into(BOARD, "failed_self_test")
    rack.put_into("board-002", "failed_power_cycling")
    rack.call("device/board-006/event/please_offline", {})
    page = open_page("repair", look=look)
    expect(item(page).get_by_text("Last words")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(3)
    page.get_by_role("checkbox", name=f"Select {BOARD}").check()
    accessible(page)
    shoot(page, f"repair-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
