"""The list of devices: columns, order, filters, selection, what is live in it. What is done to those that are selected: test_orders.py."""

import re

import pytest
from boards import HOSTILE, is_text, pick, press
from playwright.sync_api import expect
from rack import Refused

LOOKS = ["light", "dark", "phone"]
COLUMNS = ["FQDN", "Since", "Image", "Environment", "Hardware", "MAC", "Server", "Relay", "Request", "Comments", "Tags", "Log"]


def row_of(page, name):
    return page.get_by_role("row").filter(has=page.get_by_role("checkbox", name=f"Select {name}", exact=True))


def names(page):
    """The boards that are shown, from top to bottom."""
    return page.locator("tr[data-key]").evaluate_all("rows => rows.map((row) => row.dataset.key)")


@pytest.fixture
def changed(rack):
    """Changes fields of a device; afterwards they are as they were."""
    before = []

    def change(name, **fields):
        device = rack.device(name)
        before.append((name, {key: device[key] for key in fields}))
        rack.call(f"device/{name}", fields, method="PUT")

    yield change
    for name, fields in reversed(before):
        rack.call(f"device/{name}", fields, method="PUT")


@pytest.mark.parametrize("look", LOOKS)
def test_the_list_is_accessible_in_each_look_and_nothing_of_it_hangs_over(open_page, shoot, accessible, look):
    page = open_page("devices", look=look)
    pick(page, "board-002", "board-004")
    accessible(page)
    shoot(page, f"devices-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    press(page, "Please…")
    accessible(page)
    shoot(page, f"devices-please-{look}")


def test_lifeguard_page_shows_name_state_image_comments_and_log(open_page, rack, changed):
    changed("board-001", comments="by the door")
    page = open_page("devices")
    row = row_of(page, "board-001")
    expect(row).to_contain_text("free")
    expect(row).to_contain_text("by the door")
    with page.expect_popup() as opened:
        row.get_by_role("link", name="log").click()
    expect(opened.value.locator("main h1")).to_have_text("Log of board-001")
    expect(opened.value).to_have_url(re.compile(r"/ui/log\?device=board-001$"))


def test_bmm_page_shows_fqdn_environment_mac_server_relay_and_comments(open_page, rack, changed):
    changed("board-003", comments="new card", tags=["wifi", "camera"])
    page = open_page("devices")
    device = rack.device("board-003")
    page.get_by_role("button", name="Columns").click()
    for title in COLUMNS:
        page.get_by_role("checkbox", name=title, exact=True).check()
    row = row_of(page, "board-003")
    for text in [device["fqdn"], device["mac"], device["imaging_server"], device["relay_info"], device["environment"], "new card", "camera, wifi"]:
        expect(row).to_contain_text(text if text != "camera, wifi" else ", ".join(device["tags"]))


def test_columns_are_chosen_and_remembered(open_page):
    page = open_page("devices")
    button = page.get_by_role("button", name="Columns")
    button.click()
    for title in COLUMNS:
        box = page.get_by_role("checkbox", name=title, exact=True)
        box.click()
        head = page.get_by_role("columnheader").filter(has_text=title)
        expect(head).to_have_count(1 if box.is_checked() else 0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox", name="MAC", exact=True)).to_be_hidden()
    expect(button).to_be_focused()
    page.reload()
    expect(page.get_by_role("columnheader").filter(has_text="MAC")).to_be_visible()
    expect(page.get_by_role("columnheader").filter(has_text="Hardware")).to_have_count(0)
    # What is selected stays selected when columns come and go.
    pick(page, "board-005")
    button.click()
    page.get_by_role("checkbox", name="Hardware", exact=True).check()
    expect(page.get_by_role("checkbox", name="Select board-005")).to_be_checked()


def test_each_column_sorts_and_the_order_stands_in_the_address(open_page, changed):
    changed("board-004", comments="a first")
    changed("board-002", comments="b second")
    page = open_page("devices")
    page.get_by_role("button", name="Columns").click()
    for title in COLUMNS:
        page.get_by_role("checkbox", name=title, exact=True).check()
    for title in ["State", *COLUMNS[:-1]]:
        head = page.get_by_role("columnheader").filter(has_text=re.compile(f"^{title}$"))
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "ascending")
    comments = page.get_by_role("columnheader").filter(has_text="Comments")
    comments.get_by_role("button").click()
    comments.get_by_role("button").click()
    assert names(page)[:2] == ["board-002", "board-004"]
    expect(page).to_have_url(re.compile(r"\?sort=comments&down=1$"))
    page.reload()
    expect(comments).to_have_attribute("aria-sort", "descending")
    assert names(page)[:2] == ["board-002", "board-004"]
    page.get_by_role("columnheader").filter(has_text="Name").get_by_role("button").click()
    assert names(page)[0] == "board-001"
    expect(page).to_have_url(re.compile("/devices$"))


def test_filters_stand_in_the_address_and_fit_together(open_page, rack, changed):
    changed("board-002", tags=["wifi"], environment="staging")
    changed("board-003", tags=["wifi"])
    rack.put_into("board-006", "locked_out")
    try:
        page = open_page("devices")
        for label, value, shown in [
            ("Tag", "wifi", ["board-002", "board-003"]), ("Environment", "staging", ["board-002"]), ("Group", "failed", []), ("Group", "free", ["board-002"]),
            ("State", "ready", ["board-002"]), ("Server", "demo", ["board-002"]), ("Hardware", "emulated board", ["board-002"]),
        ]:
            page.get_by_role("combobox", name=label, exact=True).select_option(value)
            assert names(page) == shown, label
            if not shown:
                expect(page.get_by_text("No device is like that.")).to_be_visible()
        page.reload()
        page.locator("main h1").wait_for()
        assert names(page) == ["board-002"]
        expect(page.get_by_role("status").filter(has_text="1 of 6")).to_be_visible()
        page = open_page("devices?group=out")
        assert names(page) == ["board-006"]
        page = open_page("devices?state=locked_out")
        assert names(page) == ["board-006"]
    finally:
        rack.put_into("board-006", "ready")


def test_devices_are_filtered_by_image(open_page, rack):
    number = rack.request("board-005")
    try:
        rack.until_state("board-005", "ready")
        page = open_page("devices")
        page.get_by_role("combobox", name="Image", exact=True).select_option("demo")
        expect(row_of(page, "board-005")).to_be_visible()
        assert names(page) == ["board-005"]
        # Who has it, and the way to that request.
        expect(row_of(page, "board-005")).to_contain_text(f"#{number} tests")
        row_of(page, "board-005").get_by_role("link", name=f"#{number}").click()
        expect(page).to_have_url(re.compile(f"/ui/requests/{number}$"))
    finally:
        rack.call(f"request/{number}/return", {})


def test_the_search_looks_at_what_is_shown(open_page, rack, changed):
    changed("board-004", comments="The fan is LOUD")
    page = open_page("devices")
    page.keyboard.press("/")
    box = page.get_by_role("searchbox", name="Search devices")
    expect(box).to_be_focused()
    for text, shown in [("fan is loud", ["board-004"]), (rack.device("board-002")["mac"], ["board-002"]), ("board-00", [f"board-00{n}" for n in range(1, 7)]), ("nothing such", [])]:
        box.fill(text)
        assert names(page) == shown, text
    expect(page).to_have_url(re.compile(r"\?q=nothing"))


def test_a_range_is_selected_with_shift_over_the_rows_that_are_shown(open_page, rack, changed):
    for name in ["board-001", "board-003", "board-005", "board-006"]:
        changed(name, tags=["odd"])
    page = open_page("devices?tag=odd")
    page.get_by_role("checkbox", name="Select board-001").click()
    page.get_by_role("checkbox", name="Select board-005").click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_role("combobox", name="Tag", exact=True).select_option("")
    checked = page.locator("tr[aria-selected=true]").evaluate_all("rows => rows.map((row) => row.dataset.key)")
    assert checked == ["board-001", "board-003", "board-005"]
    page.get_by_role("button", name="Select none").click()
    expect(page.get_by_text("None selected")).to_be_visible()
    page.get_by_role("checkbox", name="Select all shown").check()
    expect(page.get_by_text("6 selected")).to_be_visible()
    # What is not shown any more is not selected any more.
    page.get_by_role("searchbox").fill("board-002")
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_without_a_selection_nothing_can_be_pressed(open_page):
    page = open_page("devices")
    for button in page.get_by_role("group", name="Actions").get_by_role("button").all():
        expect(button).to_be_disabled()
    pick(page, "board-001")
    for button in page.get_by_role("group", name="Actions").get_by_role("button").all():
        expect(button).to_be_enabled()


def test_states_change_under_ones_eyes(open_page, rack):
    page = open_page("devices")
    rack.put_into("board-006", "troubleshooting")
    expect(row_of(page, "board-006")).to_contain_text("troubleshooting")
    rack.put_into("board-006", "ready")
    expect(row_of(page, "board-006")).to_contain_text("free")


def test_text_from_people_stays_text(open_page, rack, changed):
    changed("board-001", comments=HOSTILE, tags=[HOSTILE])
    page = open_page("devices")
    is_text(page, row_of(page, "board-001"), HOSTILE)
    # Nor can a name be anything but a name.
    try:
        rack.call("device/" + "%3Cimg%20src=x%3E", {"fqdn": "127.77.0.99", "state": "locked_out"}, method="PUT")
    except Refused as refused:
        assert refused.status == 400
    else:
        is_text(page, page.locator("main"), "<img src=x>")


def test_the_list_is_used_with_the_keyboard(open_page):
    page = open_page("devices")
    page.get_by_role("checkbox", name="Select board-001").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("checkbox", name="Select board-002")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ui/devices/board-002$"))
    page.go_back()
    row_of(page, "board-003").get_by_role("link", name="board-003").click()
    expect(page.locator("main h1")).to_have_text("board-003")

def test_a_row_that_changes_or_moves_keeps_the_focus(open_page, rack, changed):
    changed("board-002", comments="")
    page = open_page("devices?sort=comments&down=1")
    box = page.get_by_role("checkbox", name="Select board-002")
    box.focus()
    changed("board-002", comments="zz, so the first")
    expect(row_of(page, "board-002")).to_contain_text("zz, so the first")
    expect(box).to_be_focused()
    assert names(page)[0] == "board-002"


def test_filters_are_behind_a_button_on_a_phone(open_page):
    page = open_page("devices?group=free", look="phone")
    expect(page.get_by_role("combobox", name="Group", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Filters (1)").click()
    page.get_by_role("combobox", name="Group", exact=True).select_option("failed")
    assert names(page) == []
