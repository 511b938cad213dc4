# SPDX-License-Identifier: MPL-2.0
"""Asking for a board, so that a lost answer never leaves two requests.

To ask twice is to get two boards. So a call is made again only when the one before surely did nothing: nobody took the connection, or
the server said that it is too busy. When an answer is lost, nobody knows. Therefore each request carries a mark in its reason, and
before anything is asked again the pool's open requests are looked through for it. A server that was merely slow may make the request
even after that; so whoever had a lost answer looks once more when it has a request, and again at its end, and returns the others.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from typing import Any, Mapping

from .api import Api, decode, path
from .errors import MozpoolConflictException, MozpoolException
from .retry import Again, pause_s

#: Requests of the same assignee that are looked at, newest first: far more than one can make while one call is under way.
LOOKED_AT_MAX = 100
#: For looking through requests when a call may have been made although we do not want it any more.
SWEEP_LIMIT_S = 20.0

_log = logging.getLogger("mozpoolclient")


@dataclass
class Asked:
    """What was asked for, before and after it was got."""

    device: str
    body: dict[str, Any]
    #: Stands in the request's reason, and in no other's.
    mark: str
    #: A call's answer was lost, so there may be more requests than the one that we know.
    doubtful: bool = False
    #: A call is under way, or was interrupted. Whoever keeps the answer takes it back.
    begun: bool = False


def prepare(device: str, body: Mapping[str, Any]) -> Asked:
    """A request to be made, with its mark."""
    mark = uuid.uuid4().hex[:12]
    reason = str(body.get("reason") or "").strip()
    return Asked(device, {**body, "reason": f"{reason} ({mark})" if reason else f"mozpoolclient {mark}"}, mark)


def ask(api: Api, asked: Asked, limit_s: float) -> dict[str, Any]:
    """Makes the request, and gives what the API answers: `{"request": {…}}`.

    Raises MozpoolConflictException when the board that was named is another's, MozpoolUnavailable when the time is up, in which case
    `uncertain` says whether a request may have been made, and MozpoolException when it is refused.
    """
    end = time.monotonic() + limit_s
    data = json.dumps(asked.body).encode()
    rounds = 0
    while True:
        rounds += 1
        asked.begun = True
        try:
            left = max(0.0, end - time.monotonic())
            sent = api.send("POST", path("device", asked.device, "request"), data, again=Again.ONCE, limit_s=left)
        except MozpoolException as lost:
            asked.doubtful = lost.uncertain = asked.doubtful or lost.uncertain
            asked.begun = asked.doubtful
            if not lost.uncertain or time.monotonic() >= end:
                raise
            _log.warning("the answer to a request was lost (%s); looking whether it was made", lost)
            api.pause(pause_s(rounds, None, api.dice))
            try:
                found = find(api, asked, max(0.1, end - time.monotonic()))
            except MozpoolException as blind:
                # Who cannot look must not ask again.
                blind.uncertain = True
                raise
            if found:
                _log.warning("it was: request %s", found[0]["id"])
                return {"request": found[0]}
            continue
        answer = decode(sent.text, sent.url) if 200 <= sent.status < 300 else None
        if answer is None:
            asked.begun = False
            raise _refused(api.refusal(sent.status, sent.text), asked.device)
        if not isinstance(answer, dict) or not isinstance(answer.get("request"), dict):
            raise MozpoolException(f"{sent.url} answered without a request: {sent.text[:200]!r}")
        return answer


def _refused(error: MozpoolException, device: str) -> MozpoolException:
    if isinstance(error, MozpoolConflictException) and error.code is None:
        return MozpoolConflictException(f"{device} is held by another request", status=error.status)
    return error


def find(api: Api, asked: Asked, limit_s: float) -> list[dict[str, Any]]:
    """The pool's open requests that have the mark, oldest first."""
    end = time.monotonic() + limit_s
    listed = api.get(path("request", "list"), limit_s=limit_s)["requests"]
    ours = [row["id"] for row in listed if row["assignee"] == asked.body["assignee"] and row["image"] == asked.body["image"]]
    found = []
    for number in sorted(ours, reverse=True)[:LOOKED_AT_MAX]:
        try:
            details = api.get(path("request", number, "details"), limit_s=max(0.1, end - time.monotonic()))
        except MozpoolException as error:
            if error.status == 404:
                continue  # Gone since the list was read.
            raise
        if asked.mark in details.get("reason", ""):
            found.append(details)
    return found[::-1]


def sweep(api: Api, asked: Asked, keep: int, limit_s: float = SWEEP_LIMIT_S) -> list[int]:
    """Returns what a lost answer may have left, but not the request `keep`; gives the numbers of what it returned."""
    returned = []
    for request in find(api, asked, limit_s):
        if request["id"] != keep:
            body = {"who": asked.body["assignee"], "reason": "the answer to it was lost, and another was made"}
            api.post(path("request", request["id"], "return"), body, again=Again.SAFE, limit_s=limit_s)
            returned.append(request["id"])
            _log.warning("returned request %s, whose answer had been lost", request["id"])
    return returned


