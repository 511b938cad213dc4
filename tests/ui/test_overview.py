"""The overview: figures, queue, what a human should do next, recent changes, and what this server is."""

import socket

import pytest
from playwright.sync_api import expect
from rack import wait_for

BOARD = "board-001"


@pytest.fixture(autouse=True)
def as_it_was(rack):
    """Leaves all boards free, in one environment, and no request open."""
    yield
    for request in rack.call("request/list/")["requests"]:
        rack.call(f"request/{request['id']}/return", {})
    for device in rack.devices():
        if device["environment"] != "demo":
            rack.call(f"device/{device['name']}/set-environment", {"environment": "demo"})
        if device["state"] != "ready":
            rack.put_into(device["name"], "ready")
    rack.until_at_rest_of("board-")


def section(page, title):
    return page.get_by_role("region", name=title, exact=True)


def figure(page, title):
    return section(page, "Devices").get_by_role("link", name=title)


def advice(page, text):
    return section(page, "Next for a human").get_by_role("listitem").filter(has_text=text)


def test_the_figures_count_and_lead_to_the_devices(open_page, rack):
    page = open_page()
    expect(figure(page, "free")).to_contain_text("6100 %")
    number = rack.request(BOARD)
    rack.put_into("board-002", "failed_self_test")
    rack.call("device/board-003/event/please_offline", {})
    wait_for("the request to be ready", lambda: rack.call(f"request/{number}/status")["state"] == "ready")
    for title, text in [("free", "350 %"), ("in use", "117 %"), ("working", "00 %"), ("failed", "117 %"), ("out of service", "117 %")]:
        expect(figure(page, title)).to_contain_text(text)
    for title, group in [("free", "free"), ("in use", "used"), ("working", "working"), ("failed", "failed"), ("out of service", "out")]:
        figure(page, title).click()
        page.wait_for_url(f"**/ui/devices?group={group}")
        page.go_back()
        expect(page.locator("main h1")).to_have_text("Overview")


def test_the_matrix_counts_by_environment_and_hardware(open_page, rack):
    rack.call(f"device/{BOARD}/set-environment", {"environment": "wifi"})
    rack.put_into(BOARD, "failed_self_test")
    page = open_page()
    matrix = section(page, "By environment and hardware")
    wifi = matrix.get_by_role("row").filter(has=page.get_by_role("rowheader", name="wifi"))
    expect(wifi).to_contain_text("0 free of 1")
    expect(matrix.get_by_role("row").filter(has=page.get_by_role("rowheader", name="demo"))).to_contain_text("5 free of 5")
    expect(matrix.get_by_role("row").filter(has=page.get_by_role("rowheader", name="all"))).to_contain_text("5 free of 6")
    wifi.get_by_role("link", name="1 failed").click()
    page.wait_for_url("**/ui/devices?environment=wifi&hardware=emulated+board")


def test_the_queue_says_who_waits_and_why(open_page, rack):
    page = open_page()
    number = rack.request("any", assignee="<b>somebody</b>", environment="nowhere")
    waiting = section(page, "Waiting")
    expect(waiting).to_contain_text(f"#{number} <b>somebody</b>")
    expect(waiting).to_contain_text("6 are of another environment")
    expect(advice(page, f"Request #{number} of <b>somebody</b> cannot be served")).to_contain_text("There is no board at all")
    advice(page, f"Request #{number}").get_by_role("link", name="Request").click()
    page.wait_for_url(f"**/ui/requests/{number}")
    page.go_back()
    waiting.get_by_role("link", name=f"#{number}").click()
    page.wait_for_url(f"**/ui/requests/{number}")
    page.go_back()
    rack.call(f"request/{number}/return", {})
    expect(waiting).to_contain_text("No request waits for a board.")


def test_what_is_being_made_and_what_is_in_use(open_page, rack):
    page = open_page()
    # Seen on its way and when it has come, whatever the machine's speed.
    page.evaluate("""() => {
      window.seen = [];
      const place = document.querySelector("section[aria-labelledby='queue-being-made-ready']");
      new MutationObserver(() => seen.push(place.textContent)).observe(place, {subtree: true, childList: true, characterData: true});
    }""")
    number = rack.request(BOARD, assignee="ann")
    used = section(page, "In use")
    expect(used).to_contain_text(f"#{number} ann")
    expect(used).to_contain_text("59 min left")
    assert any(f"#{number} ann" in text and BOARD in text for text in page.evaluate("seen"))
    used.get_by_role("link", name=BOARD).click()
    page.wait_for_url(f"**/ui/devices/{BOARD}")
    page.go_back()
    page.get_by_role("link", name="New request").click()
    page.wait_for_url("**/ui/requests/new")


def test_more_requests_than_are_shown_are_a_link_away(open_page, rack):
    for _ in range(9):
        rack.request("any", environment="nowhere")
    page = open_page()
    section(page, "Waiting").get_by_role("link", name="all 9").click()
    page.wait_for_url("**/ui/requests")


def test_with_nothing_to_do_it_says_so(open_page):
    page = open_page()
    expect(section(page, "Next for a human")).to_contain_text("Nothing. All runs by itself.")


def test_boards_that_do_not_heal_are_told_by_cause(open_page, rack):
    page = open_page()
    rack.put_into(BOARD, "failed_pxe_booting")
    one = advice(page, "1 board will not heal by itself: board-001")
    expect(one).to_contain_text("never came up over the network")
    expect(one).to_contain_text("relay-1, bank 1, relay 1")
    one.get_by_role("link", name="Repair list").click()
    page.wait_for_url("**/ui/repair?state=failed_pxe_booting")
    expect(page.get_by_role("article", name=BOARD)).to_be_visible()


def test_a_relay_board_all_of_whose_boards_have_failed_is_one_cause(open_page, rack):
    for name in ("board-002", "board-004", "board-006"):
        rack.put_into(name, "failed_power_cycling")
    page = open_page()
    one = advice(page, "All 3 boards on relay-2 have failed")
    expect(one).to_be_visible()
    expect(advice(page, "will not heal")).to_have_count(0)
    one.get_by_role("link", name="Show relay-2").click()
    expect(page.get_by_role("region", name="relay-2")).to_be_visible()


def test_unknown_senders_are_told_with_what_they_say(open_page, rack):
    services = {one["name"]: one for one in rack.call("health")["services"]}
    host, port = services["syslog"]["listens"][0].removeprefix("udp://").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.66", 0))
        sender.sendto(b"<13>Jan  1 00:00:00 stranger kernel: <script>window.stolen=1</script>", (host, int(port)))
    wait_for("the sender to be known", lambda: rack.call("log/unknown")["senders"])
    page = open_page()
    advice(page, "1 unknown sender speaks to us by syslog").get_by_role("button", name="What they say").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("127.0.0.66")
    expect(dialog).to_contain_text("<script>window.stolen=1</script>")
    assert page.evaluate("window.stolen") is None
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    advice(page, "unknown sender").get_by_role("button").click()
    dialog.get_by_role("link", name="Devices in Admin").click()
    page.wait_for_url("**/ui/admin/devices")


def test_services_that_do_not_run_or_lose_things_come_first(open_page, rack):
    page = open_page("about")
    health = rack.call("health")
    health["services"] = [{**one, "state": "failed"} if one["name"] == "tftp" else one for one in health["services"]]
    next(one for one in health["services"] if one["name"] == "journal")["counters"]["lost"] = 12
    page.route("**/api/health", lambda route: route.fulfill(status=503, json={**health, "status": "failing"}))
    page.route("**/api/ready", lambda route: route.fulfill(status=503, json={"ready": False, "checks": [{"name": "store", "ok": False, "why": "it does not answer"}]}))
    page.goto(f"{rack.url}/ui/")
    lines = section(page, "Next for a human").get_by_role("listitem")
    expect(lines.nth(0)).to_contain_text("The service tftp does not run.")
    expect(lines.nth(1)).to_contain_text("store is not ready.")
    expect(advice(page, "12 log lines were lost.")).to_be_visible()
    lines.nth(0).get_by_role("button", name="Services").click()
    about = section(page, "About this server")
    expect(about).to_be_focused()
    expect(about.get_by_role("row", name="tftp failed")).to_be_visible()
    expect(about).to_contain_text("store: it does not answer")


def server(name, **more):
    """An imaging server, as the API tells of it."""
    return {
        "name": name, "url": "http://there.example.com:8080/", "alive": True, "last_seen": "2026-01-02T03:04:05Z", "started": None, "version": "0.1.0",
        "schema_version": 9, "protocol": 1, "devices": 2, "fault": None, **more,
    }


def test_the_pools_servers_and_what_to_do_about_one_that_is_gone(open_page, rack, shoot, accessible):
    [own] = rack.call("server/list")["servers"]
    assert (own["alive"], own["devices"]) == (True, 6)
    page = open_page()
    expect(section(page, "About this server")).to_contain_text(own["name"])
    expect(section(page, "Imaging servers")).to_have_count(0)

    fault = "it has schema version 8, and this server 9; install the newer program there"
    others = [server("imaging-2", alive=False), server("imaging-3", fault=fault), server("imaging-4", alive=False, last_seen=None, version=None, devices=0)]
    page.route("**/api/server/list", lambda route: route.fulfill(json={"servers": [own, *others]}))
    page.goto(f"{rack.url}/ui/")
    pool = section(page, "Imaging servers")
    for name, words in [(own["name"], "alive"), ("imaging-2", "gone"), ("imaging-3", "not spoken to"), ("imaging-4", "not seen yet")]:
        expect(pool.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))).to_contain_text(words)
    page.route("http://there.example.com:8080/**", lambda route: route.fulfill(content_type="text/html", body="<h1>Over there</h1>"))
    pool.get_by_role("link", name="imaging-2", exact=True).click()
    expect(page.locator("h1")).to_have_text("Over there")
    assert page.url == "http://there.example.com:8080/ui/"
    page.go_back()
    expect(advice(page, f"Server imaging-3 is not spoken to: {fault}.")).to_be_visible()
    expect(advice(page, "imaging-4")).to_have_count(0)
    accessible(page)
    shoot(page, "overview-pool")
    gone = advice(page, "Server imaging-2 is gone.")
    expect(gone).to_contain_text("Its 2 boards cannot be had until it is back")
    gone.get_by_role("link", name="Its devices").click()
    page.wait_for_url("**/ui/devices?server=imaging-2")
    page.go_back()
    pool.get_by_role("link", name=f"6 devices of {own['name']}").click()
    page.wait_for_url(f"**/ui/devices?server={own['name']}")


def test_recent_changes_in_words_the_newest_first(open_page, rack):
    page = open_page()
    rack.call(f"device/{BOARD}/event/please_offline", {})
    first = section(page, "Recent changes").get_by_role("listitem").first
    expect(first).to_contain_text("locked out")
    # The past is there for whoever comes later, too.
    page.reload()
    expect(section(page, "Recent changes").get_by_role("listitem").first).to_contain_text("locked out")
    assert section(page, "Recent changes").get_by_role("listitem").count() <= 20
    first.get_by_role("link", name=BOARD).click()
    page.wait_for_url(f"**/ui/devices/{BOARD}")


def test_the_index_three_layers_with_explanations_and_version(open_page, rack):
    page = open_page()
    about = section(page, "About this server")
    expect(about).to_contain_text(rack.call("version")["version"])
    expect(about).to_contain_text("all services and the store answer")
    about.locator("summary").click()
    for service in rack.call("health")["services"]:
        row = about.get_by_role("row").filter(has=page.get_by_role("rowheader", name=service["name"], exact=True))
        for address in service["listens"]:
            expect(row).to_contain_text(address)
    for layer, leads in [("Mozpool: Requests", "requests"), ("Lifeguard: Devices", "devices"), ("Black Mobile Magic: Rack", "rack")]:
        about.get_by_role("link", name=layer).click()
        page.wait_for_url(f"**/ui/{leads}")
        page.go_back()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_well_and_is_accessible(open_page, rack, shoot, accessible, look):
    rack.put_into("board-002", "failed_self_test")
    rack.request("any", environment="nowhere", assignee="ci-job-4711")
    number = rack.request(BOARD, assignee="ann@example.com")
    wait_for("the request to be ready", lambda: rack.call(f"request/{number}/status")["state"] == "ready")
    page = open_page(look=look)
    expect(section(page, "In use")).to_contain_text("ann@example.com")
    expect(advice(page, "will not heal")).to_be_visible()
    page.locator("summary").click()
    accessible(page)
    shoot(page, f"overview-{look}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
