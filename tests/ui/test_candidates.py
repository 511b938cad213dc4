"""Boards that are no devices: listed as they turn to the pool, accepted by a form, put aside."""

import re
import socket

import pytest
from boards import HOSTILE, is_text
from playwright.sync_api import expect
from rack import wait_for
from urllib.parse import quote

LOADER = "02:00:5e:00:00:01"
AGENT = "02:00:5e:00:00:02"


def listens(rack, service):
    """Where a service of the demo's listens."""
    services = {one["name"]: one for one in rack.call("health")["services"]}
    host, port = services[service]["listens"][0].split("//")[1].rsplit(":", 1)
    return host, int(port)


def boot(rack, mac):
    """A boot loader asks for its config, by TFTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as board:
        board.sendto(b"\0\1pxelinux.cfg/01-" + mac.replace(":", "-").encode() + b"\0octet\0", listens(rack, "tftp"))


def register(rack, mac, **words):
    """An agent registers."""
    line = "&".join([f"register NAME={quote(mac)}", *(f"{key.upper()}={quote(value)}" for key, value in words.items())])
    with socket.create_connection(listens(rack, "registration"), timeout=20) as agent:
        agent.sendall(line.encode() + b"\n")
        assert agent.makefile().read() == "OK\n"


def candidates(rack):
    return {one["mac"]: one for one in rack.call("candidate/list?ignored=1")["candidates"]}


def line(page, mac):
    """The row of a candidate."""
    return page.locator(f"tr[data-key='{mac}']")


@pytest.fixture(autouse=True)
def strangers(rack):
    """One board that asked for its config and one whose agent has spoken, neither ignored."""
    boot(rack, LOADER)
    register(rack, AGENT, os="Android 2.2", hardware=HOSTILE[:60], pool="shelf", ipaddr="127.0.0.1", cmdport="20701")
    wait_for("both to be noted", lambda: {LOADER, AGENT} <= set(candidates(rack)))
    for mac in (LOADER, AGENT):
        rack.call(f"candidate/{mac}/ignore?undo=1", {})


def test_they_are_listed_searched_and_sorted_while_somebody_looks(open_page, rack):
    page = open_page("admin/candidates")
    expect(line(page, LOADER)).to_contain_text("pxelinux.cfg/01-02-00-5e-00-00-01")
    expect(line(page, AGENT)).to_contain_text("Android 2.2, pool shelf")
    is_text(page, line(page, AGENT), HOSTILE[:30])
    for head in page.locator("th[data-column] button").all():
        head.click()
        expect(page.locator("th[aria-sort]")).to_have_count(1)
    search = page.get_by_placeholder("Search candidates")
    search.fill("SHELF")
    expect(page.locator("tr[data-key]")).to_have_count(1)
    search.fill("no such words")
    expect(page.get_by_text("every board that has turned to this pool is known")).to_be_visible()
    search.fill("")
    register(rack, "02:00:5e:00:00:03", os="later")
    expect(line(page, "02:00:5e:00:00:03")).to_contain_text("later")


def test_what_is_no_board_is_ignored_and_shown_again(open_page, rack):
    page = open_page("admin/candidates")
    line(page, LOADER).get_by_role("button", name="Ignore").click()
    expect(line(page, LOADER)).to_have_count(0)
    assert candidates(rack)[LOADER]["ignored"]
    page.get_by_label("Ignored, too").check()
    line(page, LOADER).get_by_role("button", name="Show again").click()
    expect(line(page, LOADER).get_by_role("button", name="Ignore")).to_be_visible()
    assert not candidates(rack)[LOADER]["ignored"]
    page.reload()
    expect(page.get_by_label("Ignored, too")).to_be_checked()
    page.get_by_label("Ignored, too").uncheck()
    line(page, LOADER).get_by_role("link", name="Accept").click()
    page.locator(".head").get_by_role("button", name="Ignore").click()
    expect(page.locator("main h1")).to_have_text("Admin")
    wait_for("it to be ignored", lambda: candidates(rack)[LOADER]["ignored"])
    page.goto(f"{rack.url}/ui/admin/candidates/{LOADER}")
    expect(page.get_by_role("button", name="Review and accept")).to_be_visible()
    expect(page.locator(".head").get_by_role("button", name="Ignore")).to_have_count(0)


def test_the_overview_sends_an_operator_there(open_page, rack):
    page = open_page()
    advice = page.locator("ol.next > li").filter(has_text="new here")
    expect(advice).to_contain_text(AGENT)
    # It hears of a change, rather than ask for everything again, which it does now and then.
    asked, heard = [], []
    page.on("request", lambda request: asked.append(request.url))
    for undo, seen in [("", False), ("?undo=1", True)] * 2:
        asked.clear()
        rack.call(f"candidate/{AGENT}/ignore{undo}", {})
        (expect(advice).to_contain_text if seen else expect(advice).not_to_contain_text)(AGENT)
        heard.append(not any("relay/list" in url for url in asked))
    assert any(heard)
    advice.get_by_role("link", name="Candidates").click()
    page.wait_for_url("**/ui/admin/candidates")
    expect(line(page, AGENT)).to_be_visible()


def test_a_board_is_accepted_by_a_form_that_knows_what_is_known(open_page, rack):
    spare = rack.device("board-003")
    rack.call("device/board-003?force=1", method="DELETE")
    register(rack, spare["mac"], hardware="emulated", ipaddr=spare["fqdn"])
    wait_for("it to be noted", lambda: spare["mac"] in candidates(rack))
    page = open_page("admin/candidates")
    line(page, spare["mac"]).locator("td").nth(2).dblclick()
    known = page.get_by_role("region", name="What is known")
    expect(known).to_contain_text("emulated")
    expect(page.get_by_label("Address", exact=True)).to_have_value(spare["fqdn"])
    expect(page.get_by_label("Name", exact=True)).to_have_value("board-" + spare["mac"].replace(":", "")[6:])
    page.get_by_label("Name", exact=True).fill("board-001")
    page.get_by_role("button", name="Review and accept").click()
    expect(page.get_by_text("board-001 is there already")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("board-003")
    page.get_by_label("Address", exact=True).fill("elsewhere")
    page.get_by_label("Address", exact=True).fill(spare["fqdn"])
    page.get_by_label("Relay", exact=True).fill(spare["relay_info"])
    page.get_by_label("Environment").fill("demo")
    page.get_by_label("Hardware type").fill("nonsense")
    page.get_by_role("button", name="Review and accept").click()
    expect(page.get_by_text(re.compile("there is no hardware type"))).to_be_visible()
    page.get_by_label("Hardware type").fill(spare["hardware_type"])
    page.get_by_label("Hardware model").fill("any")
    page.get_by_label("Hardware model").fill(spare["hardware_model"])
    page.get_by_label("Processor").fill("armv7")
    page.get_by_label("Tags").fill("new, wifi")
    page.get_by_label("Comments").fill("by the door")
    expect(page.get_by_label("State to begin in")).to_have_value("new")
    page.get_by_label("State to begin in").select_option("new")
    page.get_by_role("button", name="Review and accept").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("device board-003: new")
    dialog.get_by_role("button", name="Cancel").click()
    assert spare["mac"] in candidates(rack)
    page.get_by_role("button", name="Review and accept").click()
    dialog.get_by_role("button", name="Accept", exact=True).click()
    page.wait_for_url("**/ui/devices/board-003")
    device = rack.until_state("board-003", "ready")
    assert (device["mac"], device["tags"], device["comments"]) == (spare["mac"], ["new", "wifi"], "by the door")
    assert spare["mac"] not in candidates(rack)
    # Another window's form of it says that there is nothing left to do.
    page.goto(f"{rack.url}/ui/admin/candidates/{spare['mac']}")
    expect(page.get_by_text("it is a device now")).to_be_visible()
    page.locator("#page .notice ~ p a").click()
    expect(line(page, AGENT)).to_be_visible()
    line(page, AGENT).get_by_role("link", name=AGENT, exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(line(page, AGENT)).to_be_visible()


def test_a_server_that_says_no_is_repeated(open_page, rack):
    page = open_page("admin/candidates")
    expect(line(page, AGENT)).to_be_visible()
    page.route("**/ignore", lambda route: route.fulfill(status=503, json={"error": {"code": "busy", "message": "all are busy"}}))
    line(page, AGENT).get_by_role("button", name="Ignore").click()
    expect(page.get_by_text("all are busy")).to_be_visible()
    expect(line(page, AGENT).get_by_role("button", name="Ignore")).to_be_enabled()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("path", ["candidates", f"candidates/{AGENT}"])
def test_it_is_accessible_and_fits(open_page, accessible, shoot, look, path):
    page = open_page(f"admin/{path}", look=look)
    expect(page.locator("tr[data-key], form").first).to_be_visible()
    accessible(page)
    shoot(page, f"admin-{re.sub('[:/]', '-', path)}-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
