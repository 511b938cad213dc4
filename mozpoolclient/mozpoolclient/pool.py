# SPDX-License-Identifier: MPL-2.0
"""A pool of boards: what there is, and boards to be had."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

from .api import CALL_LIMIT_S, TRY_LIMIT_S, Api, path
from .board import DURATION_S, READY_WITHIN_S, Board, somebody
from .errors import MozpoolException

#: One value, or several of which any will do.
OneOf = Union[str, Sequence[str]]


class Mozpool:
    """A pool, behind one server or several of them. Threads may share it.

    Servers are asked in random order until one answers. Without addresses, those in the environment variable MOZPOOL_URL are taken,
    with commas or spaces between them.
    """

    def __init__(
        self,
        *urls: str,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
        ca_file: Optional[str] = None,
        try_limit: float = TRY_LIMIT_S,
        limit: float = CALL_LIMIT_S,
    ) -> None:
        """`token`: who calls, for servers that ask; `token_file`: the file that holds it. Without both, MOZPOOL_TOKEN, the file that
        MOZPOOL_TOKEN_FILE names, or ~/.config/mozpool/token says it. `ca_file`: whom an https server may be signed by; MOZPOOL_CA_FILE
        or what the system trusts if not given. `try_limit`: seconds for each try of a call; `limit`: for a call with all its tries.

        Raises MozpoolException when no server is given or one is no address, and when a token's file cannot be used.
        """
        self._api = Api(urls, token=token, token_file=token_file, ca_file=ca_file, try_limit_s=try_limit, limit_s=limit)

    @property
    def servers(self) -> list[str]:
        """The servers' addresses."""
        return list(self._api.servers)

    def request(
        self,
        device: str = "any",
        *,
        image: str,
        duration: int = DURATION_S,
        environment: OneOf = "any",
        assignee: Optional[str] = None,
        reason: str = "",
        hardware_type: Optional[OneOf] = None,
        hardware_model: Optional[OneOf] = None,
        processor: Optional[OneOf] = None,
        tags: Sequence[OneOf] = (),
        queue_limit: Optional[int] = None,
        ready_within: float = READY_WITHIN_S,
        progress: Optional[Callable[[str], object]] = None,
        boot_config: Optional[Mapping[str, Any]] = None,
    ) -> Board:
        """A board to be had by `with`: asked for, waited for, renewed in the background, and returned at the end.

        `device`: a board's name, or "any". `image`: what is to run on it; `boot_config`: the values of its boot configuration keys.
        `duration`: seconds for which it is held at a time, renewed when half of them are over; what a killed program costs.
        `environment`, `hardware_type`, `hardware_model`, `processor`: the value that the board must have, or several of which any will
        do. `tags`: those that it must all have; a list in place of one: any of these. `assignee`: who asks; user and machine if not
        given. `reason`: what for, for people. `queue_limit`: seconds to wait for a free board; the server's ten minutes if not given.
        `ready_within`: seconds until it must be ready. `progress`: a function that is told in a few words what happens, as `print`.
        """
        wishes: dict[str, Any] = dict(boot_config or {})
        wishes.update(assignee=assignee or somebody(), image=image, environment=_listed(environment), reason=reason)
        more = {"hardware_type": hardware_type, "hardware_model": hardware_model, "processor": processor}
        wishes.update({key: _listed(value) for key, value in more.items() if value is not None})
        if tags:
            wishes["tags"] = [_listed(tag) for tag in ([tags] if isinstance(tags, str) else tags)]
        if queue_limit is not None:
            wishes["queue_limit"] = queue_limit
        return Board(self._api, device, wishes, duration=duration, ready_within=ready_within, progress=progress)

    def devices(self, **only: Optional[str]) -> list[dict[str, Any]]:
        """All about each board; only those with `state`, `environment`, `image`, `hardware_type`, `tag`, `relay`, or `q` in them."""
        found: list[dict[str, Any]] = self._api.get(path("device", "list"), {"details": 1, **only})["devices"]
        return found

    def device(self, name: str) -> dict[str, Any]:
        """All about one board. Raises MozpoolException with status 404 when there is none of that name."""
        found: dict[str, Any] = self._api.get(path("device", name, "details"))
        return found

    def requests(self, include_closed: bool = False) -> list[dict[str, Any]]:
        """The requests of all servers of the pool."""
        query = {"include_closed": True if include_closed else None}
        found: list[dict[str, Any]] = self._api.get(path("request", "list"), query)["requests"]
        return found

    def images(self) -> list[dict[str, Any]]:
        """What can be installed, with the keys that each wants to be told."""
        found: list[dict[str, Any]] = self._api.get(path("image", "list"))["images"]
        return found

    def environments(self) -> list[str]:
        """The pools that boards are in."""
        found: list[str] = self._api.get(path("environment", "list"))["environments"]
        return found

    def version(self) -> str:
        """Of the server that happens to answer."""
        return str(self._api.get(path("version"))["version"])


def connect(
    urls: Union[str, Iterable[str], None] = None,
    *,
    token: Optional[str] = None,
    token_file: Optional[str] = None,
    ca_file: Optional[str] = None,
    try_limit: float = TRY_LIMIT_S,
    limit: float = CALL_LIMIT_S,
) -> Mozpool:
    """A pool by its servers' addresses, one text or several; by MOZPOOL_URL when none are given. Nothing is sent yet.

    The rest is as for `Mozpool`.
    """
    listed = [urls] if isinstance(urls, str) else list(urls or ())
    return Mozpool(*listed, token=token, token_file=token_file, ca_file=ca_file, try_limit=try_limit, limit=limit)


def exit_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end the program as `sys.exit` does, with 128 and the signal's number, so that boards are returned.

    Python ends at once by itself, and CI systems send SIGTERM when somebody cancels a job. Call it once, in the main thread; a handler
    that is there already is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        raise MozpoolException("exit_on_signals is to be called in the main thread")
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Not every system has both.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda which, _: sys.exit(128 + which))


def _listed(value: OneOf) -> OneOf:
    return value if isinstance(value, str) else list(value)
