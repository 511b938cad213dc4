"""What tests of devices' pages share: boards that are picked and told what to do, images that want to be told something, and
boards that say something by syslog."""

import re
import socket
from urllib.parse import urlencode

from playwright.sync_api import expect
from rack import wait_for

#: An image whose second stage wants to be told where it is and how long; the demo's own file serves.
KEYED = "keyed"
KEYED_CONFIG = {"url": "/files/images/demo.img", "size": 1048576}
#: What must stay text wherever it is shown.
HOSTILE = "<script>alert(1)</script><img src=x onerror=\"document.title='broken into'\">"


def add_keyed_image(rack):
    """Makes that image, unless it is there."""
    demo = rack.call("image/demo/details")
    demo = demo.get("details", demo)
    fields = {key: demo[key] for key in ("check", "second_stage", "pxe")}
    rack.call(f"image/{KEYED}", {**fields, "boot_config_keys": sorted(KEYED_CONFIG)}, method="PUT")


def pick(page, *names):
    """Ticks boards in the list."""
    for name in names:
        page.get_by_role("checkbox", name=f"Select {name}").check()


def press(page, title):
    """Presses a button of the actions; gives the dialog that asks."""
    page.get_by_role("group", name="Actions").get_by_role("button", name=title, exact=True).click()
    dialog = page.get_by_role("dialog")
    if title.endswith("…"):
        dialog.wait_for()
    return dialog


def comment_of(rack, name):
    return rack.device(name)["comments"]


def until_comment(rack, name, comment):
    wait_for(f"the comment of {name} to be {comment!r}", lambda: comment_of(rack, name) == comment)


def lines_of(rack, name, **more):
    """A device's log."""
    return rack.call(f"device/{name}/log/?{urlencode(more)}")["log"]


def say(rack, name, *texts):
    """Sends lines by syslog from a board's own address, as the board does."""
    syslog = next(service for service in rack.call("health")["services"] if service["name"] == "syslog")
    host, port = next(where for where in syslog["listens"] if where.startswith("udp://")).removeprefix("udp://").rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as board:
        board.bind((rack.device(name)["fqdn"], 0))
        for text in texts:
            board.sendto(f"<14>{text}".encode(), (host, int(port)))
    last = texts[-1]
    wait_for(f"the log of {name} to have {last!r}", lambda: any(last in line["message"] for line in lines_of(rack, name, limit=50)))


def is_text(page, element, text):
    """The text is there as it was written, and has made nothing else of itself."""
    expect(element).to_contain_text(text)
    assert page.locator("main script, main img[src=x], dialog img[src=x], .messages img").count() == 0
    assert not re.search("broken into", page.title())
