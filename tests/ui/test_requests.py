"""The list of requests: the original's mozpool page."""

import re

import pytest
from playwright.sync_api import expect
from rack import wait_for

NOWHERE = {"environment": "nowhere", "queue_limit": 3000}
EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


def row(page, number):
    """The line of a request."""
    return page.locator(f"tr[data-key='{number}']")


def state(rack, number):
    return rack.call(f"request/{number}/details")["state"]


def expires(rack, number):
    return rack.call(f"request/{number}/details")["expires"]


@pytest.fixture
def asked(rack):
    """Makes requests that are returned when the test is over: `asked(assignee="ann")`."""
    made = []

    def ask(device="any", **more):
        made.append(rack.request(device, **more))
        return made[-1]

    yield ask
    for number in made:
        rack.call(f"request/{number}/return", {})


def ready(rack, number):
    wait_for(f"request {number} to be ready", lambda: state(rack, number) == "ready")
    return rack.call(f"request/{number}/details")


def test_a_request_shows_all_that_the_original_page_did_and_why_it_waits(rack, asked, open_page):
    held, waiting = asked(assignee="ann"), asked(assignee="bob", **NOWHERE)
    board = ready(rack, held)["assigned_device"]
    page = open_page("requests")
    line = row(page, held)
    for text in ["ready", "any", board, "ann", "demo"]:
        expect(line).to_contain_text(text)
    expect(line.get_by_role("link", name=f"#{held}")).to_have_attribute("href", f"/ui/requests/{held}")
    expect(line.get_by_role("link", name=board)).to_have_attribute("href", f"/ui/devices/{board}")
    # Counts down, and says the time in UTC on pointing.
    expect(line.locator("[data-column=expires] span")).to_have_text(re.compile(r"^59:\d\d min$"))
    utc = expires(rack, held)[:19].replace("T", " ")
    expect(line.locator("[data-column=expires] span")).to_have_attribute("title", f"{utc} UTC")
    why = row(page, waiting).locator("[data-column=waiting]")
    expect(why).to_contain_text("No board: of 6, 6 are of another environment")
    expect(row(page, waiting)).to_contain_text("looks for a board")
    expect(page.get_by_text("2 shown, 1 waiting")).to_be_visible()


def test_the_state_of_the_assigned_device_is_shown_while_it_is_prepared(rack, asked, open_page):
    page = open_page("requests")
    number = asked()
    line = row(page, number)
    expect(line).to_contain_text("board is prepared")
    expect(line.locator("[data-column=assigned] .state")).to_have_text(re.compile("power cycle|boots|image|system"))
    expect(line.locator("[data-column=state]")).to_have_text("ready")
    expect(line.locator("[data-column=assigned] .state")).to_have_count(0)


def test_links_lead_to_the_logs_in_a_window_of_their_own(asked, open_page):
    number = asked(**NOWHERE)
    page = open_page("requests")
    for link in [row(page, number).get_by_role("link", name="any"), row(page, number).get_by_role("link", name="log")]:
        expect(link).to_have_attribute("href", f"/ui/log?request={number}")
        with page.context.expect_page() as opened:
            link.click()
        opened.value.close()


def test_include_closed_requests(rack, asked, open_page):
    old, new = asked(assignee="old", **NOWHERE), asked(**NOWHERE)
    rack.call(f"request/{old}/return", {})
    page = open_page("requests")
    expect(row(page, new)).to_be_visible()
    expect(row(page, old)).to_have_count(0)
    box = page.get_by_label("Include closed requests")
    box.check()
    expect(row(page, old)).to_contain_text("returned")
    # What is closed cannot be closed again.
    expect(row(page, old).get_by_role("checkbox")).to_have_count(0)
    expect(row(page, new).get_by_role("checkbox")).to_have_count(1)
    page.reload()
    expect(row(page, old)).to_be_visible()
    # A request that ends stays, since it was asked for.
    rack.call(f"request/{new}/return", {})
    expect(row(page, new)).to_contain_text("returned")
    box.uncheck()
    expect(row(page, old)).to_have_count(0)
    expect(row(page, new)).to_have_count(0)


def test_close_requests(rack, asked, open_page):
    numbers = [asked(assignee="ann"), asked(assignee="bob", **NOWHERE)]
    board = ready(rack, numbers[0])["assigned_device"]
    page = open_page("requests")
    close = page.get_by_role("button", name="Close requests")
    expect(close).to_have_count(0)
    for number in numbers:
        page.get_by_role("checkbox", name=f"Select request {number}").check()
    expect(page.get_by_text("2 requests", exact=True)).to_be_visible()
    close.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"{board} (ann)")
    dialog.get_by_role("button", name="Cancel").click()
    assert state(rack, numbers[0]) == "ready"
    close.click()
    dialog.get_by_role("button", name="Close requests").click()
    for number in numbers:
        expect(row(page, number)).to_have_count(0)
        assert state(rack, number) == "closed"
    expect(page.get_by_text("Close requests: all 2 done")).to_be_visible()
    page.get_by_role("button", name="Put this message away").click()
    # What was submitted is not selected any more.
    expect(close).to_have_count(0)


def test_renew_requests(rack, asked, open_page):
    numbers = [asked(**NOWHERE), asked(**NOWHERE)]
    before = [expires(rack, number) for number in numbers]
    page = open_page("requests")
    page.get_by_role("checkbox", name="Select all shown").check()
    length = page.get_by_label("Renew for seconds, or such as 1h30m")
    renew = page.get_by_role("button", name="Renew requests")
    expect(length).to_have_value("3600")
    length.fill("soon")
    expect(renew).to_be_disabled()
    expect(page.get_by_text("write seconds, or such as 90m, 1h30m, 2d")).to_be_visible()
    length.fill("1h30m")
    renew.click()
    for number, was in zip(numbers, before):
        wait_for("it to end half an hour later", lambda: expires(rack, number) > was)
        expect(row(page, number).locator("[data-column=expires]")).to_contain_text("1 h 29 min")
    expect(renew).to_have_count(0)


def test_what_is_refused_says_why_in_the_words_of_the_api(rack, asked, open_page):
    number = asked(**NOWHERE)
    page = open_page("requests")
    page.get_by_role("checkbox", name=f"Select request {number}").check()
    page.get_by_label("Renew for seconds, or such as 1h30m").fill("900d")
    page.get_by_role("button", name="Renew requests").click()
    expect(page.get_by_role("alert")).to_contain_text("duration is 77760000; it should be 1 to")


def test_filters_narrow_the_list_and_stay_in_the_address(asked, open_page):
    ann, bob = asked(assignee="ann", **NOWHERE), asked(assignee="bob")
    page = open_page("requests")
    expect(row(page, ann)).to_be_visible()
    page.get_by_label("Assignee", exact=True).select_option("bob")
    expect(row(page, ann)).to_have_count(0)
    expect(row(page, bob)).to_be_visible()
    page.reload()
    expect(row(page, bob)).to_be_visible()
    expect(row(page, ann)).to_have_count(0)
    page.get_by_label("Assignee", exact=True).select_option("")
    page.get_by_label("State", exact=True).select_option("looks for a board")
    expect(row(page, bob)).to_have_count(0)
    page.get_by_label("State", exact=True).select_option("")
    page.get_by_label("Image", exact=True).select_option("demo")
    expect(row(page, bob)).to_be_visible()
    page.keyboard.press("Escape")
    search = page.get_by_placeholder("Search requests")
    search.fill("nowhere ann")
    expect(row(page, bob)).to_have_count(0)
    expect(row(page, ann)).to_be_visible()
    search.fill("no such words")
    expect(page.get_by_text("No request fits.")).to_be_visible()
    page.get_by_role("link", name="Ask for a board").click()
    expect(page.locator("main h1")).to_have_text("New request")


def test_requests_of_another_server_are_told_apart(rack, asked, open_page):
    here, there = asked(assignee="ann", **NOWHERE), asked(assignee="bob", **NOWHERE)
    own = rack.call(f"request/{here}/details")["imaging_server"]
    page = open_page("requests")

    def moved(route):
        rows = rack.call("request/list/")["requests"]
        route.fulfill(json={"requests": [{**one, "imaging_server": "imaging-2"} if one["id"] == there else one for one in rows]})

    page.route("**/api/request/list/", moved)
    page.goto(f"{rack.url}/ui/requests?server=imaging-2")
    expect(row(page, there)).to_contain_text("imaging-2")
    expect(row(page, here)).to_have_count(0)
    page.get_by_label("Server", exact=True).select_option(own)
    expect(row(page, here)).to_be_visible()
    expect(row(page, there)).to_have_count(0)


def test_only_mine_asks_once_who_i_am(asked, open_page):
    mine, other = asked(assignee="me@example.com", **NOWHERE), asked(assignee="other", **NOWHERE)
    page = open_page("requests")
    box = page.get_by_label("Only mine")
    box.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(box).not_to_be_checked()
    box.click()
    page.get_by_role("dialog").get_by_label("Assignee").fill("me@example.com")
    page.get_by_role("dialog").get_by_role("button", name="Show mine").click()
    expect(row(page, other)).to_have_count(0)
    expect(row(page, mine)).to_be_visible()
    page.reload()
    expect(row(page, mine)).to_be_visible()
    expect(row(page, other)).to_have_count(0)
    box.uncheck()
    expect(row(page, other)).to_be_visible()


def test_columns_sort_and_shift_selects_a_range(asked, open_page):
    numbers = [asked(assignee=name, **NOWHERE) for name in ("a", "b", "c", "d")]
    page = open_page("requests")
    order = lambda: [int(line.get_attribute("data-key")) for line in page.locator("tr[data-key]").all()]  # noqa: E731
    expect(row(page, numbers[3])).to_be_visible()
    assert order() == numbers[::-1]
    for column in ["state", "requested", "assigned", "image", "expires", "waiting", "environment", "server", "id", "assignee"]:
        page.locator(f"th[data-column={column}]").get_by_role("button").click()
        expect(page.locator(f"th[data-column={column}]")).to_have_attribute("aria-sort", "ascending")
    assert order() == numbers
    page.get_by_role("checkbox", name=f"Select request {numbers[0]}").click()
    page.get_by_role("checkbox", name=f"Select request {numbers[2]}").click(modifiers=["Shift"])
    expect(page.get_by_text("3 requests", exact=True)).to_be_visible()


def test_a_double_click_and_enter_lead_to_the_request(asked, open_page):
    number = asked(**NOWHERE)
    page = open_page("requests")
    row(page, number).locator("[data-column=image]").dblclick()
    expect(page.locator("main h1")).to_have_text(f"Request {number}")
    page.go_back()
    page.get_by_role("checkbox", name=f"Select request {number}").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text(f"Request {number}")


def test_new_request_is_a_click_and_a_key_away(open_page):
    page = open_page("requests")
    page.get_by_role("link", name="New request").click()
    expect(page.locator("main h1")).to_have_text("New request")
    page = open_page("requests")
    page.keyboard.press("n")
    expect(page.locator("main h1")).to_have_text("New request")


def test_a_name_with_markup_in_it_stays_text(asked, open_page):
    number = asked(assignee=EVIL, **NOWHERE)
    page = open_page("requests")
    expect(row(page, number).locator("[data-column=assignee]")).to_have_text(EVIL)
    expect(page).to_have_title("Requests · Mozpool")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_is_accessible_and_fits(rack, asked, open_page, accessible, shoot, look):
    first = asked(assignee="ci-job-4711@example.com")
    asked(assignee="ann@example.com", **NOWHERE)
    ready(rack, first)
    page = open_page("requests", look=look)
    expect(page.get_by_text("No board: of 6")).to_be_attached()
    page.get_by_role("checkbox", name=f"Select request {first}").check()
    accessible(page)
    shoot(page, f"requests-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
