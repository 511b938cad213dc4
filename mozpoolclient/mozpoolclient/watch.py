# SPDX-License-Identifier: MPL-2.0
"""A thread that knows at any time how a request and its board stand.

It listens to the pool's event stream. Where there is none to be had (too many listen, a server of old, a proxy that does not let it
through) it looks every few seconds, and tries the stream again each time.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import Any, Callable, Optional

from .api import Api, path
from .changes import Now, apply, events, read
from .errors import MozpoolException
from .exchange import Exchange, ExchangeFailed
from .retry import pause_s

#: The server says something every 15 seconds; after three of them left out the connection is dead.
SILENCE_S = 45.0
#: Between two looks where there is no stream.
LOOK_EVERY_S = 3.0
#: For a look; then the next one begins.
LOOK_LIMIT_S = 30.0
#: Longer waits are refused by `threading`, with an OverflowError; infinity is one.
_WAIT_MAX_S = threading.TIMEOUT_MAX / 2

_log = logging.getLogger("mozpoolclient")


class Watch:
    """How a request stands, kept true until `stop`."""

    def __init__(self, api: Api, request_id: int, on_change: Callable[[Now], None]) -> None:
        self.api = api
        self.request_id = request_id
        self._on_change = on_change
        self._changed = threading.Condition()
        self._now: Optional[Now] = None
        #: How many looks were taken since the beginning, for whoever waits for one that begins later.
        self._looks = 0
        self._stopped = threading.Event()
        self._stream: Optional[Exchange] = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"mozpool-watch-{request_id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it; does not wait for the thread, which changes nothing any more."""
        self._stopped.set()
        with self._changed:
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            stream.close()

    @property
    def now(self) -> Optional[Now]:
        """How it stands; None before the first look."""
        with self._changed:
            return self._now

    @property
    def looks(self) -> int:
        """How many looks have begun."""
        with self._changed:
            return self._looks

    def wait(self, until: Callable[[Now], bool], limit_s: float) -> Optional[Now]:
        """Waits until it is so; None when it is not within so many seconds, or the watch was stopped."""
        with self._changed:
            over = lambda: self._stopped.is_set() or (self._now is not None and until(self._now))  # noqa: E731
            self._changed.wait_for(over, min(limit_s, _WAIT_MAX_S))
            return self._now if self._now is not None and until(self._now) else None

    def wait_over(self, over: Callable[[], bool], limit_s: Optional[float]) -> None:
        """Waits until something is so that `wake` tells of."""
        with self._changed:
            self._changed.wait_for(over, None if limit_s is None else min(limit_s, _WAIT_MAX_S))

    def wake(self) -> None:
        """Whoever waits looks again whether it is so."""
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                after = self._look()
                if after is not None:
                    self._listen(after)
            except MozpoolException as error:
                if error.code == "not_found":
                    self._tell(Now("closed", "", "", None, None))
                    return
                _log.info("request %s: %s", self.request_id, error)
                self._failures += 1
            except Exception:
                # Whatever a server may answer, the watch goes on: without it a lost board would not be noticed.
                _log.exception("request %s: an answer could not be read", self.request_id)
                self._failures += 1
            now = self.now
            if now is not None and now.ended:
                return
            if self._failures:
                # A first break is most often a server that restarts, or a connection that a proxy found old enough.
                least = LOOK_EVERY_S if self._failures > 1 else 0.0
                self._stopped.wait(least + pause_s(1, None, self.api.dice))

    def _look(self) -> Optional[int]:
        """Reads how it stands, and gives the number of the change up to which that is true; None: there are no changes."""
        with self._changed:
            self._looks += 1
            look = self._looks
        after: Optional[int] = None
        try:
            after = int(self.api.get(path("events"), {"timeout": 0}, limit_s=LOOK_LIMIT_S / 3, rounds=1)["last"])
        except (MozpoolException, KeyError, TypeError) as error:
            _log.debug("no changes: %s", error)
            self._failures += 1
        found = read(self.api.get(path("request", self.request_id, "details"), limit_s=LOOK_LIMIT_S))
        before = self.now
        came_up, ready_look = (before.came_up, before.ready_look) if before else (0, 0)
        # A look that began later than something was asked for, and finds the board ready, is as good as the news of it.
        ready_look = look if found.device_state == "ready" else ready_look
        self._tell(replace(found, came_up=came_up, ready_look=ready_look))
        return after

    def _listen(self, after: int) -> None:
        """Listens until the stream ends, the request does, or nothing is heard any more."""
        query: dict[str, Any] = {"stream": 1, "after": after, "request": self.request_id, "kind": "request,device"}
        stream = self.api.open_stream(path("events"), query, limit_s=LOOK_LIMIT_S)
        with self._changed:
            self._stream = stream
        try:
            if self._stopped.is_set():
                return
            begun = time.monotonic()
            for change in events(iter(lambda: stream.line(SILENCE_S), None)):
                # It works; so the next break is the first one again.
                self._failures = 0
                now = self.now
                if now is None or self._stopped.is_set():
                    return
                self._tell(apply(now, self.request_id, change))
                if self._now is not None and self._now.ended:
                    return
            if time.monotonic() - begun < LOOK_EVERY_S:
                self._failures += 1
        except (ExchangeFailed, ValueError, KeyError, TypeError) as error:
            if not self._stopped.is_set():
                _log.info("request %s: the event stream broke: %s", self.request_id, error)
                self._failures += 1
        finally:
            with self._changed:
                self._stream = None
            stream.close()

    def _tell(self, now: Now) -> None:
        with self._changed:
            if self._stopped.is_set():
                return
            self._now = now
            self._changed.notify_all()
        self._on_change(now)
