# SPDX-License-Identifier: MPL-2.0
"""Asking for a board while answers are lost: however it goes, there is one request, and in the end none."""

import threading

import mozpoolclient
import pytest
from faults import drop, forward_and_drop, forward_when, status
from mozpoolclient import MozpoolException, MozpoolUnavailable
from mozpoolclient.api import Api
from mozpoolclient.ask import ask, find, prepare, sweep
from rack import wait_for

WISH = {"assignee": "tests", "image": "demo", "duration": 60}


def asks(got):
    """Only what asks for a board."""
    return got.method == "POST" and got.path.endswith("/request")


def open_requests(rack):
    return [request["id"] for request in rack.call("request/list")["requests"]]


def close_all(rack):
    for number in open_requests(rack):
        rack.call(f"request/{number}/return", {})


def test_a_request_whose_answer_was_lost_is_found_again(rack, faults):
    server = faults(rack.url).does(forward_and_drop, only=asks)
    asked = prepare("any", WISH)
    request = ask(Api(server.url), asked, 30)["request"]
    assert open_requests(rack) == [request["id"]]
    assert asked.doubtful
    assert len([got for got in server.got if asks(got)]) == 1
    close_all(rack)


def test_a_request_that_was_not_made_is_made_again(rack, faults):
    server = faults(rack.url).does(drop, drop, status(502, b"bad gateway"), only=asks)
    request = ask(Api(server.url), prepare("any", WISH), 30)["request"]
    assert open_requests(rack) == [request["id"]]
    assert len([got for got in server.got if asks(got)]) == 4
    close_all(rack)


def test_the_requests_of_others_are_not_taken_for_ours(rack, faults):
    other = ask(Api(rack.url), prepare("any", WISH), 30)["request"]["id"]
    server = faults(rack.url).does(drop, only=asks)
    asked = prepare("any", {**WISH, "reason": "nightly"})
    ours = ask(Api(server.url), asked, 30)["request"]["id"]
    assert ours != other
    assert [r["id"] for r in find(Api(rack.url), asked, 10)] == [ours]
    assert rack.call(f"request/{ours}/details")["reason"] == f"nightly ({asked.mark})"
    close_all(rack)


def test_a_request_that_is_made_late_is_returned(rack, faults):
    """The slow server makes it after we have looked for it, and asked again."""
    now = threading.Event()
    server = faults(rack.url).does(forward_when(now), only=asks)
    calls = Api(server.url, try_limit_s=0.3)
    asked = prepare("any", WISH)
    ours = ask(calls, asked, 30)["request"]["id"]
    assert open_requests(rack) == [ours]
    now.set()
    wait_for("the late request", lambda: len(open_requests(rack)) == 2)
    (late,) = sweep(calls, asked, ours)
    assert late != ours
    assert open_requests(rack) == [ours]
    close_all(rack)


def test_a_board_leaves_nothing_behind_when_a_request_is_made_late(rack, faults):
    now = threading.Event()
    server = faults(rack.url).does(forward_when(now), only=asks)
    pool = mozpoolclient.connect(server.url, try_limit=2)
    with pool.request("any", image="demo", assignee="tests") as board:
        now.set()
        wait_for("the late request", lambda: len(open_requests(rack)) == 2)
        assert board.request_id in open_requests(rack)
    assert open_requests(rack) == []


def test_interrupted_while_asking_it_holds_nothing(rack, faults, monkeypatch):
    """Ctrl-C when the request was made and its answer was lost."""
    server = faults(rack.url).does(forward_and_drop, only=asks)
    pool = mozpoolclient.connect(server.url)

    def interrupt(_):
        monkeypatch.setattr(pool._api, "pause", lambda _: None)
        assert len(open_requests(rack)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._api, "pause", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.request("any", image="demo").take()
    assert open_requests(rack) == []


def test_giving_up_in_doubt_says_so(rack, faults):
    server = faults(rack.url).always(drop)
    with pytest.raises(MozpoolException) as lost:
        ask(Api(server.url, limit_s=0.4), prepare("any", WISH), 0.5)
    assert lost.value.uncertain
    sure = Api("http://127.0.0.1:1", limit_s=0.4)
    with pytest.raises(MozpoolUnavailable) as refused:
        ask(sure, prepare("any", WISH), 0.4)
    assert not refused.value.uncertain
