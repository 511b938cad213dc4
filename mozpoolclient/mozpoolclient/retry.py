# SPDX-License-Identifier: MPL-2.0
"""When to try again, where, and how long to wait before: decided without doing anything, so that it can be tested without waiting."""

from __future__ import annotations

import email.utils
import random
from dataclasses import dataclass
from enum import Enum
from typing import Mapping, Optional, Sequence

#: The first pause is at most so long, and each further one at most twice the one before.
FIRST_PAUSE_S = 0.25
#: No pause of our own is longer: a server that is back is noticed soon.
LONGEST_PAUSE_S = 8.0
#: What a server may ask us to wait; it is asked sooner if it says more.
RETRY_AFTER_MAX_S = 60.0
#: A server that did not answer is asked last for so long.
SHUNNED_S = 30.0
#: Our API's errors of status 503 that say: nothing was done.
NOT_DONE = frozenset({"busy", "store_unavailable", "owner_unknown"})


class Again(Enum):
    """What a second call of the same kind does."""

    #: The same as the first: reading, returning, renewing.
    SAFE = "safe"
    #: Something more: asking for a board, switching its power. It is made again only when the first surely did nothing.
    ONCE = "once"


class Verdict(Enum):
    """What to do after a failed try."""

    #: Try again; nothing was done.
    AGAIN = "again"
    #: Do not: it may have been done.
    UNCERTAIN = "uncertain"
    #: Do not: the same would come of it.
    FINAL = "final"


@dataclass(frozen=True)
class Failure:
    """A try that failed."""

    #: The answer's status; None: there was none.
    status: Optional[int]
    #: The API's code, if it spoke.
    code: Optional[str]
    #: The server may have got the request.
    sent: bool


def judge(failure: Failure, again: Again) -> Verdict:
    """Whether the same call may be made again."""
    if failure.status is None:
        return Verdict.AGAIN if again is Again.SAFE or not failure.sent else Verdict.UNCERTAIN
    if failure.status == 429:
        return Verdict.AGAIN
    if failure.status == 503 and (again is Again.SAFE or failure.code in NOT_DONE):
        return Verdict.AGAIN
    # A proxy's words, or `no_answer`: what became of the request behind it is not known.
    if failure.status in (502, 503, 504):
        return Verdict.AGAIN if again is Again.SAFE else Verdict.UNCERTAIN
    return Verdict.FINAL


def pause_s(rounds: int, retry_after_s: Optional[float], dice: random.Random) -> float:
    """How long to wait after so many failed rounds (1 is the first).

    Anything up to a limit that doubles ("full jitter"), so that the jobs of a lab that was down do not all come back at once. What the
    server asked for comes on top.
    """
    limit = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(rounds - 1, 16))
    return dice.uniform(0.0, limit) + min(retry_after_s or 0.0, RETRY_AFTER_MAX_S)


def retry_after_s(headers: Mapping[str, str], now: float) -> Optional[float]:
    """What the server asks us to wait (RFC 9110 section 10.2.3): seconds, or until a date. `now` is of the wall clock."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def order(servers: Sequence[str], failed_at: Mapping[str, float], now: float, dice: random.Random) -> list[str]:
    """In which order servers are asked: by lot, but those that have just failed come last."""
    drawn = dice.sample(list(servers), len(servers))
    return sorted(drawn, key=lambda server: now - failed_at.get(server, -SHUNNED_S * 2) < SHUNNED_S)
