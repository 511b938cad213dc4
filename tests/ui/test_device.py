"""A device's page: its state and deadline, facts, boot timeline, history, and what is asked of the hardware. What is done to it:
test_orders.py; its log: test_log.py."""

import re

import pytest
from boards import HOSTILE, KEYED, KEYED_CONFIG, add_keyed_image, comment_of, is_text, say, until_comment
from playwright.sync_api import expect
from rack import wait_for

LOOKS = ["light", "dark", "phone"]


@pytest.fixture(autouse=True)
def left_as_found(rack):
    yield
    for device in rack.devices():
        if device["comments"] or device["environment"] != "demo":
            rack.call(f"device/{device['name']}/set-comments", {"comments": ""})
            rack.call(f"device/{device['name']}/set-environment", {"environment": "demo"})
        if device["state"] != "ready":
            rack.put_into(device["name"], "ready")


def section(page, name):
    return page.get_by_role("region", name=name, exact=True)


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_accessible_in_each_look_and_nothing_of_it_hangs_over(open_page, rack, shoot, accessible, look):
    page = open_page("devices/board-001", look=look)
    expect(section(page, "Boot timeline").get_by_role("listitem").first).to_be_visible()
    expect(section(page, "Power and network")).to_contain_text("pxelinux.cfg/default")
    accessible(page)
    shoot(page, f"device-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_state_counts_down_to_its_deadline_and_tells_the_attempts_left(open_page, rack):
    page = open_page("devices/board-002")
    expect(page.get_by_text(re.compile(r"checked again in \d"))).to_be_visible()
    # A board without power waits in this state for what does not come, until it is tried again.
    def stranded():
        rack.put_into("board-002", "start_self_test")
        rack.until_state("board-002", "pxe_booting")
        rack.call("device/board-002/power-off", {})
        return rack.device("board-002")["state"] == "pxe_booting"

    wait_for("it to be off before it booted", stranded)
    expect(page.get_by_text(re.compile(r"^time is up in [0-9] s$"))).to_be_visible()
    allowed = rack.device("board-002")["attempt"]["allowed"]
    expect(page.get_by_text(f"1st of {allowed + 1} attempts")).to_be_visible()
    expect(page.get_by_text(f"2nd of {allowed + 1} attempts")).to_be_visible()
    # A state of rest has neither.
    rack.until_state("board-002", "ready")
    rack.put_into("board-002", "troubleshooting")
    expect(page.locator(".clock")).not_to_contain_text("time is up")
    expect(page.locator(".clock")).not_to_contain_text("attempts")


def test_facts_are_those_of_the_api(open_page, rack):
    add_keyed_image(rack)
    rack.call("device/board-003", {"tags": ["camera", "wifi"]}, method="PUT")
    rack.call("device/board-003/event/please_image", {"image": KEYED, "boot_config": KEYED_CONFIG})
    device = wait_for("the image", lambda: (d := rack.device("board-003"))["state"] == "ready" and d["image"] == KEYED and d)
    page = open_page("devices/board-003")
    facts = section(page, "About it")
    for text in [device["fqdn"], device["mac"], device["hardware_type"], device["processor"], device["relay_info"], device["imaging_server"], "camera, wifi", KEYED,
                 '"url": "/files/images/demo.img"']:
        expect(facts).to_contain_text(text)
    rack.call("device/board-003", {"tags": None}, method="PUT")
    expect(facts).not_to_contain_text("camera, wifi")


def test_who_has_it_and_until_when(open_page, rack):
    number = rack.request("board-001", assignee="ann@example.com")
    try:
        rack.until_state("board-001", "ready")
        page = open_page("devices/board-001")
        expect(page.get_by_text("of ann@example.com, ends in 59:")).to_be_visible()
        expect(page.locator("main")).to_contain_text("in use")
        page.locator(".holder").get_by_role("link", name=f"#{number}").click()
        expect(page).to_have_url(re.compile(f"/ui/requests/{number}$"))
    finally:
        rack.call(f"request/{number}/return", {})


def test_comment_and_environment_are_changed_where_they_stand(open_page, rack):
    page = open_page("devices/board-001")
    facts = section(page, "About it")
    facts.get_by_role("button", name="Edit comment").click()
    box = facts.get_by_role("textbox", name="comment")
    expect(box).to_be_focused()
    box.fill(HOSTILE)
    box.press("Enter")
    until_comment(rack, "board-001", HOSTILE)
    is_text(page, facts, HOSTILE)
    expect(facts.get_by_role("button", name="Edit comment")).to_be_focused()
    # Escape and Cancel leave it.
    facts.get_by_role("button", name="Edit comment").click()
    box.fill("no")
    box.press("Escape")
    facts.get_by_role("button", name="Edit comment").click()
    box.fill("no")
    facts.get_by_role("button", name="Cancel").click()
    is_text(page, facts, HOSTILE)
    assert comment_of(rack, "board-001") == HOSTILE

    facts.get_by_role("button", name="Edit environment").click()
    box = facts.get_by_role("combobox", name="environment")
    expect(facts.locator("datalist option")).to_have_count(len(rack.call("environment/list")["environments"]))
    # What is refused stays, with the API's words.
    page.route("**/set-environment/", lambda route: route.fulfill(status=409, json={"error": {"code": "conflict", "message": "not today"}}), times=1)
    box.fill("staging")
    facts.get_by_role("button", name="Save").click()
    expect(facts.get_by_role("alert")).to_have_text("not today")
    facts.get_by_role("button", name="Save").click()
    wait_for("the environment", lambda: rack.device("board-001")["environment"] == "staging")
    # What others change shows, also when that is what stood here before.
    rack.call("device/board-001/set-environment", {"environment": "demo"})
    expect(facts).not_to_contain_text("staging")


def test_power_and_ping_are_asked_when_somebody_wants_to_know(open_page, rack):
    page = open_page("devices/board-004")
    network = section(page, "Power and network")
    expect(network.get_by_text("not asked yet")).to_have_count(2)
    network.get_by_role("button", name="Check power").click()
    expect(network.get_by_role("status").filter(has_text="on at")).to_be_visible()
    network.get_by_role("button", name="Ping").click()
    expect(network.get_by_role("status").filter(has_text=re.compile("^answers at"))).to_be_visible()
    relay = rack.device("board-004")["relay_info"]
    rack.call("device/board-004", {"relay_info": None}, method="PUT")
    try:
        network.get_by_role("button", name="Check power").click()
        expect(network).to_contain_text("the power of board-004 cannot be switched: no relay is known for it")
    finally:
        rack.call("device/board-004", {"relay_info": relay}, method="PUT")


def test_what_it_would_get_from_the_network_follows_its_state(open_page, rack):
    page = open_page("devices/board-005")
    network = section(page, "Power and network")
    expect(network).to_contain_text("In state ready nothing is offered to it")
    rack.call("device/board-005/power-cycle", {"pxe_config": "maintenance"})
    expect(network.get_by_role("definition").filter(has_text=re.compile("^maintenance$"))).to_be_visible()
    network.get_by_text("The text of it").click()
    boot = rack.call("device/board-005/pxe")
    expect(network).to_contain_text(boot["text"].strip().splitlines()[-1].strip())
    expect(network).to_contain_text(boot["asks_for"][0])
    rack.call("device/board-005/clear-pxe", {})
    expect(network).to_contain_text("In state ready nothing is offered to it")


def steps_of(page):
    return section(page, "Boot timeline").get_by_role("listitem")


def test_the_boot_timeline_grows_while_a_board_boots_and_ends_with_a_verdict(open_page, rack):
    page = open_page("devices/board-006")
    timeline = section(page, "Boot timeline")
    rack.call("device/board-006/event/please_self_test", {})
    expect(timeline.get_by_role("combobox", name="Attempt")).to_contain_text("self-test")
    expect(timeline).to_contain_text("runs")
    expect(timeline.get_by_text("live/vmlinuz", exact=True)).to_be_visible()
    rack.until_state("board-006", "ready")
    expect(timeline).to_contain_text("went well")

    def missing():
        # Read anew each time: what the board said last may be stored a moment after it is ready.
        attempt = rack.call("device/board-006/attempts?limit=1")["attempts"][0]
        shown = timeline.inner_text()
        verdict = attempt["verdict"]
        words = [step["what"] for step in attempt["steps"]] + ([verdict[0].upper() + verdict[1:]] if verdict else [])
        return [word for word in words if word not in shown] or steps_of(page).count() != len(attempt["steps"])

    wait_for("the page to show all steps of the attempt", lambda: not missing())


def test_earlier_attempts_are_chosen(open_page, rack):
    rack.put_into("board-001", "start_self_test")
    rack.until_state("board-001", "ready")
    page = open_page("devices/board-001")
    timeline = section(page, "Boot timeline")
    attempts = rack.call("device/board-001/attempts?limit=20")["attempts"]
    picker = timeline.get_by_role("combobox", name="Attempt")
    expect(picker.get_by_role("option")).to_have_count(len(attempts))
    oldest = attempts[-1]
    picker.select_option(str(oldest["id"]))
    expect(steps_of(page)).to_have_count(len(oldest["steps"]))
    # Who looks at an old one is not torn away by a new one.
    rack.put_into("board-001", "start_self_test")
    expect(picker.get_by_role("option")).to_have_count(len(attempts) + 1)
    expect(picker).to_have_value(str(oldest["id"]))
    rack.until_state("board-001", "ready")


def test_attempts_beyond_the_first_page_and_a_long_history_are_had(open_page, rack):
    for _ in range(22):
        rack.put_into("board-004", "start_self_test")
        rack.put_into("board-004", "ready")
    page = open_page("devices/board-004")
    timeline = section(page, "Boot timeline")
    picker = timeline.get_by_role("combobox", name="Attempt")
    expect(picker.get_by_role("option")).to_have_count(20)
    timeline.get_by_role("button", name="Older attempts").click()
    attempts = rack.call("device/board-004/attempts?limit=100")["attempts"]
    expect(picker.get_by_role("option")).to_have_count(len(attempts))
    expect(picker).to_have_value(str(attempts[20]["id"]))
    past = section(page, "History")
    expect(past.get_by_role("row")).to_have_count(13)
    past.get_by_role("button", name="Show more").click()
    spells = rack.call("device/board-004/history?limit=200")["history"]
    expect(past.get_by_role("row")).to_have_count(len(spells) + 1)
    rack.put_into("board-004", "start_self_test")
    rack.until_state("board-004", "ready")


#: An attempt in which everything went wrong that can; the words are the page's and the API's.
BAD = {
    "id": 7, "purpose": "image", "image": "demo", "request_id": 3, "started": "2026-01-01T00:00:00.000Z", "ended": "2026-01-01T00:01:00.000Z", "outcome": "failed",
    "state": "failed_pxe_booting", "duration_ms": 60000, "usual_duration_ms": 12000, "verdict": "stopped after the initrd, 41 s later than usual",
    "steps": [
        {"at_ms": 0, "kind": "state", "what": "the power cycle", "name": "pxe_power_cycling", "bytes": None, "took_ms": 9000, "usual_ms": 0, "late_ms": None, "slow": False, "bad": False},
        {"at_ms": 50000, "kind": "tftp", "what": "sent", "name": "live/initrd.img", "bytes": 131072, "took_ms": 4200, "usual_ms": 9000, "late_ms": 41000, "slow": True, "bad": False},
        {"at_ms": 59000, "kind": "http", "what": HOSTILE, "name": HOSTILE, "bytes": 12, "took_ms": None, "usual_ms": None, "late_ms": None, "slow": False, "bad": True},
    ],
}


def test_late_slow_and_bad_steps_are_marked_in_words_and_text_in_them_stays_text(open_page, rack, shoot, accessible):
    page = open_page("devices/board-005")
    page.route("**/attempts/?*", lambda route: route.fulfill(json={"device": "board-005", "hardware": "x", "attempts": [BAD], "more": False}))
    page.reload()
    timeline = section(page, "Boot timeline")
    expect(timeline).to_contain_text("Stopped after the initrd, 41 s later than usual")
    late = steps_of(page).nth(1)
    for text in ["+50 s", "TFTP", "live/initrd.img", "131 kB", "4.2 s", "▲ 41 s later than usual", "▲ slow"]:
        expect(late).to_contain_text(text)
    expect(steps_of(page).nth(2)).to_contain_text("✕")
    is_text(page, steps_of(page).nth(2), HOSTILE)
    # The bar of the initrd ends at 50 of 60 s, and the mark of what is usual stands at 9.
    places = late.evaluate("e => { const t = e.querySelector('.track').getBoundingClientRect(), b = e.querySelector('.extent').getBoundingClientRect(),"
                           " u = e.querySelector('.usual').getBoundingClientRect(); return [(b.right - t.left) / t.width, (u.left - t.left) / t.width]; }")
    assert abs(places[0] - 50 / 60) < 0.01 and abs(places[1] - 9 / 60) < 0.01
    timeline.get_by_role("link", name="#3")
    accessible(page)
    shoot(page, "device-bad-boot")


def test_history_tells_outcomes_newest_first(open_page, rack):
    rack.put_into("board-002", "failed_pxe_booting")
    page = open_page("devices/board-002")
    past = section(page, "History")
    expect(past.get_by_role("row").nth(1)).to_contain_text("failed: pxe booting")
    rack.put_into("board-002", "ready")
    expect(past.get_by_role("row").nth(1)).to_contain_text("free")


def test_a_device_that_is_not_there_or_goes_away_says_so(open_page, rack):
    rack.call("device/spare-1", {"fqdn": "127.77.9.9", "state": "locked_out"}, method="PUT")
    page = open_page("devices/spare-1")
    expect(page.locator("main")).to_contain_text("locked out")
    rack.call("device/spare-1", method="DELETE")
    expect(page.locator("main")).to_contain_text("It is not in the lab any more.")
    expect(page.get_by_role("button", name="Please…")).to_be_disabled()
    page = open_page("devices/spare-1")
    expect(page.get_by_text("There is no device of this name.")).to_be_visible()
    page.get_by_role("link", name="All devices").click()
    expect(page.locator("main h1")).to_have_text("Devices")


def test_the_log_of_a_device_opens_in_a_tab_of_its_own(open_page, rack):
    say(rack, "board-001", "hello from the board")
    page = open_page("devices/board-001")
    with page.expect_popup() as opened:
        section(page, "Log").get_by_role("link", name="log").click()
    expect(opened.value.get_by_role("log")).to_contain_text("hello from the board")
    opened.value.get_by_role("link", name="board-001").click()
    expect(opened.value).to_have_url(re.compile("/ui/devices/board-001$"))
