# SPDX-License-Identifier: MPL-2.0
"""When is tried again, and how long is waited: decided without doing anything, so tested without waiting."""

import random

import pytest
from mozpoolclient.retry import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RETRY_AFTER_MAX_S,
    SHUNNED_S,
    Again,
    Failure,
    Verdict,
    judge,
    order,
    pause_s,
    retry_after_s,
)

DICE = random.Random(20261122)


@pytest.mark.parametrize(
    ("failure", "safe", "once"),
    [
        # Nobody took the connection.
        (Failure(None, None, sent=False), Verdict.AGAIN, Verdict.AGAIN),
        # The answer was lost.
        (Failure(None, None, sent=True), Verdict.AGAIN, Verdict.UNCERTAIN),
        # The server says that it did nothing.
        (Failure(503, "busy", sent=True), Verdict.AGAIN, Verdict.AGAIN),
        (Failure(503, "store_unavailable", sent=True), Verdict.AGAIN, Verdict.AGAIN),
        (Failure(503, "owner_unknown", sent=True), Verdict.AGAIN, Verdict.AGAIN),
        (Failure(429, None, sent=True), Verdict.AGAIN, Verdict.AGAIN),
        # It does not know, or somebody between does not.
        (Failure(503, "no_answer", sent=True), Verdict.AGAIN, Verdict.UNCERTAIN),
        (Failure(503, None, sent=True), Verdict.AGAIN, Verdict.UNCERTAIN),
        (Failure(502, None, sent=True), Verdict.AGAIN, Verdict.UNCERTAIN),
        (Failure(504, None, sent=True), Verdict.AGAIN, Verdict.UNCERTAIN),
        # The same would come of it.
        (Failure(200, None, sent=True), Verdict.FINAL, Verdict.FINAL),
        (Failure(400, "bad_json", sent=True), Verdict.FINAL, Verdict.FINAL),
        (Failure(404, "not_found", sent=True), Verdict.FINAL, Verdict.FINAL),
        (Failure(409, "conflict", sent=True), Verdict.FINAL, Verdict.FINAL),
        (Failure(500, "internal", sent=True), Verdict.FINAL, Verdict.FINAL),
    ],
)
def test_what_may_be_made_again(failure, safe, once):
    assert judge(failure, Again.SAFE) is safe
    assert judge(failure, Again.ONCE) is once


def test_pauses_grow_and_are_drawn_from_nothing_to_the_limit():
    for rounds in range(1, 40):
        limit = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (rounds - 1))
        drawn = [pause_s(rounds, None, DICE) for _ in range(400)]
        assert 0 <= min(drawn) < limit / 8
        assert limit * 7 / 8 < max(drawn) <= limit


def test_what_the_server_asks_for_comes_on_top_and_has_its_limit():
    assert all(7 <= pause_s(1, 7, DICE) <= 7 + FIRST_PAUSE_S for _ in range(100))
    assert all(pause_s(1, 86400, DICE) <= RETRY_AFTER_MAX_S + FIRST_PAUSE_S for _ in range(100))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("Sun, 22 Nov 2026 12:00:10 GMT", 10),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    noon = 1795348800.0
    assert retry_after_s({"retry-after": text}, noon) == seconds
    assert retry_after_s({}, noon) is None


def test_servers_are_asked_in_random_order_and_those_that_failed_last():
    servers = ["a", "b", "c", "d"]
    orders = {tuple(order(servers, {}, 100.0, DICE)) for _ in range(2000)}
    assert len(orders) == 24
    shunned = [order(servers, {"b": 99.0}, 100.0, DICE) for _ in range(200)]
    assert all(drawn[-1] == "b" for drawn in shunned)
    assert len({tuple(drawn) for drawn in shunned}) == 6
    forgiven = [order(servers, {"b": 99.0}, 99.0 + SHUNNED_S, DICE) for _ in range(200)]
    assert any(drawn[0] == "b" for drawn in forgiven)
