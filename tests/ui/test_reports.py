"""Reports: every choice, what is drawn, and the table beside it."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect
from rack import wait_for

REPORTS = {"status": "Status", "availability": "Availability", "ready": "Time to ready", "failures": "Failures", "use": "Use"}


@pytest.fixture(scope="module", autouse=True)
def past(rack):
    """Something to report of: a request that was ready and returned, and a board that has failed."""
    number = rack.request("board-001", assignee="ann")
    wait_for("the request to be ready", lambda: rack.call(f"request/{number}/details")["state"] == "ready")
    rack.call(f"request/{number}/return", {})
    rack.put_into("board-006", "failed_pxe_booting")
    wait_for("the failure to be counted", lambda: rack.call("report/failures?by=cause")["rows"])
    wait_for("the request to be counted", lambda: rack.call("report/ready?by=image")["rows"])


def column(page, name):
    """The texts of a column of the table."""
    return [cell.inner_text() for cell in page.locator(f"td[data-column={name}]").all()]


def figure(page, title):
    """A figure of the line above the chart."""
    return page.locator(".total div").filter(has=page.get_by_text(title, exact=True)).locator("dd")


def test_every_report_is_a_tab_with_a_chart_and_a_table(rack, open_page):
    page = open_page("reports")
    expect(page.locator("main h2")).to_have_text("Status")
    assert page.url.endswith("/ui/reports/status")
    listed = rack.call("report/list")["reports"]
    assert [report["title"] for report in listed] == list(REPORTS.values())
    for report in listed:
        page.get_by_role("navigation", name="Reports").get_by_role("link", name=report["title"], exact=True).click()
        expect(page.locator("main h2")).to_have_text(report["title"])
        expect(page.get_by_text(report["about"], exact=True)).to_be_visible()
        expect(page).to_have_title(f"Report: {report['name']} · Mozpool")
        # The chart says what it shows to those who hear the page, and the table has all its figures.
        expect(page.get_by_role("img", name=f"{report['title']} by {report['by'][0]}")).to_be_visible()
        rows = rack.call(f"report/{report['name']}")["rows"]
        expect(page.locator("tr[data-key]")).to_have_count(len(rows))


def test_status_is_live(rack, open_page):
    page = open_page("reports/status")
    expect(figure(page, "Devices")).to_have_text("6")
    out = int(figure(page, "Out").inner_text())
    rack.put_into("board-002", "locked_out")
    expect(figure(page, "Out")).to_have_text(str(out + 1))
    rack.put_into("board-002", "ready")
    expect(figure(page, "Out")).to_have_text(str(out))


@pytest.mark.parametrize("report", REPORTS)
def test_every_way_to_group(rack, open_page, report):
    page = open_page(f"reports/{report}")
    ways = next(one for one in rack.call("report/list")["reports"] if one["name"] == report)["by"]
    for way in ways:
        page.get_by_label("By", exact=True).select_option(way)
        expect(page.get_by_role("img", name=f"{REPORTS[report]} by {way}")).to_be_visible()
        answer = rack.call(f"report/{report}?by={way}")
        expect(page.locator("tr[data-key]")).to_have_count(len(answer["rows"]))
        expect(page.locator("th[data-column]")).to_have_count(len(answer["columns"]))
        assert sorted(column(page, way)) == sorted(row[way] or "(none)" for row in answer["rows"])
        page.locator(f"th[data-column={way}]").get_by_role("button").click()
        assert f"by={way}" in page.url
    # The address keeps what was chosen.
    page.reload()
    expect(page.get_by_label("By", exact=True)).to_have_value(ways[-1])


def test_figures_are_those_of_the_report(rack, open_page):
    page = open_page("reports/ready?by=assignee")
    row = next(row for row in rack.call("report/ready?by=assignee")["rows"] if row["assignee"] == "ann")
    line = page.locator("tr[data-key]").filter(has_text="ann")
    expect(line.locator("[data-column=count]")).to_have_text(str(row["count"]))
    expect(line.locator("[data-column=median]")).to_have_text(f"{round(row['median'])} s")
    page = open_page("reports/availability?by=device")
    expect(page.locator("tr[data-key]")).to_have_count(6)
    for text in column(page, "free"):
        assert re.fullmatch(r"\d+\.\d %", text)
    page.get_by_role("link", name="board-001").click()
    assert page.url.endswith("/ui/devices/board-001")


def test_the_window_is_seven_thirty_or_ninety_days(rack, open_page):
    page = open_page("reports/use")
    window = page.get_by_label("Time", exact=True)
    expect(window).to_have_value("30")
    for days in ("7", "90"):
        window.select_option(days)
        first = rack.call(f"report/use?days={days}")["from"]
        shown = page.evaluate("(at) => new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short'}).format(new Date(at))", first)
        expect(page.get_by_role("status").filter(has_text="From ")).to_contain_text(shown)
        assert f"days={days}" in page.url
        page.reload()
        expect(window).to_have_value(days)
    window.select_option("30")
    assert "days=" not in page.url


def test_own_dates(rack, open_page):
    page = open_page("reports/failures")
    expect(page.locator("tr[data-key]")).not_to_have_count(0)
    expect(page.get_by_label("from", exact=True)).to_have_count(1)
    expect(page.get_by_label("from", exact=True)).to_be_hidden()
    page.get_by_label("Time", exact=True).select_option("own")
    # They begin as the last window was.
    expect(page.get_by_label("from", exact=True)).not_to_have_value("")
    page.get_by_label("from", exact=True).fill("2020-01-01")
    page.get_by_label("to", exact=True).fill("2020-01-31")
    expect(page.get_by_text("Nothing happened in this time.")).to_be_visible()
    assert "from=2020-01-01" in page.url and "to=2020-01-31" in page.url
    page.reload()
    expect(page.get_by_label("from", exact=True)).to_have_value("2020-01-01")
    page.get_by_label("to", exact=True).fill("2019-01-31")
    # What is refused is said in the API's words.
    expect(page.get_by_role("alert")).to_contain_text("later than the end")


def test_columns_sort(open_page):
    page = open_page("reports/availability?by=device")
    expect(page.locator("tr[data-key]")).to_have_count(6)
    names = [f"board-00{n}" for n in range(1, 7)]
    page.locator("th[data-column=device]").get_by_role("button").click()
    assert column(page, "device") == names
    page.locator("th[data-column=device]").get_by_role("button").click()
    assert column(page, "device") == names[::-1]
    for head in page.locator("th[data-column]").all():
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", re.compile("ascending|descending"))


@pytest.mark.parametrize("report", REPORTS)
def test_csv_is_what_is_shown(rack, open_page, report):
    page = open_page(f"reports/{report}?days=7")
    expect(page.locator("tr[data-key]")).not_to_have_count(0)
    for head in page.locator("th[data-column]").all():
        head.get_by_role("button").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == f"{report}.csv"
    lines = list(csv.reader(io.StringIO(download.value.path().read_text())))
    assert lines[0] == [one["name"] for one in rack.call(f"report/{report}")["columns"]]
    assert len(lines) == 1 + page.locator("tr[data-key]").count()


def test_a_chart_is_as_wide_as_there_is_room(open_page):
    page = open_page("reports/status")
    chart = page.get_by_role("img")
    wide = chart.bounding_box()["width"]
    page.set_viewport_size({"width": 700, "height": 800})
    expect(chart).to_have_attribute("viewBox", re.compile(r"^0 0 6\d\d "))
    assert chart.bounding_box()["width"] < wide


def test_a_report_that_is_not_there_says_so(open_page):
    page = open_page("reports/nothing")
    expect(page.get_by_text("There is no report nothing.")).to_be_visible()


def test_a_name_with_markup_in_it_stays_text(rack, open_page):
    evil = "<img src=x onerror=alert(1)>"
    rack.call("device/board-005/set-environment", {"environment": evil})
    page = open_page("reports/status?by=environment")
    expect(page.get_by_role("cell", name=evil)).to_be_visible()
    rack.call("device/board-005/set-environment", {"environment": "demo"})


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("path", ["status", "availability?by=device", "ready?by=day", "failures"])
def test_it_is_accessible_and_fits(open_page, accessible, shoot, look, path):
    page = open_page(f"reports/{path}", look=look)
    expect(page.locator("tr[data-key]")).not_to_have_count(0)
    accessible(page)
    shoot(page, f"report-{path.partition('?')[0]}-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
