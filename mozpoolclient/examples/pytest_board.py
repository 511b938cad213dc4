"""A pytest fixture: one board for all tests of a session. A test whose board is lost fails with BoardLost rather than for no reason.

Put the fixtures into a conftest.py.
"""

import mozpoolclient
import pytest


@pytest.fixture(scope="session")
def held_board():
    mozpoolclient.exit_on_sigterm()
    with mozpoolclient.connect().request("any", image="demo", reason="pytest") as board:
        yield board


@pytest.fixture
def board(held_board):
    held_board.check()
    yield held_board
    held_board.check()


def test_it_answers(board):
    assert board.ping()
