# SPDX-License-Identifier: MPL-2.0
"""Calls at servers that fail: which are tried again, where, how long, and what the error says."""

import random
import threading

import mozpoolclient.exchange
import pytest
from faults import drip, drop, error, garbage, half, late, nobody, redirect, status
from mozpoolclient import MozpoolConflictException, MozpoolException, MozpoolUnavailable
from mozpoolclient.api import Api, servers_of
from mozpoolclient.retry import FIRST_PAUSE_S, Again

ASK = "/api/device/any/request"


class Patient:
    """Waits by writing down how long."""

    def __init__(self):
        self.pauses = []

    def __call__(self, seconds):
        self.pauses.append(seconds)


def api(*urls, **more):
    """An API that does not really pause."""
    return Api(urls, dice=random.Random(7), pause=more.pop("pause", Patient()), **more)


def test_what_a_busy_server_asks_for_is_waited(faults):
    server = faults().does(error(503, "busy", Retry_After="3"), error(503, "busy"), status(200, {"good": 1}))
    pause = Patient()
    assert api(server.url, pause=pause).get("/api/version") == {"good": 1}
    first, second = pause.pauses
    assert 3 <= first <= 3 + FIRST_PAUSE_S
    assert 0 <= second <= 2 * FIRST_PAUSE_S
    assert [got.path for got in server.got] == ["/api/version"] * 3


@pytest.mark.parametrize("act", [drop, half, garbage, status(502, b"<html>"), status(504, b""), error(503, "no_answer")])
def test_reading_is_tried_again_whatever_went_wrong(faults, act):
    server = faults().does(act, act, status(200, {"good": 1}))
    assert api(server.url).get("/api/version") == {"good": 1}
    assert len(server.got) == 3


@pytest.mark.parametrize("act", [drop, half, garbage, status(502, b"<html>"), status(504, b""), error(503, "no_answer")])
def test_what_may_have_been_done_is_not_done_again(faults, act):
    server = faults().does(act)
    with pytest.raises(MozpoolException) as lost:
        api(server.url).post(ASK, {"n": 1}, again=Again.ONCE)
    assert lost.value.uncertain
    assert len(server.got) == 1


def test_what_was_surely_not_done_is_done_elsewhere(faults):
    full = faults().always(error(503, "busy"))
    good = faults()
    for seed in range(6):
        calls = Api([nobody(), full.url, good.url], dice=random.Random(seed), pause=Patient())
        assert calls.post(ASK, {"n": seed}, again=Again.ONCE) == {}
    assert [got.json["n"] for got in good.got] == list(range(6))


def test_all_servers_are_asked_by_lot(faults):
    servers = [faults(), faults(), faults()]
    calls = Api([s.url for s in servers], dice=random.Random(1))
    for _ in range(30):
        calls.get("/api/version")
    assert all(len(s.got) > 3 for s in servers)


def test_a_dead_server_is_asked_last(faults):
    dead, good = faults().always(drop), faults()
    calls = api(dead.url, good.url)
    for _ in range(40):
        calls.get("/api/version")
    assert len(good.got) == 40
    assert len(dead.got) == 1


def test_what_is_read_of_a_dead_owner_others_answer(faults):
    """A request's address names its owner."""
    other = faults().always(status(200, {"state": "ready"}))
    dead = nobody()
    assert api(dead, other.url).get(f"{dead}/api/request/1/status/") == {"state": "ready"}
    with pytest.raises(MozpoolUnavailable):
        Api(other.url, limit_s=0.3).get(f"{dead}/api/request/1/status/")


def test_that_something_is_wrong_is_said_once(faults, caplog):
    server = faults().does(*[error(503, "busy", "too much to do")] * 6, status(200, {}))
    api(server.url).get("/api/version")
    (said,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "too much to do; trying again for" in said.getMessage()


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_keep_method_and_body(faults, code):
    owner = faults().always(status(200, {"done": 1}))
    other = faults().always(redirect(code, owner.url))
    assert api(other.url).post("/api/device/b1/event/please_power_cycle?x=1", {"n": 5}, again=Again.ONCE) == {"done": 1}
    (got,) = owner.got
    assert (got.method, got.path, got.json) == ("POST", "/api/device/b1/event/please_power_cycle?x=1", {"n": 5})
    assert got.headers["content-type"] == "application/json"


def test_see_other_is_looked_at(faults):
    owner = faults().always(status(200, {"done": 1}))
    other = faults().always(redirect(303, owner.url))
    assert api(other.url).post(ASK, {"n": 5}, again=Again.ONCE) == {"done": 1}
    (got,) = owner.got
    assert (got.method, got.body) == ("GET", b"")


def test_a_redirect_to_nobody_is_tried_again(faults):
    owner = faults().always(status(200, {"done": 1}))
    other = faults().does(redirect(307, nobody())).always(redirect(307, owner.url))
    assert api(other.url).post(ASK, {"n": 5}, again=Again.ONCE) == {"done": 1}
    assert len(owner.got) == 1


def test_a_circle_of_redirects_ends(faults):
    round_and_round = faults()
    round_and_round.always(redirect(307, round_and_round.url))
    with pytest.raises(MozpoolUnavailable, match="redirects"):
        api(round_and_round.url).get("/api/version", rounds=1)


@pytest.mark.parametrize("act", [late, drip])
def test_a_try_has_a_limit_and_so_has_the_whole(faults, act):
    server = faults().does(act, status(200, {"good": 1}))
    assert api(server.url, try_limit_s=0.3).get("/api/version") == {"good": 1}
    server.always(act)
    with pytest.raises(MozpoolUnavailable, match="time limit"):
        Api(server.url, try_limit_s=0.1, limit_s=3).get("/api/version")
    assert len(server.got) >= 4, "each try ends for itself, not only the whole"


def test_giving_up_says_what_was_tried(faults):
    server = faults().always(error(503, "store_unavailable", "the store does not answer", {"x": 1}))
    with pytest.raises(MozpoolUnavailable) as given_up:
        api(server.url).get("/api/version", rounds=3)
    told = given_up.value
    assert (told.status, told.code, told.detail, told.uncertain) == (503, "store_unavailable", {"x": 1}, False)
    assert server.url in told.message
    assert "the store does not answer" in told.message


def test_errors_speak_in_the_words_of_the_api(faults):
    server = faults().does(
        error(404, "not_found", "there is no device `b9`", {"kind": "device"}),
        error(409, "conflict", "the board is busy"),
        status(500, b"<h1>no</h1>"),
        status(200, b"no json"),
    )
    calls = api(server.url)
    with pytest.raises(MozpoolException) as missing:
        calls.get("/api/device/b9/state")
    told = missing.value
    assert (told.status, told.code, told.message, told.detail) == (404, "not_found", "there is no device `b9`", {"kind": "device"})
    assert str(told) == told.message
    with pytest.raises(MozpoolConflictException, match="the board is busy"):
        calls.get("/api/x")
    with pytest.raises(MozpoolException, match="status 500"):
        calls.get("/api/x")
    with pytest.raises(MozpoolException, match="no JSON"):
        calls.get("/api/x")
    assert len(server.got) == 4


def test_an_answer_has_a_limit(faults, monkeypatch):
    monkeypatch.setattr(mozpoolclient.exchange, "ANSWER_MAX", 1000)
    server = faults().always(status(200, b" " * 1001))
    with pytest.raises(MozpoolUnavailable, match="longer than 1000"):
        api(server.url).get("/api/x", rounds=1)


def test_threads_share_it(faults):
    server = faults()
    calls = api(server.url)
    threads = [threading.Thread(target=calls.get, args=(f"/api/{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {got.path for got in server.got} == {f"/api/{n}" for n in range(20)}


@pytest.mark.parametrize(
    ("given", "servers"),
    [
        ("http://a:1/", ["http://a:1"]),
        ("http://a:1/api/", ["http://a:1"]),
        ("https://a/api", ["https://a"]),
        ("http://api/ api", ["http://api"]),
        ("http://a/lab/api", ["http://a/lab"]),
        ("a.example.com:8080", ["http://a.example.com:8080"]),
        ("http://a, http://b http://a/", ["http://a", "http://b"]),
        (["http://[::1]:8080/"], ["http://[::1]:8080"]),
    ],
)
def test_addresses_are_read_as_people_write_them(given, servers, monkeypatch):
    assert servers_of(given) == servers
    if isinstance(given, str):
        monkeypatch.setenv("MOZPOOL_URL", given)
        assert servers_of(None) == servers


@pytest.mark.parametrize("given", ["ftp://a", "http://", "http://a:x", "http://a:99999"])
def test_what_is_no_address_is_refused_with_a_hint(given):
    with pytest.raises(MozpoolException, match="should be like http://"):
        servers_of(given)


def test_without_any_address_it_says_where_one_belongs():
    with pytest.raises(MozpoolException, match="MOZPOOL_URL"):
        servers_of(None)
