# SPDX-License-Identifier: MPL-2.0
"""A board from the real daemon: taken, used, kept, lost, given back."""

import datetime
import logging
import sys
import threading

import mozpoolclient
import pytest
from covered import shows
from mozpoolclient import BoardLost, MozpoolConflictException, MozpoolException, NotReadyInTime, RequestFailed
from rack import wait_for

#: A clock for what must be later than something else, not for how long anything takes.
now = lambda: datetime.datetime.now(datetime.timezone.utc)  # noqa: E731


def state_of(rack, board_or_number):
    number = getattr(board_or_number, "request_id", board_or_number)
    return rack.call(f"request/{number}/details")["state"]


@shows("Board.name", "Board.fqdn", "Board.request_id", "Board.request_url", "Board.state", "Board.details", "Board.ping", "Board.environ")
@shows("Board.expires", "Board.lost", "Board.why_lost", "Board.check")
def test_a_board_is_ours_within_and_nobodys_after(rack, installing, pool):
    said = []
    with pool.request("any", image="demo", environment=["demo", "other"], assignee="tests", reason="to see", progress=said.append) as board:
        details = rack.device(board.name)
        assert (details["state"], details["image"], details["request_id"]) == ("ready", "demo", board.request_id)
        assert board.fqdn == details["fqdn"]
        assert board.state == "ready"
        assert board.details()["name"] == board.name
        assert board.ping() is True
        assert board.expires > now()
        assert board.request_url == f"{rack.url}/api/request/{board.request_id}/"
        assert board.environ() == {
            "MOZPOOL_DEVICE": board.name,
            "MOZPOOL_DEVICE_FQDN": board.fqdn,
            "MOZPOOL_REQUEST": str(board.request_id),
        }
        request = rack.call(f"request/{board.request_id}/details")
        assert (request["assignee"], request["environment"]) == ("tests", ["demo", "other"])
        assert request["reason"].startswith("to see (")
        board.check()
        assert (board.lost, board.why_lost) == (False, None)
    assert state_of(rack, board) == "closed"
    assert not board.lost
    assert said[0] == f"request {board.request_id}"
    assert f"{board.name}: pxe_booting" in said
    assert f"{board.name}: ready" in said


@shows("Board.log", "Board.request_log", "LogLine.at", "LogLine.source", "LogLine.message")
def test_its_logs_are_read(pool):
    with pool.request("any", image="demo") as board:
        lines = board.log()
        assert len(lines) > 10
        assert lines == sorted(lines, key=lambda line: line.at)
        assert lines[-1].message == "entering state ready"
        assert lines[-1].source == "statemachine"
        assert str(lines[-1]).endswith("statemachine: entering state ready")
        assert board.log(lines=2) == lines[-2:]
        found = board.log(text="pxe_booting")
        assert found
        assert all("pxe_booting" in line.message for line in found)
        assert set(board.log(seconds=1)) < set(lines)
        assert "ready" in [line.message.removeprefix("entering state ") for line in board.request_log()]


@shows("Board.power_cycle")
def test_a_power_cycle_is_waited_for(rack, pool):
    with pool.request("any", image="demo") as board:
        before = len(board.log(text="pc_pinging"))
        board.power_cycle()
        assert rack.device(board.name)["state"] == "ready"
        assert len(board.log(text="pc_pinging")) == before + 1
        board.power_cycle(wait=False)
        with pytest.raises(MozpoolConflictException, match="not power-cycled"):
            board.power_cycle()
        rack.until_state(board.name, "ready")
        with pytest.raises(NotReadyInTime, match="not back"):
            board.power_cycle(limit_s=0.01)
        assert not board.lost


@shows("Board.power_cycle")
def test_a_board_that_does_not_come_back_is_told(rack, pool):
    with pool.request("any", image="demo") as board:
        fails = threading.Thread(target=lambda: (rack.until_state(board.name, "pc_rebooting"), rack.put_into(board.name, "failed_self_test")))
        fails.start()
        with pytest.raises(MozpoolException, match="failed_self_test"):
            board.power_cycle()
        fails.join()
    rack.put_into(board.name, "ready")


@shows("Board.expires")
def test_it_is_renewed_in_the_background(pool):
    """It is held for five seconds at a time, and we keep it for more."""
    with pool.request("any", image="demo", duration=5) as board:
        first = board.expires
        wait_for("two renewals", lambda: board.expires > first + datetime.timedelta(seconds=5))
        wait_for("the time that it had at first to be over", lambda: now() > first)
        board.check()


@shows("Board.renew")
def test_it_can_be_kept_longer_and_shorter(pool):
    with pool.request("any", image="demo", duration=600) as board:
        board.renew(7200)
        wait_for("the new time", lambda: board.expires > now() + datetime.timedelta(seconds=7000))
        # From now on it is renewed by twos; the thread that slept for an hour must hear of it.
        board.renew(4)
        short = board.expires
        wait_for("the shorter time", lambda: board.expires < now() + datetime.timedelta(seconds=5))
        short = board.expires
        wait_for("a renewal", lambda: board.expires > short)
        assert not board.lost


@shows("Board.check", "Board.lost", "Board.why_lost", "Board.wait_lost")
def test_a_board_that_is_taken_away_is_lost(rack, pool):
    with pytest.raises(BoardLost, match="we have not returned it"):
        with pool.request("any", image="demo") as board:
            assert board.wait_lost(0.01) is False
            rack.call(f"request/{board.request_id}/return", {"who": "an operator"})
            assert board.wait_lost(60) is True
            assert board.lost
            assert board.why_lost.startswith(f"{board.name} is lost")
            with pytest.raises(BoardLost):
                board.check()
            with pytest.raises(BoardLost):
                board.power_cycle()
            with pytest.raises(BoardLost):
                board.renew()


def test_what_went_wrong_within_counts_more_than_the_loss(rack, pool):
    with pytest.raises(ZeroDivisionError):
        with pool.request("any", image="demo") as board:
            rack.call(f"request/{board.request_id}/return", {})
            assert board.wait_lost(60)
            raise ZeroDivisionError


def test_renewing_tells_of_a_loss_when_nobody_watches(rack, pool, faults):
    """Without any stream and with looks that fail, the renewal that is refused tells it."""
    from faults import error

    server = faults(rack.url)
    with pytest.raises(BoardLost):
        with mozpoolclient.connect(server.url).request("any", image="demo", duration=4) as board:
            blind = error(503, "busy")
            server.does(*[blind] * 1000, only=lambda got: got.method == "GET")
            board._watch._stream.close()
            rack.call(f"request/{board.request_id}/return", {})
            assert board.wait_lost(60)
            assert "not renewed" in board.why_lost


def test_a_pool_that_is_gone_is_a_loss_when_the_time_is_over(rack, faults):
    from faults import drop

    server = faults(rack.url)
    pool = mozpoolclient.connect(server.url)
    with pytest.raises(BoardLost, match="could not be renewed"):
        with pool.request("any", image="demo", duration=4) as board:
            server.always(drop)
            board._watch._stream.close()
            assert board.wait_lost(60)
            server.always(mozpoolclient_forward())
    wait_for("the request to end", lambda: state_of(rack, board) == "closed")


def mozpoolclient_forward():
    from faults import forward

    return forward


@shows("Board.run")
def test_a_command_has_the_board_in_its_environment(pool):
    script = "import os; raise SystemExit(40 + (os.environ['MOZPOOL_DEVICE'] == os.environ['EXPECTED']))"
    with pool.request("any", image="demo") as board:
        import os

        assert board.run([sys.executable, "-c", script], env={**os.environ, "EXPECTED": board.name}) == 41
        assert board.run([sys.executable, "-c", script], env={**os.environ, "EXPECTED": "b9"}) == 40
        assert board.run("exit 7", shell=True) == 7


@shows("Board.run")
def test_a_command_ends_when_its_board_is_lost(rack, pool):
    with pytest.raises(BoardLost):
        with pool.request("any", image="demo") as board:
            takes_away = f"curl -s -d '{{}}' {board.request_url}return/; exec sleep 600"
            board.run(["sh", "-c", takes_away])
    assert board.lost


@shows("Board.take", "Board.give_back")
def test_taking_and_giving_back_by_hand(rack, pool):
    board = pool.request("any", image="demo")
    for ask in (lambda: board.name, lambda: board.fqdn, board.check, board.ping):
        with pytest.raises(MozpoolException, match="no board is held yet"):
            ask()
    assert board.take() is board
    assert state_of(rack, board) == "ready"
    board.give_back("seen enough")
    board.give_back()
    assert state_of(rack, board) == "closed"
    assert "seen enough" in board.request_log()[-1].message or any("seen enough" in str(line) for line in board.request_log())
    assert board.wait_lost(0) is False
    with pytest.raises(MozpoolException, match="taken before"):
        board.take()


def test_a_board_of_another_is_a_conflict(rack, pool):
    with pool.request("any", image="demo") as board:
        with pytest.raises(MozpoolConflictException, match=f"{board.name} is held by another request"):
            pool.request(board.name, image="demo").take()
        board.check()


def test_what_the_api_refuses_is_said_in_its_words(pool):
    with pytest.raises(MozpoolException, match="no-such-image") as refused:
        pool.request("any", image="no-such-image").take()
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    with pytest.raises(MozpoolException, match="duration is 0"):
        pool.request("any", image="demo", duration=0).take()


def test_when_there_is_none_the_log_says_why(pool):
    with pytest.raises(RequestFailed, match="no board|No board") as failed:
        pool.request("any", image="demo", environment="elsewhere", queue_limit=0).take()
    assert failed.value.state == "failed_device_not_found"
    assert failed.value.log
    assert failed.value.request_id > 0


def test_what_is_not_ready_in_time_is_given_back(rack, pool):
    board = pool.request("any", image="demo", environment="elsewhere", ready_within=0.5)
    with pytest.raises(NotReadyInTime, match="finding_device"):
        board.take()
    assert rack.call("request/list")["requests"] == []


def test_it_is_ready_without_an_event_stream_too(rack, installing, faults):
    """Too many listen, or a proxy is between: it looks every few seconds instead."""
    from faults import error

    server = faults(rack.url)
    server.does(*[error(503, "busy")] * 1000, only=lambda got: got.path.startswith("/api/events"))
    pool = mozpoolclient.connect(server.url)
    with pytest.raises(BoardLost):
        with pool.request("any", image="demo") as board:
            board.power_cycle()
            assert rack.device(board.name)["state"] == "ready"
            rack.call(f"request/{board.request_id}/return", {})
            assert board.wait_lost(60)


def test_a_break_is_no_loss(rack, faults):
    server = faults(rack.url)
    pool = mozpoolclient.connect(server.url)
    with pytest.raises(BoardLost):
        with pool.request("any", image="demo") as board:
            looks = board._watch.looks
            board._watch._stream.close()
            wait_for("another look", lambda: board._watch.looks > looks and board._watch._stream is not None)
            board.check()
            rack.call(f"request/{board.request_id}/return", {})
            assert board.wait_lost(60)


def test_a_board_that_cannot_be_returned_is_told(rack, faults, caplog):
    from faults import error, forward

    server = faults(rack.url)
    pool = mozpoolclient.connect(server.url)
    with pool.request("any", image="demo", duration=30) as board:
        server.does(*[error(500, "internal", "out of order")] * 1000, only=lambda got: got.path.endswith("/return"))
        with caplog.at_level(logging.WARNING, "mozpoolclient"):
            board.give_back()
    assert "could not be returned, it goes back by itself within" in caplog.text
    server.does().always(forward)
    board.give_back()
    assert state_of(rack, board) == "closed"


def test_boards_are_taken_at_once(rack, pool):
    """Four threads, four boards."""
    names, failed = [], []
    together = threading.Barrier(4)

    def use():
        try:
            with pool.request("any", image="demo") as board:
                together.wait(120)
                names.append(board.name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(names)) == 4


def test_no_thread_is_left(pool):
    with pool.request("any", image="demo"):
        assert any(thread.name.startswith("mozpool-") for thread in threading.enumerate())
    wait_for("the threads to end", lambda: not any(thread.name.startswith("mozpool-") for thread in threading.enumerate()))


