"""Administration: everything that there is, made, changed and deleted, always after a look at what would change."""

import json
import re

import pytest
from playwright.sync_api import expect
from rack import Refused, wait_for

KINDS = {"images": "Images", "pxe": "PXE configs", "hardware": "Hardware types", "relays": "Relay boards", "devices": "Devices", "candidates": "Candidates", "lab": "Lab file", "tokens": "Tokens", "audit": "Audit log"}
EVIL = "<script>document.title='evil'</script>"


def gone(rack, path):
    """Whether there is nothing there."""
    try:
        rack.call(path)
    except Refused as refused:
        return refused.status == 404
    return False


def line(page, name):
    """The row of a list that begins with this name."""
    return page.locator("tr[data-key]").filter(has=page.get_by_role("link", name=name, exact=True))


def confirm(page, *changes):
    """Says yes to a dialog that tells these changes."""
    dialog = page.get_by_role("dialog")
    for change in changes:
        expect(dialog).to_contain_text(change)
    dialog.get_by_role("button").last.click()
    expect(dialog).to_have_count(0)


def wrong(page, label):
    """What is said beside a field."""
    return page.locator(f"#{page.get_by_label(label, exact=True).get_attribute('id')}-wrong")


def make(page):
    page.get_by_role("button", name="Review and make").click()


def save(page):
    page.get_by_role("button", name="Review and save").click()


def test_every_kind_is_a_tab_with_its_list(rack, open_page):
    page = open_page("admin")
    for name, title in KINDS.items():
        page.get_by_role("navigation", name="Kinds").get_by_role("link", name=title).click()
        assert page.url.endswith(f"/ui/admin/{name}")
        expect(page.get_by_role("navigation", name="Kinds").locator("[aria-current=page]")).to_have_text(title)
    page.goto(f"{rack.url}/ui/admin/images")
    # Hidden ones, too, since they are looked after here.
    for image in ("demo", "maintenance", "self-test"):
        expect(line(page, image)).to_be_visible()
    expect(line(page, "self-test")).to_contain_text("hidden")


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in ("candidates", "lab", "tokens", "audit")])
def test_lists_are_searched_and_sorted_and_lead_to_forms(open_page, kind):
    page = open_page(f"admin/{kind}")
    rows = page.locator("tr[data-key]")
    expect(rows).not_to_have_count(0)
    for head in page.locator("th[data-column] button").all():
        head.click()
        expect(page.locator("th[aria-sort]")).to_have_count(1)
    name = rows.first.get_by_role("link").first.inner_text()
    search = page.get_by_placeholder(f"Search {KINDS[kind].lower()}")
    search.fill("no such words")
    expect(page.get_by_text("here. Make one.")).to_be_visible()
    page.get_by_role("link", name="Make one").click()
    expect(page.locator("main h1")).to_contain_text("New ")
    page.get_by_role("button", name="Cancel").click()
    search.fill(name)
    line(page, name).get_by_role("link").first.click()
    expect(page.locator("main h1")).to_contain_text(name)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("main h1")).to_have_text("Admin")
    page.locator("tr[data-key] td").nth(1).dblclick()
    expect(page.get_by_role("button", name="Review and save")).to_be_visible()


def test_an_image_is_made_changed_and_deleted(rack, open_page):
    page = open_page("admin/images")
    page.get_by_role("link", name="New image").click()
    page.get_by_label("Name", exact=True).fill("debian")
    page.get_by_label("Check", exact=True).fill("tcp:22")
    page.get_by_label("Second stage").fill("write-image.sh")
    page.get_by_label("Boot config keys").fill("url, sha256")
    page.get_by_label("Boot config defaults").fill('{"size": 7}')
    page.get_by_label("A board that has it is only power-cycled").check()
    page.get_by_label("Hidden").check()
    page.get_by_label("Time limits").fill("image_extracting = 1200\npxe_booting = 90")
    page.get_by_label("all other hardware").select_option("local-boot")
    make(page)
    expect(page.get_by_role("dialog")).to_contain_text("image debian: new")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    wait_for("it to be gone", lambda: gone(rack, "image/debian"))
    make(page)
    confirm(page, "image debian: new")
    expect(line(page, "debian")).to_contain_text("url, sha256")
    image = rack.call("image/debian")
    assert image == {
        "name": "debian", "check": "tcp:22", "second_stage": "write-image.sh", "boot_config_keys": ["url", "sha256"], "boot_config_defaults": {"size": 7},
        "can_reuse": True, "hidden": True, "limits": {"image_extracting": 1200, "pxe_booting": 90}, "pxe": {"emulated board": "local-boot"},
    }

    line(page, "debian").get_by_role("link").first.click()
    save(page)
    expect(page.get_by_text("Nothing would change.")).to_be_visible()
    page.get_by_label("Hidden").uncheck()
    page.get_by_label("emulated board").select_option("image")
    page.get_by_label("Boot config defaults").fill("")
    save(page)
    confirm(page, "image debian: ")
    expect(page.get_by_text("debian is changed.")).to_be_visible()
    after = rack.call("image/debian")
    assert (after["hidden"], after["pxe"], after["boot_config_defaults"], after["can_reuse"]) == (False, {"emulated board": "image"}, {}, True)

    page.get_by_role("button", name="Delete").click()
    confirm(page, "image debian: deleted")
    expect(line(page, "debian")).to_have_count(0)
    wait_for("it to be gone", lambda: gone(rack, "image/debian"))


def test_what_is_wrong_stands_beside_its_field(rack, open_page):
    page = open_page("admin/images/%2Bnew")
    make(page)
    expect(wrong(page, "Name")).to_contain_text("this is needed")
    page.get_by_label("Name", exact=True).fill("demo")
    make(page)
    # Whoever makes one does not want to change what is there.
    expect(wrong(page, "Name")).to_contain_text("image demo is there already")
    page.get_by_label("Name", exact=True).fill("x")
    page.get_by_label("Check", exact=True).fill("knock")
    make(page)
    expect(wrong(page, "Check")).to_contain_text("knock")
    page.get_by_label("Check", exact=True).fill("ping")
    page.get_by_label("Boot config defaults").fill("{")
    page.get_by_label("Time limits").fill("pxe_booting: 90")
    make(page)
    expect(wrong(page, "Boot config defaults")).to_contain_text("this is not JSON")
    expect(wrong(page, "Time limits")).to_contain_text("should be a state and seconds")
    page.get_by_label("Boot config defaults").fill("[]")
    page.get_by_label("Time limits").fill("asleep = 90")
    make(page)
    expect(wrong(page, "Boot config defaults")).to_contain_text("should be a JSON object")
    page.get_by_label("Boot config defaults").fill("")
    make(page)
    expect(wrong(page, "Time limits")).to_contain_text("asleep")
    page = open_page("admin/devices/%2Bnew")
    page.get_by_label("Name", exact=True).fill("new-1")
    page.get_by_label("Address", exact=True).fill("10.0.0.9")
    for label, text in [("MAC address", "zz"), ("Relay", "nowhere"), ("Hardware type", "no-such-type")]:
        page.get_by_label(label, exact=True).fill(text)
        make(page)
        expect(wrong(page, label)).to_contain_text(text)
        page.get_by_label(label, exact=True).fill("")
    page.get_by_label("Inventory number").fill("many")
    make(page)
    expect(wrong(page, "Inventory number")).to_have_text("a whole number")
    wait_for("it to be gone", lambda: gone(rack, "device/new-1"))


def test_a_pxe_config_is_written_with_a_look_at_what_a_board_would_read(rack, open_page):
    page = open_page("admin/pxe")
    page.get_by_role("link", name="New PXE config").click()
    page.get_by_label("Name", exact=True).fill("rescue")
    page.get_by_label("Description").fill("boots a rescue system")
    contents = page.get_by_label("Contents")
    rendered = page.get_by_label("Rendered text")
    contents.fill('[boot]\nkernel = "rescue/vmlinuz"\nargs = "who={{ device.name }} {{ boot_config.url }}"\n')
    page.get_by_label("For", exact=True).fill("board-002")
    expect(rendered).to_contain_text("append who=board-002 sample")
    # With what an image is told.
    page.get_by_label("Boot config of").select_option("demo")
    expect(rendered).to_contain_text("append who=board-002 /files/images/demo.img")
    contents.fill('[boot]\nkernel = "k"\nargs = "{{ devise.name }}"\n')
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_role("alert")).to_contain_text("undefined value")
    preview.get_by_role("button", name="Line 3").click()
    assert contents.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == 'args = "{{ devise.name }}"'
    make(page)
    expect(wrong(page, "Contents")).to_contain_text("line 3 of the text")
    page.get_by_label("For", exact=True).fill("nobody")
    expect(preview.get_by_role("alert")).to_contain_text("nobody")
    page.get_by_label("For", exact=True).fill("")
    expect(preview.get_by_role("alert")).to_contain_text("Name a board")
    page.get_by_label("Active").uncheck()
    contents.fill("plain {{ device.name }} " + EVIL)
    page.get_by_label("For", exact=True).fill("board-001")
    page.get_by_label("Boot config of").select_option("")
    expect(rendered).to_have_text(f"plain board-001 {EVIL}\n")
    make(page)
    confirm(page, "PXE config rescue: new")
    expect(line(page, "rescue")).to_be_visible()
    assert rack.call("bmm/pxe_config/rescue") == {
        "name": "rescue", "description": "boots a rescue system", "active": False, "contents": "plain {{ device.name }} " + EVIL,
    }
    line(page, "rescue").get_by_role("link").click()
    page.get_by_label("Active").check()
    page.get_by_label("Description").fill("")
    save(page)
    confirm(page, "PXE config rescue: ")
    wait_for("it to be active", lambda: rack.call("bmm/pxe_config/rescue")["active"])
    assert rack.call("bmm/pxe_config/rescue")["description"] == ""
    page.get_by_role("button", name="Delete").click()
    confirm(page, "PXE config rescue: deleted")
    expect(line(page, "rescue")).to_have_count(0)
    wait_for("it to be gone", lambda: gone(rack, "bmm/pxe_config/rescue"))


def test_a_hardware_type_with_a_model_is_made_changed_and_deleted(rack, open_page):
    page = open_page("admin/hardware")
    page.get_by_role("link", name="New hardware type").click()
    page.get_by_label("Type", exact=True).fill("panda")
    page.get_by_label("Model", exact=True).fill("ES Rev B2")
    page.get_by_label("Steady ping").fill("12")
    page.get_by_label("Time limits").fill("pxe_booting = 99")
    make(page)
    confirm(page, "hardware type panda ES Rev B2: new")
    line(page, "panda").get_by_role("link").click()
    expect(page.locator("main h1")).to_have_text("Hardware type panda ES Rev B2")
    where = "hardware_type/panda/ES%20Rev%20B2"
    assert rack.call(where) == {"type": "panda", "model": "ES Rev B2", "ping_steady_s": 12, "limits": {"pxe_booting": 99}}
    page.get_by_label("Steady ping").fill("13")
    page.get_by_label("Time limits").fill("")
    save(page)
    confirm(page, "hardware type panda ES Rev B2: ")
    wait_for("it to be changed", lambda: rack.call(where)["ping_steady_s"] == 13)
    assert rack.call(where)["limits"] == {}
    page.get_by_role("button", name="Delete").click()
    confirm(page, "deleted")
    expect(line(page, "panda")).to_have_count(0)
    wait_for("it to be gone", lambda: gone(rack, where))


def test_what_is_in_use_is_not_deleted_and_says_why(rack, open_page):
    page = open_page("admin/hardware/emulated%20board")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert").filter(has_text="cannot be deleted: devices are of this type")).to_be_visible()
    page = open_page("admin/images/self-test")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert").filter(has_text="cannot be deleted")).to_be_visible()
    assert not gone(rack, "image/self-test")


def test_a_relay_board_is_tested_made_changed_and_deleted(rack, open_page):
    page = open_page("admin/relays")
    page.get_by_role("button", name="Test relay-1").click()
    expect(line(page, "relay-1").get_by_role("status")).to_have_text("answers as it should")
    page.get_by_role("link", name="New relay board").click()
    page.get_by_label("Name", exact=True).fill("relay-9")
    page.get_by_label("Address", exact=True).fill("127.0.0.1:1")
    page.get_by_label("Imaging server").fill("demo")
    make(page)
    confirm(page, "relay board relay-9: new")
    page.get_by_role("button", name="Test relay-9").click()
    expect(line(page, "relay-9").get_by_role("status")).to_have_text("does not answer as it should")
    line(page, "relay-9").get_by_role("link").click()
    page.get_by_label("Address", exact=True).fill("127.0.0.1:2")
    save(page)
    confirm(page, "relay board relay-9: ")
    wait_for("it to be changed", lambda: rack.call("relay/relay-9")["fqdn"] == "127.0.0.1:2")
    page.get_by_role("button", name="Delete").click()
    confirm(page, "deleted")
    expect(line(page, "relay-9")).to_have_count(0)
    wait_for("it to be gone", lambda: gone(rack, "relay/relay-9"))


def test_a_device_is_made_changed_and_deleted(rack, open_page):
    rack.call("hardware_type/emulated%20board/B", {}, method="PUT")
    page = open_page("admin/devices")
    page.get_by_role("link", name="New device").click()
    for label, text in [("Name", "extra-1"), ("Address", "10.9.0.101"), ("MAC address", "0a:0b:0c:0d:0e:0f"), ("Environment", "lab"), ("Hardware type", "emulated board"),
                        ("Hardware model", "B"), ("Processor", "armv7"), ("Tags", "wifi, camera"), ("Comments", EVIL), ("Inventory number", "7"), ("Relay", ""), ("Imaging server", "demo")]:
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("State to begin in").select_option("locked_out")
    make(page)
    confirm(page, "device extra-1: new")
    expect(line(page, "extra-1")).to_contain_text("0a:0b:0c:0d:0e:0f")
    device = rack.device("extra-1")
    assert {key: device[key] for key in ("fqdn", "mac", "environment", "hardware_type", "hardware_model", "processor", "tags", "comments", "inventory_id", "state")} == {
        "fqdn": "10.9.0.101", "mac": "0a:0b:0c:0d:0e:0f", "environment": "lab", "hardware_type": "emulated board", "hardware_model": "B", "processor": "armv7", "tags": ["camera", "wifi"],
        "comments": EVIL, "inventory_id": 7, "state": "locked_out",
    }
    line(page, "extra-1").get_by_role("link").click()
    expect(page.get_by_label("Comments")).to_have_value(EVIL)
    page.get_by_label("Tags").fill("")
    page.get_by_label("Environment").fill("other")
    save(page)
    confirm(page, "device extra-1: ")
    wait_for("it to be changed", lambda: rack.device("extra-1")["environment"] == "other")
    assert rack.device("extra-1")["tags"] == []
    page.get_by_role("button", name="Delete").click()
    confirm(page, "device extra-1: deleted")
    expect(line(page, "extra-1")).to_have_count(0)
    wait_for("it to be gone", lambda: gone(rack, "device/extra-1"))
    rack.call("hardware_type/emulated%20board/B", method="DELETE")


def test_a_device_at_work_is_deleted_only_nevertheless(rack, open_page):
    rack.call("device/extra-2", {"fqdn": "10.9.0.102", "state": "locked_out"}, method="PUT")
    rack.put_into("extra-2", "pxe_booting")
    page = open_page("admin/devices/extra-2")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete extra-2 nevertheless?")
    expect(dialog).to_contain_text("cannot be deleted")
    dialog.get_by_role("button", name="Cancel").click()
    assert not gone(rack, "device/extra-2")
    page.get_by_role("button", name="Delete").click()
    confirm(page, "device extra-2: deleted")
    wait_for("it to be gone", lambda: gone(rack, "device/extra-2"))


def test_the_lab_is_exported(rack, open_page):
    page = open_page("admin/lab")
    for form, sign in [("toml", "[[device]]"), ("json", '"device": ['), ("csv", "name,")]:
        page.get_by_label("As", exact=True).select_option(form)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == f"lab.{form}"
        assert sign in download.value.path().read_text()


def test_a_lab_file_is_imported_after_a_look_at_what_would_change(rack, open_page, tmp_path):
    page = open_page("admin/lab")
    button = page.get_by_role("button", name="Import")
    expect(button).to_be_disabled()
    page.get_by_label("Text", exact=True).fill("[[device]]\nname = \"x\"\nmac = \"zz\"\n")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("alert").filter(has_text="zz")).to_be_visible()
    assert "zz" in page.get_by_label("Text", exact=True).evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")
    lab = tmp_path / "more.json"
    lab.write_text(json.dumps({"device": [{"name": "extra-3", "fqdn": "10.9.0.103", "state": "locked_out", "comments": EVIL}]}))
    page.get_by_label("File", exact=True).set_input_files(lab)
    expect(page.get_by_label("Type", exact=True)).to_have_value("json")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("device extra-3: new")).to_be_visible()
    expect(page.get_by_text("1 device new.")).to_be_visible()
    # What was changed after the look is not imported without another.
    page.get_by_label("Type", exact=True).select_option("toml")
    expect(button).to_be_disabled()
    page.get_by_label("Type", exact=True).select_option("json")
    page.get_by_role("button", name="Show what would change").click()
    button.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    wait_for("it to be gone", lambda: gone(rack, "device/extra-3"))
    button.click()
    confirm(page, "1 device new. All of it is written or none.")
    expect(page.get_by_text("Done: 1 device new.")).to_be_visible()
    assert rack.device("extra-3")["comments"] == EVIL
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("Nothing would change.")).to_be_visible()
    rack.call("device/extra-3", method="DELETE")


def test_what_is_not_there_says_so(open_page):
    page = open_page("admin/images/nothing")
    expect(page.get_by_text("there is no image")).to_be_visible()
    page.locator("#page .notice ~ p a").click()
    expect(page.locator("main h1")).to_have_text("Admin")
    page = open_page("admin/nothing")
    expect(page.get_by_text("There is nothing called nothing to look after.")).to_be_visible()
    page = open_page("admin/nothing/x")
    expect(page.get_by_text("There is nothing called nothing to look after.")).to_be_visible()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("path", ["images", "images/demo", "pxe/image", "relays", "devices", "lab"])
def test_it_is_accessible_and_fits(open_page, accessible, shoot, look, path):
    page = open_page(f"admin/{path}", look=look)
    expect(page.locator("tr[data-key], form, textarea").first).to_be_visible()
    if path == "pxe/image":
        expect(page.get_by_label("Rendered text")).to_contain_text("append mobile-imaging-url")
    accessible(page)
    shoot(page, f"admin-{re.sub('/', '-', path)}-{look}")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
