# SPDX-License-Identifier: MPL-2.0
"""A board that is ours for a while: asked for, waited for, kept, and given back whatever happens.

Two threads serve it: one watches the request and its board, one renews it. Neither keeps the program from ending. A board that is still
ours when the interpreter ends is given back then; one whose program is killed outright comes back by itself when its time is over,
which is why boards are held for short times that are renewed.
"""

from __future__ import annotations

import atexit
import getpass
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Sequence, Type, Union

from .api import Api, path
from .ask import SWEEP_LIMIT_S, Asked, ask, prepare, sweep
from .changes import Now, when
from .command import run as run_command
from .errors import BoardLost, MozpoolConflictException, MozpoolException, NotReadyInTime, RequestFailed
from .retry import Again
from .watch import Watch

#: How long a board is held unless it is renewed: what a killed program costs.
DURATION_S = 1800
#: How long to wait for a board to be free and imaged.
READY_WITHIN_S = 3600.0
#: For giving back: a server that is restarted is back by then.
RETURN_LIMIT_S = 60.0
#: For somebody who has no patience: a second Ctrl-C, the end of the interpreter.
HASTY_LIMIT_S = 10.0
#: A power cycle with its check takes a minute or two; more is a board that does not come up.
POWER_CYCLE_LIMIT_S = 600.0
#: Lines of a request's log in the error that tells its end.
LAST_WORDS = 5

_log = logging.getLogger("mozpoolclient")
_open: dict[int, "Board"] = {}
_open_lock = threading.Lock()


@dataclass(frozen=True)
class LogLine:
    """A line of a board's log."""

    at: Optional[datetime]
    #: Who said it: "syslog", "statemachine", …
    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.source}: {self.message}" if self.at else f"{self.source}: {self.message}"


def log_line(row: Mapping[str, Any]) -> LogLine:
    """From a line of the API."""
    return LogLine(when(str(row.get("timestamp") or "")), str(row.get("source") or ""), str(row.get("message") or ""))


def somebody() -> str:
    """Who asks, unless it is said: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid{os.getuid()}"  # A container without a name for its user.
    return f"{user}-{socket.gethostname()}"


class Board:
    """A board, as made by `Mozpool.request`. Nothing is asked for before `with` or `take`."""

    def __init__(
        self,
        api: Api,
        device: str,
        wishes: Mapping[str, Any],
        *,
        duration: int,
        ready_within: float,
        progress: Optional[Callable[[str], object]],
    ) -> None:
        self._api = api
        self._asked: Asked = prepare(device, {**wishes, "duration": duration})
        self._duration = duration
        self._ready_within = ready_within
        self._progress = progress
        self._pid = os.getpid()
        self._id: Optional[int] = None
        self._url = ""
        self._name = ""
        self._fqdn = ""
        self._watch: Optional[Watch] = None
        self._lost = threading.Event()
        self._why_lost: Optional[str] = None
        self._ready = False
        self._done = threading.Event()
        # Wakes the renewing thread: the time has changed, or it is over.
        self._kick = threading.Event()
        self._returned = False
        self._lock = threading.Lock()
        # Monotonic; when the request ends at the earliest, whatever clocks say.
        self._safe_until = 0.0

    # What it is

    @property
    def name(self) -> str:
        """The board's name."""
        self._must_be_taken()
        return self._name

    @property
    def fqdn(self) -> str:
        """Where it is on the network: a name or an address."""
        self._must_be_taken()
        return self._fqdn

    @property
    def request_id(self) -> int:
        """The number of the request that holds it."""
        self._must_be_taken()
        assert self._id is not None
        return self._id

    @property
    def request_url(self) -> str:
        """The request's address in the API, at the server that owns it."""
        self._must_be_taken()
        return self._url

    @property
    def expires(self) -> Optional[datetime]:
        """When it goes back by itself unless it is renewed again, in UTC by the server's clock."""
        now = self._now()
        return now.expires if now else None

    @property
    def state(self) -> str:
        """The board's state: "ready", "pc_rebooting", "failed_pxe_booting"…"""
        now = self._now()
        return now.device_state if now else ""

    @property
    def lost(self) -> bool:
        """It is not ours any more although we have not returned it."""
        return self._lost.is_set()

    @property
    def why_lost(self) -> Optional[str]:
        """A sentence, or None."""
        return self._why_lost

    def check(self) -> None:
        """Raises BoardLost if it is not ours any more."""
        self._must_be_taken()
        if self._lost.is_set():
            raise BoardLost(self._why_lost or "the board is lost")

    def wait_lost(self, limit_s: Optional[float] = None) -> bool:
        """Waits until it is lost or returned, so many seconds at most; whether it is lost."""
        if self._watch is not None:
            self._watch.wait_over(lambda: self._lost.is_set() or self._done.is_set(), limit_s)
        return self._lost.is_set()

    def environ(self) -> dict[str, str]:
        """What a command is told of it: the same variables as by `mozpool request new --wait -- COMMAND`."""
        expires = self.expires
        return {
            "MOZPOOL_DEVICE": self.name,
            "MOZPOOL_DEVICE_FQDN": self.fqdn,
            "MOZPOOL_REQUEST": str(self.request_id),
            "MOZPOOL_REQUEST_URL": self._url,
            "MOZPOOL_EXPIRES": f"{expires:%Y-%m-%dT%H:%M:%S}Z" if expires else "",
            "MOZPOOL_URL": ",".join(self._api.servers),
        }

    # What can be done with it

    def details(self) -> dict[str, Any]:
        """All that the API tells of it."""
        details: dict[str, Any] = self._api.get(path("device", self.name, "details"))
        return details

    def log(self, seconds: int = 0, lines: int = 1000, text: Optional[str] = None) -> list[LogLine]:
        """Its log, oldest line first: of the last so many seconds (0: all), the last so many lines, only those with this text."""
        query = {"timeperiod": seconds, "limit": lines, "q": text}
        return [log_line(row) for row in self._api.get(path("device", self.name, "log"), query)["log"]]

    def request_log(self) -> list[LogLine]:
        """The log of the request: why this board, and what became of it."""
        return [log_line(row) for row in self._api.get(path("request", self.request_id, "log"))["log"]]

    def ping(self) -> bool:
        """Whether it answers ping."""
        return bool(self._api.get(path("device", self.name, "ping"))["success"])

    def power_cycle(self, wait: bool = True, limit_s: float = POWER_CYCLE_LIMIT_S) -> None:
        """Switches it off and on, and waits until its system is up again.

        Without `wait` it is only begun. Raises MozpoolConflictException when it is busy with something else, NotReadyInTime when it is
        not back within `limit_s` seconds, and MozpoolException when it has failed. It may have been done when the error says
        `uncertain`.
        """
        self.check()
        watch = self._watch
        assert watch is not None
        before = watch.now
        came_up = before.came_up if before else 0
        answer = self._api.post(path("device", self._name, "event", "please_power_cycle"), again=Again.ONCE)
        if not answer.get("accepted"):
            raise MozpoolConflictException(f"{self._name} is not power-cycled: {answer.get('why')}", code="not_accepted", detail=answer)
        if not wait:
            return
        looks = watch.looks

        def over(now: Now) -> bool:
            up = now.came_up > came_up or now.ready_look > looks
            return up or now.device_state.startswith("failed_") or now.ended or self._lost.is_set()

        now = watch.wait(over, limit_s)
        self.check()
        if now is None:
            raise NotReadyInTime(f"{self._name} is not back {limit_s:.0f} s after its power cycle: it is {self.state}")
        if now.device_state.startswith("failed_"):
            raise MozpoolException(f"{self._name} did not come back after its power cycle: {now.device_state}", code=now.device_state)

    def renew(self, duration: Optional[int] = None) -> None:
        """Keeps it for so many seconds from now, and for as long at each renewal from now on. The background does it by itself."""
        self.check()
        self._renew(self._duration if duration is None else duration, RETURN_LIMIT_S)

    def run(self, command: Union[str, Sequence[str]], **options: Any) -> int:
        """Runs a command with the board in its environment, and gives its exit status; options are those of subprocess.Popen.

        When the board is lost the command is ended, and BoardLost raised.
        """
        self.check()
        env = {**(options.pop("env", None) or os.environ), **self.environ()}
        watch = self._watch
        assert watch is not None

        def wait_spoilt(ended: threading.Event) -> bool:
            watch.wait_over(lambda: self._lost.is_set() or self._done.is_set() or ended.is_set(), None)
            return self._lost.is_set() and not ended.is_set()

        status = run_command(command, {**options, "env": env}, wait_spoilt, watch.wake)
        self.check()
        return status

    # Taking and giving back

    def take(self) -> Board:
        """Asks for it and waits until it is ready; `give_back` must follow. `with` does both.

        Raises RequestFailed when there is none to be had, NotReadyInTime when it takes too long, MozpoolConflictException when the board
        that was named is another's, MozpoolUnavailable when no server answers. Then nothing is held.
        """
        if self._id is not None or self._returned:
            raise MozpoolException("this board was taken before; make another request")
        with _open_lock:
            _open[id(self)] = self
        try:
            self._take(time.monotonic() + self._ready_within)
        except BaseException:
            self._give_back("not wanted any more", RETURN_LIMIT_S)
            raise
        return self

    def give_back(self, reason: str = "done") -> None:
        """Returns it. Does nothing when it was returned before; when no server answers, it says so in the log, and the board goes back
        when its time is over."""
        self._give_back(reason, RETURN_LIMIT_S)

    def __enter__(self) -> Board:
        return self.take()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._give_back("done" if kind is None else f"ended by {kind.__name__}", RETURN_LIMIT_S)
        if kind is None and self._lost.is_set():
            raise BoardLost(self._why_lost or "the board is lost")
        if self._lost.is_set():
            _log.warning("%s", self._why_lost)

    # Within

    def _now(self) -> Optional[Now]:
        return self._watch.now if self._watch is not None else None

    def _must_be_taken(self) -> None:
        if not self._name:
            raise MozpoolException("no board is held yet: it is asked for by `with` or `take`")

    def _must_be_wanted(self) -> None:
        if self._done.is_set():
            raise MozpoolException("the board was given back while it was waited for")

    def _take(self, end: float) -> None:
        begun = time.monotonic()
        request = ask(self._api, self._asked, min(end - begun, self._api.limit_s))["request"]
        self._safe_until = begun + self._duration
        with self._lock:
            self._id = int(request["id"])
            self._asked.begun = False
            self._url = str(request["url"])
            if self._done.is_set():
                # Another thread did not want it any more while we asked; it cannot have returned what it did not know.
                self._returned = False
        self._must_be_wanted()
        self._tell(f"request {self._id}")
        watch = self._watch = Watch(self._api, self._id, self._noticed)
        watch.start()
        threading.Thread(target=self._keep, name=f"mozpool-renew-{self._id}", daemon=True).start()
        if self._asked.doubtful:
            self._sweep(SWEEP_LIMIT_S)
        told = ""
        now: Optional[Now] = None
        while True:
            seen = now
            over = lambda: watch.now != seen or self._lost.is_set() or self._done.is_set()  # noqa: E731
            watch.wait_over(over, max(0.0, end - time.monotonic()))
            self._must_be_wanted()
            now = watch.now
            if now is not None and now.words() != told:
                told = now.words()
                self._tell(told)
            if now is not None and now.state == "ready" and now.device:
                break
            if now is not None and now.ended:
                raise self._failed(now.state)
            if self._lost.is_set():
                raise BoardLost(self._why_lost or "the board is lost")
            if time.monotonic() >= end:
                raise NotReadyInTime(f"request {self._id} is not ready after {self._ready_within:.0f} s: {told or 'nothing is known of it'}")
        details = self._api.get(path("device", now.device, "details"), limit_s=max(1.0, end - time.monotonic()))
        self._fqdn = str(details.get("fqdn") or "")
        with self._lock:
            self._name = now.device
            self._ready = True
        # It may have changed while we asked for its address.
        if (last := watch.now) is not None:
            self._noticed(last)

    def _failed(self, state: str) -> RequestFailed:
        assert self._id is not None
        words: list[str] = []
        try:
            log = self._api.get(path("request", self._id, "log"), limit_s=HASTY_LIMIT_S)["log"]
            words = [str(row["message"]) for row in log if not str(row["message"]).startswith("entering state")][-LAST_WORDS:]
        except (MozpoolException, KeyError, TypeError) as error:
            _log.info("the log of request %s cannot be read: %s", self._id, error)
        why = f": {words[-1]}" if words else ""
        return RequestFailed(f"request {self._id} got no board, it is {state}{why}", request_id=self._id, state=state, log=words)

    def _tell(self, words: str) -> None:
        _log.info("%s", words)
        if self._progress is not None:
            self._progress(words)

    def _noticed(self, now: Now) -> None:
        """In the watching thread: how it stands now."""
        with self._lock:
            if not self._ready or self._done.is_set():
                return
            name = self._name
        if now.ended:
            self._lose(f"{name} is lost: request {self._id} is {now.state}, and we have not returned it")
        elif now.device != name:
            self._lose(f"{name} is lost: request {self._id} has {now.device or 'no board'} now")

    def _lose(self, why: str) -> None:
        with self._lock:
            if self._lost.is_set() or self._done.is_set():
                return
            self._why_lost = why
            self._lost.set()
        _log.warning("%s", why)
        if self._watch is not None:
            self._watch.wake()

    def _keep(self) -> None:
        """In the renewing thread: renews when half of the time is over, until it is returned or lost."""
        while True:
            with self._lock:
                left = self._safe_until - time.monotonic()
                rest = max(0.0, left - self._duration / 2)
            kicked = self._kick.wait(rest)
            self._kick.clear()
            if self._done.is_set() or self._lost.is_set():
                return
            if kicked:
                continue
            left = self._safe_until - time.monotonic()
            if left <= 0:
                self._lose(f"{self._name or 'the board'} may be lost: request {self._id} could not be renewed in time")
                return
            try:
                self._renew(self._duration, left)
            except MozpoolException as error:
                if error.status == 409 or error.code == "not_found":
                    self._lose(f"{self._name or 'the board'} is lost: request {self._id} is not renewed: {error}")
                    return
                _log.warning("request %s is not renewed yet: %s", self._id, error)
                # What is not said to pass by itself (a wrong answer, 500) may do so all the same.
                if self._done.wait(min(max(0.0, left), 5.0)):
                    return
            except Exception:
                _log.exception("request %s is not renewed", self._id)
                if self._done.wait(5.0):
                    return

    def _renew(self, duration: int, limit_s: float) -> None:
        assert self._id is not None
        begun = time.monotonic()
        self._api.post(path("request", self._id, "renew"), {"duration": duration}, again=Again.SAFE, limit_s=limit_s)
        with self._lock:
            self._duration = duration
            self._safe_until = begun + duration
        self._kick.set()

    def _sweep(self, limit_s: float) -> None:
        try:
            sweep(self._api, self._asked, -1 if self._id is None else self._id, limit_s)
        except (MozpoolException, KeyError, TypeError) as error:
            _log.warning("cannot look for requests whose answer was lost; their reason has %s: %s", self._asked.mark, error)

    def _give_back(self, reason: str, limit_s: float) -> None:
        # A child that was forked has a copy of this; the board is its parent's.
        if self._returned or os.getpid() != self._pid:
            return
        with self._lock:
            self._done.set()
        self._kick.set()
        if self._watch is not None:
            self._watch.stop()
        try:
            self._return(reason, limit_s)
        except KeyboardInterrupt:
            # Somebody is impatient; but a board that is not returned is nobody's.
            self._return(reason, HASTY_LIMIT_S)
            raise

    def _return(self, reason: str, limit_s: float) -> None:
        if self._id is not None:
            body = {"who": str(self._asked.body["assignee"]), "reason": reason}
            try:
                self._api.post(path("request", self._id, "return"), body, again=Again.SAFE, limit_s=limit_s)
            except MozpoolException as error:
                # One that is gone is returned. Otherwise the end of the interpreter tries once more.
                if error.status != 404:
                    held = f"it goes back by itself within {max(0.0, self._safe_until - time.monotonic()):.0f} s"
                    _log.warning("request %s could not be returned, %s: %s", self._id, held, error)
                    return
        if self._asked.begun or self._asked.doubtful:
            self._sweep(min(limit_s, SWEEP_LIMIT_S))
        self._returned = True
        with _open_lock:
            _open.pop(id(self), None)


def _give_all_back() -> None:
    with _open_lock:
        boards = list(_open.values())
    for board in boards:
        try:
            board._give_back("the program has ended", HASTY_LIMIT_S)
        except Exception:
            _log.exception("a board could not be given back")  # The others can.


atexit.register(_give_all_back)
