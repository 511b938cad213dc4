# SPDX-License-Identifier: MPL-2.0
"""However a program ends, its board goes back: programs of their own, ended in every way."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from rack import LIMIT_S, wait_for

CLIENT = pathlib.Path(__file__).resolve().parents[1]

WITHIN = """
import mozpoolclient, signal, sys, threading
{first}
pool = mozpoolclient.connect()
with pool.request("any", image="demo", duration={duration}) as board:
    print(board.request_id, flush=True)
    {then}
"""

BY_HAND = """
import mozpoolclient
board = mozpoolclient.connect().request("any", image="demo").take()
print(board.request_id, flush=True)
{then}
"""


class Program:
    """A program with a board, in a process of its own; warnings are errors there, and what is left open shows."""

    def __init__(self, rack, text):
        env = {**os.environ, "MOZPOOL_URL": rack.url, "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", text],
            env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.request = int(self.process.stdout.readline())

    def end(self):
        """Its status, and what it said to the end."""
        _, said = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, said


def state(rack, program):
    return rack.call(f"request/{program.request}/details")["state"]


def test_one_that_comes_to_its_end_says_nothing(rack):
    program = Program(rack, WITHIN.format(first="", duration=600, then="board.log(); board.ping(); board.power_cycle(wait=False)"))
    assert program.end() == (0, "")
    assert state(rack, program) == "closed"


@pytest.mark.parametrize(
    ("then", "status", "said"),
    [
        ("raise ZeroDivisionError", 1, "ZeroDivisionError"),
        ("sys.exit(7)", 7, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_one_that_fails(rack, then, status, said):
    program = Program(rack, WITHIN.format(first="", duration=600, then=then))
    code, text = program.end()
    assert code == status
    assert said in text
    assert state(rack, program) == "closed"


@pytest.mark.parametrize(
    ("first", "number", "status"),
    [("", signal.SIGINT, -signal.SIGINT), ("mozpoolclient.exit_on_sigterm()", signal.SIGTERM, 143)],
)
def test_one_that_is_cancelled(rack, first, number, status):
    program = Program(rack, WITHIN.format(first=first, duration=600, then="threading.Event().wait()"))
    program.process.send_signal(number)
    assert program.end()[0] == status
    assert state(rack, program) == "closed"


@pytest.mark.parametrize("then", ["", "import sys; sys.exit(3)", "raise ZeroDivisionError"])
def test_one_that_forgets_to_give_back(rack, then):
    program = Program(rack, BY_HAND.format(then=then))
    program.end()
    assert state(rack, program) == "closed"


def test_a_child_does_not_return_its_parents_board(rack):
    then = """
import os, sys
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
board.check()
assert board.details()["request_id"] == board.request_id
"""
    program = Program(rack, BY_HAND.format(then=then))
    code, said = program.end()
    assert code == 0, said
    assert state(rack, program) == "closed"


def test_one_that_is_killed_loses_it_when_the_time_is_over(rack):
    program = Program(rack, WITHIN.format(first="", duration=4, then="threading.Event().wait()"))
    program.process.kill()
    program.end()
    wait_for("the request to end by itself", lambda: state(rack, program) == "closed")
