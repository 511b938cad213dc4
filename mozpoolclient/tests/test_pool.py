# SPDX-License-Identifier: MPL-2.0
"""What a pool tells, and how it is found."""

import os
import signal
import threading

import mozpoolclient
import pytest
from covered import shows
from faults import nobody
from mozpoolclient import Mozpool, MozpoolException


@shows("Mozpool.devices", "Mozpool.device", "Mozpool.images", "Mozpool.environments", "Mozpool.version", "Mozpool.requests")
def test_what_there_is(rack, pool):
    assert [d["name"] for d in pool.devices()] == [f"board-{n:03}" for n in range(1, 7)]
    assert [d["name"] for d in pool.devices(q="board-003", state="ready")] == ["board-003"]
    assert pool.devices(environment="elsewhere") == []
    assert pool.device("board-002") == rack.device("board-002")
    with pytest.raises(MozpoolException) as missing:
        pool.device("../list")
    assert missing.value.code == "not_found"
    assert [image["name"] for image in pool.images()] == ["demo"]
    assert pool.environments() == ["demo"]
    assert pool.version() == rack.call("version")["version"]
    assert pool.requests() == []
    number = rack.request()
    assert [r["id"] for r in pool.requests()] == [number]
    rack.call(f"request/{number}/return", {})
    assert number in [r["id"] for r in pool.requests(include_closed=True)]


@shows("Mozpool.servers", "connect")
def test_where_it_is(rack, monkeypatch):
    assert mozpoolclient.connect("http://a, http://b/api/").servers == ["http://a", "http://b"]
    assert mozpoolclient.connect(["http://a", "http://b"]).servers == ["http://a", "http://b"]
    assert Mozpool("http://a", "http://b").servers == ["http://a", "http://b"]
    monkeypatch.setenv("MOZPOOL_URL", f"{nobody()} {rack.url}/api/")
    for pool in (mozpoolclient.connect(), Mozpool()):
        assert pool.version()
    monkeypatch.delenv("MOZPOOL_URL")
    with pytest.raises(MozpoolException, match="MOZPOOL_URL"):
        mozpoolclient.connect()


@shows("Mozpool.request")
def test_every_wish_is_sent(rack, faults):
    server = faults(rack.url)
    board = mozpoolclient.connect(server.url).request(
        "board-001",
        image="no-such-image",
        duration=77,
        environment=("a", "b"),
        assignee="ci-4711",
        reason="nightly",
        hardware_type="panda",
        hardware_model=["1", "2"],
        processor="armv7",
        tags=["camera", ("wifi", "ethernet")],
        queue_limit=5,
        boot_config={"b2gbase": "http://builds/1/"},
    )
    with pytest.raises(MozpoolException, match="no-such-image"):
        board.take()
    (got,) = server.got
    assert got.path == "/api/device/board-001/request"
    body = got.json
    assert body.pop("reason").startswith("nightly (")
    assert body == {
        "assignee": "ci-4711",
        "duration": 77,
        "image": "no-such-image",
        "environment": ["a", "b"],
        "hardware_type": "panda",
        "hardware_model": ["1", "2"],
        "processor": "armv7",
        "tags": ["camera", ["wifi", "ethernet"]],
        "queue_limit": 5,
        "b2gbase": "http://builds/1/",
    }


@shows("exit_on_sigterm")
def test_sigterm_ends_as_exit_does():
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        mozpoolclient.exit_on_sigterm()
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert ended.value.code == 143
        ours = signal.getsignal(signal.SIGTERM)
        mozpoolclient.exit_on_sigterm()
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)
    refused = []

    def elsewhere():
        try:
            mozpoolclient.exit_on_sigterm()
        except MozpoolException as error:
            refused.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert refused
