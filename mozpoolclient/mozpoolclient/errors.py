# SPDX-License-Identifier: MPL-2.0
"""What can go wrong, by what the caller can do about it.

Every error is a MozpoolException, and says in one sentence what happened. Where the API said it, its words are the sentence, and
its status, code and detail are kept.
"""

from __future__ import annotations

from typing import Any, Optional


class MozpoolException(Exception):
    """A call failed. The base of all errors of this package."""

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        code: Optional[str] = None,
        detail: Any = None,
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        #: The sentence, for people.
        self.message = message
        #: The HTTP status, or None when there was no answer.
        self.status = status
        #: The API's name for the error, which does not change: "not_found", "busy"; None when the API did not speak.
        self.code = code
        #: What more the API had to say; its form goes with the code.
        self.detail = detail
        #: The server may have done what was asked although this error came: its answer was lost.
        self.uncertain = uncertain


class MozpoolConflictException(MozpoolException):
    """Right in itself, but not now (409): the board is another's, the request has ended, the state is another one."""


class MozpoolUnauthorized(MozpoolException):
    """The server does not know who calls (401): there is no token, or it has expired, or was revoked."""


class MozpoolForbidden(MozpoolException):
    """The server knows who calls, and does not let them (403); the sentence says which role would do."""


class MozpoolUnavailable(MozpoolException):
    """No server did it, although all were tried again and again until the time was up."""


class RequestFailed(MozpoolException):
    """A request came to an end without a board, or with one that failed."""

    def __init__(self, message: str, *, request_id: int, state: str, log: Optional[list[str]] = None) -> None:
        super().__init__(message)
        #: The request's number.
        self.request_id = request_id
        #: The state that it came to, as "failed_device_not_found".
        self.state = state
        #: The last lines of the request's log, oldest first: why.
        self.log = log or []


class NotReadyInTime(MozpoolException):
    """The board was not ready, or not back after a power cycle, within the time that the caller gave."""


class BoardLost(MozpoolException):
    """The board is not ours any more, although we have not returned it."""
