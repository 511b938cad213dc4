"""The rack: a picture of relay boards, what its cells tell, how they are selected, and what is done to them."""

import pytest
from playwright.sync_api import expect
from rack import Refused, wait_for

BOARD = "board-001"
NASTY = "<img src=x onerror=window.stolen=1><script>window.stolen=1</script>"


@pytest.fixture(autouse=True)
def as_it_was(rack):
    """Leaves all boards free, with power, without comments, in one environment."""
    yield
    for device in rack.devices():
        name = device["name"]
        if device["comments"]:
            rack.call(f"device/{name}/set-comments", {"comments": ""})
        if device["environment"] != "demo":
            rack.call(f"device/{name}/set-environment", {"environment": "demo"})
        if device["relay_info"] == "":
            continue
    for request in rack.call("request/list/")["requests"]:
        rack.call(f"request/{request['id']}/return", {})
    for device in rack.devices():
        if device["name"].startswith("board-") and device["state"] != "ready":
            rack.put_into(device["name"], "ready")


def cell(page, name=BOARD):
    return page.get_by_role("gridcell").filter(has=page.get_by_role("link", name=f"{name}:"))


def link(page, name=BOARD):
    return page.get_by_role("link", name=f"{name}:")


def pick(page, *names):
    for name in names:
        link(page, name).click(modifiers=["Control"])


def bar(page):
    return page.get_by_role("toolbar", name="Actions on the selected boards")


def agree(page, action):
    page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()


def message(page, text):
    return page.get_by_role("region", name="Messages").get_by_text(text)


def log_of(rack, name):
    return "\n".join(line["message"] for line in rack.call(f"device/{name}/log?limit=60")["log"])


def test_every_board_has_its_place_on_its_relay_board(open_page, rack):
    page = open_page("rack")
    for device in rack.devices():
        host, bank, relay = device["relay_info"].rsplit(":", 2)
        board = next(b for b in rack.call("relay/list")["relay_boards"] if b["fqdn"] == host)
        grid = page.get_by_role("grid", name=board["name"])
        row = grid.get_by_role("row").nth(int(bank.removeprefix("bank")) - 1)
        expect(row.get_by_role("gridcell").nth(int(relay.removeprefix("relay")) - 1).get_by_role("link", name=device["name"])).to_be_visible()
    expect(page.get_by_role("grid", name="relay-1").get_by_role("gridcell")).to_have_count(8)
    expect(page.get_by_text("relay 8: empty").first).to_be_attached()


def test_a_cell_follows_its_board_and_only_it_is_drawn_again(open_page, rack):
    page = open_page("rack")
    expect(link(page)).to_have_accessible_name(f"{BOARD}: free")
    page.evaluate("""() => {
      window.touched = new Set();
      new MutationObserver((all) => all.forEach((one) => touched.add(one.target.closest?.('.cell')?.dataset.name)))
        .observe(document.querySelector('.rack'), {subtree: true, attributes: true});
    }""")
    rack.call(f"device/{BOARD}/event/please_offline", {})
    expect(link(page)).to_have_accessible_name(f"{BOARD}: locked out")
    expect(page.get_by_role("list", name="Colours").get_by_role("button", name="out of service 1")).to_be_visible()
    assert page.evaluate("[...touched].filter((name) => name?.startsWith('board-'))") == [BOARD]


def test_the_card_tells_why(open_page, rack):
    number = rack.request(BOARD, assignee="somebody@example.com")
    rack.until_state(BOARD, "ready")
    rack.call(f"device/{BOARD}/set-comments", {"comments": NASTY})
    page = open_page("rack")
    link(page).hover()
    card = page.locator(".why")
    expect(card).to_contain_text(BOARD)
    expect(card).to_contain_text("in use")
    expect(card).to_contain_text(f"#{number} of somebody@example.com")
    expect(card).to_contain_text("relay-1, bank 1, relay 1")
    expect(card).to_contain_text(NASTY)
    expect(card).to_contain_text(rack.call(f"device/{BOARD}/log?limit=1")["log"][0]["message"])
    assert page.evaluate("window.stolen") is None
    page.get_by_role("heading", name="Rack").hover()
    expect(card).to_be_hidden()


def test_a_click_opens_the_device(open_page):
    page = open_page("rack")
    link(page).click()
    page.wait_for_url(f"**/ui/devices/{BOARD}")


def test_arrow_keys_walk_the_rack_and_the_focus_tells_why(open_page):
    page = open_page("rack")
    link(page, "board-001").focus()
    page.keyboard.press("ArrowRight")
    expect(link(page, "board-003")).to_be_focused()
    expect(page.locator(".why")).to_contain_text("board-003")
    page.keyboard.press("Escape")
    expect(page.locator(".why")).to_be_hidden()
    page.keyboard.press("End")
    expect(link(page, "board-006")).to_be_focused()
    page.keyboard.press("Home")
    expect(link(page, "board-001")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(link(page, "board-001")).to_be_focused()
    # One cell is on the way of the Tab key, not all.
    assert page.locator(".cell a[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/devices/board-001")


def test_up_and_down_lead_to_the_neighbouring_row(open_page):
    page = open_page("rack", look="phone")
    link(page, "board-001").focus()
    page.keyboard.press("ArrowDown")
    expect(link(page, "board-002")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(link(page, "board-001")).to_be_focused()


def test_the_keyboard_selects(open_page):
    page = open_page("rack")
    link(page, "board-001").focus()
    page.keyboard.press(" ")
    expect(bar(page)).to_contain_text("1 board")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(bar(page)).to_contain_text("3 boards")
    expect(cell(page, "board-005")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Control+a")
    expect(bar(page)).to_contain_text("6 boards")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(bar(page)).to_be_hidden()


def test_shift_click_selects_a_range(open_page):
    page = open_page("rack")
    pick(page, "board-001")
    link(page, "board-005").click(modifiers=["Shift"])
    expect(bar(page)).to_contain_text("3 boards")
    # With a selection, a click belongs to it.
    link(page, "board-003").click()
    expect(bar(page)).to_contain_text("2 boards")
    bar(page).get_by_role("button", name="Clear selection").click()
    expect(bar(page)).to_be_hidden()


def test_a_frame_drawn_with_the_mouse_selects_what_it_touches(open_page):
    page = open_page("rack")
    first, last = cell(page, "board-001").bounding_box(), cell(page, "board-003").bounding_box()
    page.mouse.move(first["x"] + 5, first["y"] + 5)
    page.mouse.down()
    page.mouse.move(last["x"] + 10, last["y"] + 10, steps=4)
    page.mouse.up()
    expect(bar(page)).to_contain_text("2 boards")
    expect(page.get_by_role("heading", name="Rack")).to_be_visible()


def test_tick_boxes_select_banks_and_boards(open_page):
    page = open_page("rack")
    page.get_by_role("checkbox", name="Select bank 1 of relay-1").check()
    expect(bar(page)).to_contain_text("3 boards")
    expect(page.get_by_role("checkbox", name="Select all of relay-1")).to_be_checked()
    page.get_by_role("checkbox", name="Select all of relay-2").check()
    expect(bar(page)).to_contain_text("6 boards")
    page.get_by_role("checkbox", name="Select all of relay-1").uncheck()
    expect(bar(page)).to_contain_text("3 boards")
    link(page, "board-002").click()
    assert page.get_by_role("checkbox", name="Select all of relay-2").evaluate("box => box.indeterminate")


def test_power_control_power_cycle(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD, "board-002")
    bar(page).get_by_role("button", name="Power cycle").click()
    expect(page.get_by_role("dialog")).to_contain_text("board-001, board-002")
    agree(page, "Cancel")
    expect(bar(page)).to_contain_text("2 boards")
    bar(page).get_by_role("button", name="Power cycle").click()
    agree(page, "Power cycle")
    expect(message(page, "Power cycle: all 2 done")).to_be_visible()
    expect(bar(page)).to_be_hidden()
    for name in (BOARD, "board-002"):
        wait_for(f"{name} to have been cycled", lambda: "power" in log_of(rack, name))


def test_power_control_power_off_and_on(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Power off").click()
    agree(page, "Power off")
    wait_for("power to be off", lambda: rack.call(f"device/{BOARD}/power")["power"] == "off")
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Power on").click()
    wait_for("power to be on", lambda: rack.call(f"device/{BOARD}/power")["power"] == "on")


def test_who_holds_a_board_is_said_before_its_power_goes(open_page, rack):
    number = rack.request(BOARD, assignee="somebody@example.com")
    rack.until_state(BOARD, "ready")
    page = open_page("rack")
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Power off").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{BOARD} is held by request #{number} of somebody@example.com")
    agree(page, "Cancel")
    assert rack.call(f"device/{BOARD}/power")["power"] == "on"


def test_please_self_test(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD, "board-003")
    bar(page).get_by_role("button", name="Self-test").click()
    agree(page, "Self-test")
    for name in (BOARD, "board-003"):
        wait_for("a self-test", lambda: "start_self_test" in log_of(rack, name))
        rack.until_state(name, "ready")


def test_please_start_maintenance(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Maintenance").click()
    agree(page, "Maintenance")
    rack.until_state(BOARD, "maintenance_mode")
    expect(link(page)).to_have_accessible_name(f"{BOARD}: in maintenance")


def test_lock_out_and_put_back(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Lock out").click()
    agree(page, "Lock out")
    rack.until_state(BOARD, "locked_out")
    pick(page, BOARD)
    # Refusals are in the API's words, and what was refused stays selected.
    bar(page).get_by_role("button", name="Power cycle").click()
    agree(page, "Power cycle")
    with pytest.raises(Refused) as refused:
        rack.call(f"device/{BOARD}/power-cycle", {})
    import json

    expect(message(page, json.loads(refused.value.body)["error"]["message"])).to_be_visible()
    page.get_by_role("button", name="Put this message away").first.click()
    expect(bar(page)).to_contain_text("1 board")
    bar(page).get_by_role("button", name="Put back").click()
    rack.until_state(BOARD, "ready")


def test_comments_of_several_boards(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD, "board-002")
    bar(page).get_by_role("button", name="Comment…").click()
    page.get_by_role("textbox", name="Comment").fill(NASTY)
    agree(page, "Set comment")
    wait_for("the comments", lambda: all(rack.device(name)["comments"] == NASTY for name in (BOARD, "board-002")))
    link(page).hover()
    expect(page.locator(".why")).to_contain_text(NASTY)
    assert page.evaluate("window.stolen") is None
    pick(page, BOARD)
    bar(page).get_by_role("button", name="Comment…").click()
    expect(page.get_by_role("textbox", name="Comment")).to_have_value(NASTY)
    page.get_by_role("textbox", name="Comment").fill("")
    agree(page, "Set comment")
    wait_for("no comment", lambda: rack.device(BOARD)["comments"] == "")


def test_environment_of_several_boards(open_page, rack):
    page = open_page("rack")
    pick(page, BOARD, "board-002")
    bar(page).get_by_role("button", name="Environment…").click()
    page.get_by_role("dialog").get_by_label("Environment").fill("")
    agree(page, "Set environment")
    expect(page.get_by_role("dialog")).to_contain_text("this is needed")
    page.get_by_role("dialog").get_by_label("Environment").fill("wifi")
    agree(page, "Set environment")
    wait_for("the environments", lambda: all(rack.device(name)["environment"] == "wifi" for name in (BOARD, "board-002")))


def test_colour_by_environment_image_and_age_is_also_said_in_words(open_page, rack):
    rack.call(f"device/{BOARD}/set-environment", {"environment": "wifi"})
    page = open_page("rack")
    legend = page.get_by_role("list", name="Colours")
    page.get_by_role("combobox", name="Colour by").select_option("environment")
    expect(cell(page)).to_contain_text("wifi")
    expect(cell(page, "board-002")).to_contain_text("demo")
    assert cell(page).evaluate("c => getComputedStyle(c).borderLeftColor") != cell(page, "board-002").evaluate("c => getComputedStyle(c).borderLeftColor")
    expect(legend.get_by_role("button", name="wifi 1")).to_be_visible()
    page.get_by_role("combobox", name="Colour by").select_option("image")
    expect(legend).to_contain_text("not known")
    page.get_by_role("combobox", name="Colour by").select_option("age")
    expect(legend).to_contain_text("under")
    # It is remembered, and stands in the address.
    assert "by=age" in page.url
    page.reload()
    expect(page.get_by_role("combobox", name="Colour by")).to_have_value("age")


def test_search_highlights_and_selects(open_page, rack):
    rack.call(f"device/{BOARD}/set-comments", {"comments": "the fan is loud"})
    page = open_page("rack")
    page.keyboard.press("/")
    page.keyboard.type("FAN IS")
    expect(page.get_by_text("1 of 6")).to_be_visible()
    expect(cell(page)).to_have_class("cell sign-free group-free found")
    expect(cell(page, "board-002")).to_have_class("cell sign-free group-free dim")
    page.keyboard.press("Enter")
    expect(link(page)).to_be_focused()
    page.get_by_role("button", name="Select these").click()
    expect(bar(page)).to_contain_text("1 board")
    page.get_by_role("searchbox").fill("")
    page.get_by_role("combobox", name="State").select_option("failed")
    expect(page.get_by_text("0 of 6")).to_be_visible()
    page.get_by_role("combobox", name="State").select_option("")
    page.get_by_role("combobox", name="Environment").select_option("demo")
    expect(page.get_by_text("6 of 6")).to_be_visible()
    page.get_by_role("combobox", name="Environment").select_option("")
    free = page.get_by_role("list", name="Colours").get_by_role("button", name="free 6")
    free.click()
    expect(page.get_by_text("6 of 6")).to_be_visible()
    free.click()
    expect(page.get_by_role("button", name="Select these")).to_be_hidden()


def test_the_two_way_test_of_a_relay_board(open_page, rack):
    page = open_page("rack")
    board = page.get_by_role("region", name="relay-1")
    board.get_by_role("button", name="Test relay-1").click()
    expect(board.get_by_role("status")).to_have_text("answers")
    rack.call("relay/relay-dead", {"fqdn": "127.0.0.1:9"}, "PUT")
    try:
        dead = page.get_by_role("region", name="relay-dead")
        expect(dead).to_contain_text("No device hangs on it")
        dead.get_by_role("button", name="Test relay-dead").click()
        expect(dead.get_by_role("status")).to_have_text("does not answer")
    finally:
        rack.call("relay/relay-dead", None, "DELETE")
    expect(page.get_by_role("region", name="relay-dead")).to_have_count(0)


def test_devices_that_no_relay_switches_have_a_panel_of_their_own(open_page, rack):
    page = open_page("rack")
    rack.call("device/shelf-1", {"fqdn": "10.9.0.201", "state": "locked_out"}, "PUT")
    rack.call("device/shelf-2", {"fqdn": "10.9.0.202", "state": "locked_out", "relay_info": "command:ipmi bmc-2"}, "PUT")
    try:
        others = page.get_by_role("grid", name="Without a relay of their own")
        expect(others.get_by_role("link", name="shelf-1:")).to_be_visible()
        expect(others.get_by_role("link", name="shelf-2:")).to_be_visible()
        link(page, "shelf-2").hover()
        expect(page.locator(".why")).to_contain_text("by program: ipmi bmc-2")
        # A device that gets a relay moves to it.
        board = rack.call("relay/list")["relay_boards"][0]
        rack.call("device/shelf-1", {"relay_info": f"{board['fqdn']}:bank2:relay7"}, "PUT")
        row = page.get_by_role("grid", name=board["name"]).get_by_role("row").nth(1)
        expect(row.get_by_role("gridcell").nth(6).get_by_role("link", name="shelf-1:")).to_be_visible()
        # A board that is not in the list of relay boards is shown, too.
        rack.call("device/shelf-1", {"relay_info": "10.9.0.50:bank1:relay1"}, "PUT")
        expect(page.get_by_role("region", name="10.9.0.50")).to_contain_text("not among the relay boards")
    finally:
        for name in ("shelf-1", "shelf-2"):
            rack.call(f"device/{name}", None, "DELETE")
    expect(page.get_by_role("region", name="Without a relay of their own")).to_have_count(0)


def test_an_address_leads_to_a_relay_board(open_page):
    page = open_page("rack?board=relay-2", look="phone")
    expect(page.get_by_role("heading", name="relay-2")).to_be_in_viewport()


def test_on_a_phone_a_tap_tells_why_and_what_next(open_page):
    page = open_page("rack", look="phone")
    link(page).tap()
    card = page.locator(".why.pinned")
    expect(card).to_contain_text(BOARD)
    card.get_by_role("button", name="Close").click()
    expect(card).to_be_hidden()
    link(page).tap()
    card.get_by_role("button", name="Select").click()
    expect(bar(page)).to_contain_text("1 board")
    bar(page).get_by_role("button", name="Clear selection").click()
    tapping = page.get_by_role("button", name="Select by tapping")
    tapping.click()
    link(page, "board-002").tap()
    link(page, "board-004").tap()
    expect(bar(page)).to_contain_text("2 boards")
    bar(page).get_by_role("button", name="Clear selection").click()
    tapping.click()
    link(page).tap()
    card.get_by_role("link", name="Open").click()
    page.wait_for_url(f"**/ui/devices/{BOARD}")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_well_and_is_accessible(open_page, rack, shoot, accessible, look):
    rack.call("device/board-006/event/please_offline", {})
    rack.put_into("board-005", "failed_self_test")
    rack.request("board-004")
    page = open_page("rack", look=look)
    expect(link(page, "board-005")).to_have_accessible_name("board-005: failed: self test")
    accessible(page)
    page.get_by_role("combobox", name="Colour by").select_option("environment")
    accessible(page)
    page.get_by_role("combobox", name="Colour by").select_option("state")
    pick(page, BOARD)
    page.keyboard.press("ArrowRight")
    if look != "phone":
        expect(page.locator(".why")).to_be_visible()
    accessible(page)
    shoot(page, f"rack-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
