# SPDX-License-Identifier: MPL-2.0
"""Boards out of a Mozpool, for CI jobs and scripts.

    import mozpoolclient

    pool = mozpoolclient.connect("http://mozpool.example.com:8080")
    with pool.request("any", image="debian") as board:
        print(board.name, board.fqdn)
"""

from .board import Board, LogLine
from .errors import (
    BoardLost,
    MozpoolConflictException,
    MozpoolException,
    MozpoolForbidden,
    MozpoolUnauthorized,
    MozpoolUnavailable,
    NotReadyInTime,
    RequestFailed,
)
from .handler import MozpoolHandler, check_mozpool_status, mozpool_status_ok
from .pool import Mozpool, connect, exit_on_signals

__version__ = "0.1.0"

__all__ = [
    "Board",
    "BoardLost",
    "LogLine",
    "Mozpool",
    "MozpoolConflictException",
    "MozpoolException",
    "MozpoolForbidden",
    "MozpoolHandler",
    "MozpoolUnauthorized",
    "MozpoolUnavailable",
    "NotReadyInTime",
    "RequestFailed",
    "check_mozpool_status",
    "connect",
    "exit_on_signals",
    "mozpool_status_ok",
]
