"""What people do to devices, from the list (several at once) and from a device's page (this one): the same questions, the same calls.
Each test says which of the original's actions it stands for."""

import json
import re

import pytest
from boards import HOSTILE, KEYED, KEYED_CONFIG, add_keyed_image, comment_of, is_text, lines_of, pick, press, until_comment
from playwright.sync_api import expect
from rack import Refused, wait_for

#: Title of the button, whether the dialog has the comment rider.
QUESTIONS = {
    "Please…": True, "Force state…": True, "Power cycle…": True, "Power off…": True, "Power on…": True, "PXE boot…": True,
    "Clear PXE…": True, "Environment…": False, "Comments…": True,
}


class Place:
    """Where the buttons are: the list with boards selected in it, or a board's own page."""

    def __init__(self, open_page, kind, rack):
        self.open_page, self.kind, self.rack = open_page, kind, rack
        self.boards = ["board-001", "board-002"] if kind == "devices" else ["board-001"]

    def open(self):
        page = self.open_page("devices" if self.kind == "devices" else "devices/board-001")
        self.pick(page)
        return page

    def pick(self, page):
        if self.kind == "devices":
            pick(page, *self.boards)

    def until_all(self, what, look):
        wait_for(f"{what}: {', '.join(self.boards)}", lambda: all(look(self.rack.device(name)) for name in self.boards))


@pytest.fixture(params=["devices", "device"])
def place(open_page, rack, request):
    yield Place(open_page, request.param, rack)
    for name in ["board-001", "board-002"]:
        rack.call(f"device/{name}/set-comments", {"comments": ""})
        rack.call(f"device/{name}/set-environment", {"environment": "demo"})
        # A board that is at something is let come to its end, so that nothing of it is heard in the next test.
        device = wait_for("the board to rest", lambda: (d := rack.device(name)) and (d["state"] in RESTS or d["state"].startswith("failed_")) and d)
        if device["state"] != "ready":
            rack.put_into(name, "ready")


RESTS = {"ready", "troubleshooting", "locked_out", "maintenance_mode"}


def ask_for(dialog, verb):
    dialog.get_by_label("Please", exact=True).select_option(verb)


def test_lifeguard_please_power_cycle_with_a_comment_on_it(place, rack):
    page = place.open()
    dialog = press(page, "Please…")
    go = dialog.get_by_role("button", name="Ask")
    expect(go).to_be_disabled()
    ask_for(dialog, "please_power_cycle")
    rider = dialog.get_by_role("checkbox", name="Set this comment")
    expect(rider).not_to_be_checked()
    dialog.get_by_label("Comment", exact=True).fill("cycled at 3 am")
    expect(rider).to_be_checked()
    go.click()
    expect(dialog).to_have_count(0)
    place.until_all("to be cycled", lambda d: d["comments"] == "cycled at 3 am" and d["state"].startswith("pc_"))
    if place.kind == "devices":
        # Rows are not selected any more, and without a selection nothing can be pressed.
        expect(page.get_by_role("checkbox", name="Select board-001")).not_to_be_checked()
        expect(page.get_by_role("button", name="Please…")).to_be_disabled()
    place.until_all("to be ready", lambda d: d["state"] == "ready")
    place.pick(page)
    dialog = press(page, "Please…")
    expect(dialog.get_by_role("checkbox", name="Set this comment")).not_to_be_checked()
    expect(dialog.get_by_label("Comment", exact=True)).to_have_value("")


def test_lifeguard_please_image_asks_for_the_keys_that_the_image_needs(place, rack):
    add_keyed_image(rack)
    page = place.open()
    dialog = press(page, "Please…")
    expect(dialog.get_by_label("Image")).to_have_count(0)
    ask_for(dialog, "please_self_test")
    expect(dialog.get_by_label("Image")).to_have_count(0)
    ask_for(dialog, "please_image")
    expect(dialog.get_by_label("Image").get_by_role("option", name="self-test")).to_have_count(0 if hidden(rack, "self-test") else 1)
    as_json = dialog.get_by_role("checkbox", name="Write it as JSON")
    dialog.get_by_label("Image").select_option("demo")
    expect(as_json).to_have_count(0)
    dialog.get_by_label("Image").select_option(KEYED)
    go = dialog.get_by_role("button", name="Ask")
    expect(go).to_be_disabled()
    dialog.get_by_label("url").fill("/files/nowhere")
    expect(go).to_be_disabled()
    dialog.get_by_label("size").fill("1048576")
    expect(go).to_be_enabled()
    # What the fields say is there as JSON, and what is wrong in it stands beside it.
    as_json.check()
    box = dialog.get_by_label("Boot config (JSON)")
    assert set(json.loads(box.get_attribute("placeholder"))) == set(KEYED_CONFIG)
    assert json.loads(box.input_value()) == {"url": "/files/nowhere", "size": "1048576"}
    for text, wrong in [('{"url": 1', "this is not JSON"), ("[]", "this should be a JSON object"), ('{"url": "x"}', "the image asks for size, too")]:
        box.fill(text)
        go.click()
        expect(dialog.get_by_role("alert").filter(has_text=wrong)).to_be_visible()
        expect(box).to_have_attribute("aria-invalid", "true")
    box.fill(json.dumps(KEYED_CONFIG))
    told = KEYED_CONFIG
    if place.kind == "device":
        # It comes back into the fields.
        as_json.uncheck()
        expect(dialog.get_by_label("url")).to_have_value(KEYED_CONFIG["url"])
        told = {**KEYED_CONFIG, "size": "1048576"}
    go.click()
    place.until_all("to be installed", lambda d: d["image"] == KEYED and d["state"] == "ready" and json.loads(d["boot_config"]) == told)
    if place.kind == "devices":
        dagger = page.get_by_role("row").filter(has_text="board-001").get_by_text("†")
        expect(dagger).to_have_attribute("title", re.compile("demo.img"))
    else:
        expect(page.get_by_role("region", name="About it")).to_contain_text('"url": "/files/images/demo.img"')


def hidden(rack, image):
    return rack.call(f"image/{image}/details")["hidden"]


def test_lifeguard_please_each_of_the_other_verbs(place, rack):
    page = place.open()
    # Each leads to where the next one is accepted.
    for verb, state in [("please_self_test", "ready"), ("please_start_maintenance", "maintenance_mode"), ("please_offline", "locked_out"), ("please_online", "ready")]:
        before = {name: rack.device(name)["state_since"] for name in place.boards}
        dialog = press(page, "Please…")
        ask_for(dialog, verb)
        dialog.get_by_role("button", name="Ask").click()
        place.until_all(f"to be {state}", lambda d: d["state"] == state and d["state_since"] > before[d["name"]])
        place.pick(page)


def test_lifeguard_please_that_is_refused_says_why_and_names_the_board(place, rack):
    rack.put_into("board-001", "locked_out")
    page = place.open()
    before = comment_of(rack, "board-001")
    dialog = press(page, "Please…")
    ask_for(dialog, "please_power_cycle")
    dialog.get_by_label("Comment", exact=True).fill("this is not to be written")
    dialog.get_by_role("button", name="Ask").click()
    message = page.get_by_role("region", name="Messages").get_by_role("alert")
    expect(message).to_contain_text("board-001: ignored event please_power_cycle in state locked_out")
    assert comment_of(rack, "board-001") == before
    assert rack.device("board-001")["state"] == "locked_out"
    message.get_by_role("button", name="Put this message away").click()
    expect(message).to_have_count(0)


def test_lifeguard_force_state_asks_first_and_takes_the_shown_state_as_the_old_one(place, rack):
    page = place.open()
    dialog = press(page, "Force state…")
    offered = dialog.locator("datalist option").evaluate_all("options => options.map((one) => one.value)")
    with pytest.raises(Refused) as refused:
        rack.call("device/board-001/state-change/ready/to/nonsense", {})
    states = json.loads(refused.value.body)["error"]["message"].split("the states are ")[1].split(", ")
    assert sorted(offered) == sorted(states)

    go = dialog.get_by_role("button", name="Force…")
    expect(go).to_be_disabled()
    dialog.get_by_label("State").fill("troubleshooting")
    go.click()
    sure = page.get_by_role("dialog", name="Force it?")
    expect(sure).to_contain_text("board-001: ready → troubleshooting")
    sure.get_by_role("button", name="Cancel").click()
    expect(dialog).to_contain_text("Nothing was changed.")
    assert rack.device("board-001")["state"] == "ready"
    dialog.get_by_role("checkbox", name="Set this comment").check()
    go.click()
    sure.get_by_role("button", name="Force", exact=True).click()
    place.until_all("to be forced", lambda d: d["state"] == "troubleshooting")

    # Somebody is faster: the state that was shown is not the state any more.
    place.pick(page)
    dialog = press(page, "Force state…")
    dialog.get_by_label("State").fill("ready")
    go.click()
    rack.put_into("board-001", "locked_out")
    sure.get_by_role("button", name="Force", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="board-001: ")).to_contain_text("locked_out")
    assert rack.device("board-001")["state"] == "locked_out"


def test_lifeguard_comments_and_bmm_comments_set_them_and_clear_them(place, rack):
    page = place.open()
    dialog = press(page, "Comments…")
    go = dialog.get_by_role("button", name="Set comments")
    expect(go).to_be_disabled()
    dialog.get_by_label("Comment", exact=True).fill(HOSTILE)
    expect(dialog.get_by_role("checkbox", name="Set this comment")).to_be_checked()
    go.click()
    for name in place.boards:
        until_comment(rack, name, HOSTILE)
    is_text(page, page.locator("main"), HOSTILE)
    # Blank and ticked takes it away.
    place.pick(page)
    dialog = press(page, "Comments…")
    dialog.get_by_label("Comment", exact=True).fill("")
    dialog.get_by_role("checkbox", name="Set this comment").check()
    go.click()
    for name in place.boards:
        until_comment(rack, name, "")
    expect(page.locator("main")).not_to_contain_text("<script>")


def confirm(page, title, comment=None):
    """Confirms what a dialog asks, with a comment; a blank one is to clear it."""
    dialog = press(page, title)
    if comment:
        dialog.get_by_label("Comment", exact=True).fill(comment)
    elif comment is not None:
        dialog.get_by_role("checkbox", name="Set this comment").check()
    dialog.get_by_role("button", name=title.removesuffix("…"), exact=True).click()


def test_bmm_power_control_off_and_on(place, rack):
    page = place.open()
    confirm(page, "Power off…", "off for the night")
    wait_for("the power to be off", lambda: all(rack.call(f"device/{name}/power")["power"] == "off" for name in place.boards))
    for name in place.boards:
        until_comment(rack, name, "off for the night")
    place.pick(page)
    confirm(page, "Power on…", "")
    wait_for("the power to be on", lambda: all(rack.call(f"device/{name}/power")["power"] == "on" for name in place.boards))
    for name in place.boards:
        until_comment(rack, name, "")


def test_bmm_power_control_power_cycle_boots_it_from_its_own_disk(place, rack):
    page = place.open()
    def boots(name):
        return sum("pxelinux.cfg/default" in line["message"] for line in lines_of(rack, name))

    before = {name: boots(name) for name in place.boards}
    confirm(page, "Power cycle…")
    for name in place.boards:
        wait_for(f"{name} to ask for its boot config", lambda name=name: boots(name) > before[name])


def test_bmm_pxe_boot_offers_a_config_with_a_boot_config_and_clear_pxe_takes_it_back(place, rack):
    page = place.open()
    dialog = press(page, "PXE boot…")
    go = dialog.get_by_role("button", name="PXE boot")
    expect(go).to_be_disabled()
    names = dialog.get_by_label("PXE config").get_by_role("option").all_text_contents()
    assert names[1:] == rack.call("bmm/pxe_config/list/?active_only=1")["pxe_configs"]
    dialog.get_by_label("PXE config").select_option("maintenance")
    dialog.get_by_label("Boot config (JSON)").fill("[1]")
    go.click()
    expect(dialog.get_by_role("alert").filter(has_text="this should be a JSON object")).to_be_visible()
    dialog.get_by_label("Boot config (JSON)").fill('{"shell": true}')
    dialog.get_by_label("Comment", exact=True).fill("a shell on it")
    go.click()
    place.until_all("to be offered it", lambda d: d["pxe_config"] == "maintenance" and d["comments"] == "a shell on it")
    for name in place.boards:
        assert rack.call(f"device/{name}/bootconfig") == {"shell": True}
    place.pick(page)
    confirm(page, "Clear PXE…")
    place.until_all("to be offered nothing", lambda d: d["pxe_config"] is None)


def test_bmm_environment_is_set_from_suggestions_or_anew_and_has_no_rider(place, rack):
    page = place.open()
    dialog = press(page, "Environment…")
    expect(dialog.get_by_label("Comment", exact=True)).to_have_count(0)
    expect(dialog.get_by_label("Environment")).to_have_value("demo")
    assert dialog.locator("datalist option").evaluate_all("options => options.map((one) => one.value)") == rack.call("environment/list")["environments"]
    dialog.get_by_label("Environment").fill("")
    expect(dialog.get_by_role("button", name="Set environment")).to_be_disabled()
    dialog.get_by_label("Environment").fill("elsewhere")
    dialog.get_by_role("button", name="Set environment").click()
    place.until_all("to be elsewhere", lambda d: d["environment"] == "elsewhere")


def test_bmm_ping_tells_who_answers_and_who_does_not(place, rack):
    page = place.open()
    press(page, "Ping")
    expect(page.get_by_role("region", name="Messages")).to_contain_text("Ping: all 2 done" if place.kind == "devices" else "Ping: board-001")
    fqdn = rack.device("board-001")["fqdn"]
    rack.call("device/board-001", {"fqdn": "no-such-board.invalid"}, method="PUT")
    try:
        place.pick(page)
        press(page, "Ping")
        expect(page.get_by_role("alert").filter(has_text="board-001: does not answer")).to_be_visible()
    finally:
        rack.call("device/board-001", {"fqdn": fqdn}, method="PUT")


def test_each_question_can_be_left_and_then_nothing_is_done(place, rack, accessible):
    page = place.open()
    was = rack.device("board-001")
    for title, rider in QUESTIONS.items():
        dialog = press(page, title)
        assert dialog.get_by_role("checkbox", name="Set this comment").count() == int(rider), title
        if rider:
            dialog.get_by_label("Comment", exact=True).fill("never mind")
            dialog.get_by_role("checkbox", name="Set this comment").uncheck()
        expect(dialog).to_contain_text("2 devices: board-001, board-002." if place.kind == "devices" else "board-001.")
        accessible(page)
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        assert rack.device("board-001") == was, title


def test_a_question_about_a_board_that_somebody_has_says_so(place, rack):
    number = rack.request("board-001", assignee="ann@example.com")
    try:
        wait_for("the board to be ann's", lambda: rack.call(f"request/{number}/status")["state"] == "ready")
        page = place.open()
        expect(press(page, "Power off…")).to_contain_text("In use: board-001 (ann@example.com)")
    finally:
        rack.call(f"request/{number}/return", {})


def test_jobs_are_counted_while_they_are_queued(place, rack):
    page = place.open()
    held = []
    page.route("**/set-comments/", lambda route: held.append(route))
    confirm_comment(page)
    expect(page.get_by_text(f"{len(place.boards)} jobs queued" if len(place.boards) > 1 else "1 job queued")).to_be_visible()
    wait_for("the calls to be on their way", lambda: page.evaluate("1") and len(held) == len(place.boards))
    for route in held:
        route.continue_()
    expect(page.get_by_text(re.compile("jobs? queued"))).to_be_hidden()
    for name in place.boards:
        until_comment(rack, name, "counted")


def confirm_comment(page):
    dialog = press(page, "Comments…")
    dialog.get_by_label("Comment", exact=True).fill("counted")
    dialog.get_by_role("button", name="Set comments").click()
