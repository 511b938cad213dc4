# SPDX-License-Identifier: MPL-2.0
"""Calls to a pool's API: which server, redirects, tries, and errors in the API's words.

A call goes to the servers in random order until one answers. What may be made again and what not is retry.py's to say.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
import time
from typing import Any, Callable, Iterable, Mapping, Optional, Union
from urllib.parse import quote, urlencode, urljoin, urlsplit

from .credentials import TOKEN_VARIABLE, Token, find_token, may_have_it
from .errors import MozpoolConflictException, MozpoolException, MozpoolForbidden, MozpoolUnauthorized, MozpoolUnavailable
from .exchange import Answer, Exchange, ExchangeFailed
from .retry import Again, Failure, Verdict, judge, order, pause_s, retry_after_s

#: The environment variable with the servers' addresses, commas or spaces between them.
URL_VARIABLE = "MOZPOOL_URL"
#: The one with the file of whom an https server may be signed by.
CA_VARIABLE = "MOZPOOL_CA_FILE"
#: For one try. Calls take milliseconds; those that ask a relay board take seconds.
TRY_LIMIT_S = 15.0
#: For a call with all its tries: a server that is restarted or upgraded is back by then.
CALL_LIMIT_S = 120.0
#: To the owner, and to where that has moved; more go round in a circle.
REDIRECTS_MAX = 5
#: Failed rounds after which it is said that something is wrong: about a second after the call.
NOTICED = 3
#: Characters of an answer that is not ours, as shown in a message.
_SHOWN_MAX = 200

_log = logging.getLogger("mozpoolclient")

Query = Mapping[str, Union[str, int, float, bool, None]]


class Sent:
    """What a call came to: an answer of any status that is not to be tried again."""

    def __init__(self, answer: Answer, url: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.text = answer.body.decode("utf-8", "replace")
        #: Where it came from at last.
        self.url = url


def servers_of(urls: Union[str, Iterable[str], None]) -> list[str]:
    """The servers' addresses without slashes and `/api` at their ends; from the environment when none are given.

    Raises MozpoolException when there are none, or one is no address.
    """
    given = os.environ.get(URL_VARIABLE, "") if not urls else urls
    listed = [given] if isinstance(given, str) else given
    found: list[str] = []
    for url in (url for text in listed for url in re.split(r"[,\s]+", text) if url):
        try:
            # As the command line's tools have it: a name alone is a server.
            parts = urlsplit(url if "://" in url else f"http://{url}")
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise MozpoolException(f"`{url}` is no server's address; it should be like http://mozpool.example.com:8080")
        where = parts.path.rstrip("/")
        where = where[:-4].rstrip("/") if where.endswith("/api") else where
        base = f"{parts.scheme}://{parts.netloc}{where}"
        if base not in found:
            found.append(base)
    if not found:
        raise MozpoolException(f"no server is given, and {URL_VARIABLE} is not set")
    return found


def path(*parts: object) -> str:
    """`/api/…` of parts that may hold anything."""
    return "/api/" + "/".join(quote(str(part), safe="") for part in parts)


class Api:
    """The API of a pool. Threads may share it."""

    def __init__(
        self,
        urls: Union[str, Iterable[str], None] = None,
        *,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
        ca_file: Optional[str] = None,
        try_limit_s: float = TRY_LIMIT_S,
        limit_s: float = CALL_LIMIT_S,
        dice: Optional[random.Random] = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.servers = servers_of(urls)
        self.token: Optional[Token] = find_token(token, token_file)
        self.ca_file = ca_file or os.environ.get(CA_VARIABLE) or None
        self.try_limit_s = try_limit_s
        self.limit_s = limit_s
        self.dice = dice or random.Random()
        self.pause = pause
        self._failed_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def get(
        self, target: str, query: Optional[Query] = None, *, limit_s: Optional[float] = None, rounds: Optional[int] = None
    ) -> Any:
        """The JSON of a GET."""
        return self.json("GET", target, query=query, limit_s=limit_s, rounds=rounds)

    def post(
        self, target: str, body: Optional[Mapping[str, Any]] = None, *, again: Again, limit_s: Optional[float] = None
    ) -> Any:
        """The JSON that a POST is answered with, None when it is empty."""
        return self.json("POST", target, body={} if body is None else body, again=again, limit_s=limit_s)

    def json(
        self,
        method: str,
        target: str,
        *,
        query: Optional[Query] = None,
        body: Optional[Mapping[str, Any]] = None,
        again: Again = Again.SAFE,
        limit_s: Optional[float] = None,
        rounds: Optional[int] = None,
    ) -> Any:
        """Makes a call, and gives its answer's JSON.

        Raises MozpoolUnavailable when no server did it in time, and what `refusal` says otherwise.
        """
        data = None if body is None else json.dumps(body).encode()
        sent = self.send(method, with_query(target, query), data, again=again, limit_s=limit_s, rounds=rounds)
        if not 200 <= sent.status < 300:
            raise self.refusal(sent.status, sent.text)
        return decode(sent.text, sent.url)

    def send(
        self,
        method: str,
        target: str,
        data: Optional[bytes] = None,
        *,
        again: Again = Again.SAFE,
        limit_s: Optional[float] = None,
        try_limit_s: Optional[float] = None,
        rounds: Optional[int] = None,
    ) -> Sent:
        """Makes a call until it is answered with something final, of whatever status.

        `target` is a path, or a whole address: then its server is asked first, and the others only if it is one of ours.
        `rounds`: so often all servers are asked at most; as often as the time allows if not given.
        Raises MozpoolUnavailable when the time is up, and with `uncertain` set at once when it must not be tried again.
        """
        end = time.monotonic() + (self.limit_s if limit_s is None else limit_s)
        made = 0
        last: Optional[MozpoolException] = None
        while True:
            made += 1
            wished: Optional[float] = None
            for url in self._where(target):
                left = end - time.monotonic()
                if left <= 0:
                    break
                try:
                    one = min(left, self.try_limit_s if try_limit_s is None else try_limit_s)
                    answer, at = self._follow(method, url, data, one)
                    code = None if answer.status < 400 else _spoken(answer.body.decode("utf-8", "replace"))[0]
                    failure = Failure(answer.status, code, sent=True)
                    verdict = judge(failure, again)
                    if verdict is Verdict.FINAL:
                        return Sent(answer, at)
                    last = self.refusal(answer.status, answer.body.decode("utf-8", "replace"))
                    asked = retry_after_s(answer.headers, time.time())
                    wished = asked if wished is None or asked is None else min(wished, asked)
                except ExchangeFailed as failed:
                    self._note(url)
                    verdict = judge(Failure(None, None, sent=failed.sent), again)
                    last = MozpoolUnavailable(f"{method} {url}: {failed}")
                _log.debug("%s %s: %s (%s)", method, url, last, verdict.value)
                if verdict is Verdict.UNCERTAIN:
                    last.uncertain = True
                    raise last
            if made == NOTICED:
                what = last if last is None or last.status is None else f"{method} {target}: {last}"
                _log.warning("%s; trying again for %.0f s at most", what, max(0.0, end - time.monotonic()))
            pause = pause_s(made, wished, self.dice)
            if made == rounds or time.monotonic() + pause >= end:
                why = f"; the last answer: {last.message}" if last else ""
                raise MozpoolUnavailable(
                    f"gave up after {made} {'round' if made == 1 else 'rounds'} over {', '.join(self.servers)}{why}",
                    status=last.status if last else None,
                    code=last.code if last else None,
                    detail=last.detail if last else None,
                )
            self.pause(pause)

    def open_stream(self, target: str, query: Optional[Query] = None, *, limit_s: float) -> Exchange:
        """Begins an answer that goes on and on, at the first server that gives one.

        Raises MozpoolException; nothing is tried again here.
        """
        last: Optional[MozpoolException] = None
        for url in self._where(with_query(target, query)):
            try:
                headers = self._headers(url, "text/event-stream")
                stream = Exchange("GET", url, headers=headers, limit_s=limit_s, ca_file=self.ca_file)
                if stream.status == 200:
                    return stream
                answer = stream.read()
                last = self.refusal(answer.status, answer.body.decode("utf-8", "replace"))
                if answer.status not in (502, 503, 504):
                    break
            except ExchangeFailed as failed:
                self._note(url)
                last = MozpoolUnavailable(f"GET {url}: {failed}")
        raise last or MozpoolUnavailable("there is no server")

    def _where(self, target: str) -> list[str]:
        with self._lock:
            drawn = order(self.servers, self._failed_at, time.monotonic(), self.dice)
        if "://" not in target:
            return [server + target for server in drawn]
        # A request's address names its owner, which is asked first. Others can answer for it what is only read.
        for server in self.servers:
            if target.startswith(server + "/"):
                return [target] + [other + target[len(server) :] for other in drawn if other != server]
        return [target]

    def _note(self, url: str) -> None:
        with self._lock:
            for server in self.servers:
                if url.startswith(server + "/"):
                    self._failed_at[server] = time.monotonic()

    def _follow(self, method: str, url: str, data: Optional[bytes], limit_s: float) -> tuple[Answer, str]:
        """One try, with the redirects that it meets. Method and body are kept, save for 303 (RFC 9110 section 15.4).

        Also with 301 and 302, for which browsers make a POST a GET: a pool's servers mean the call as it is.
        """
        end = time.monotonic() + limit_s
        # A redirected call was not done where it was redirected; whether it was sent counts where it ends.
        for _ in range(REDIRECTS_MAX + 1):
            left = end - time.monotonic()
            if left <= 0:
                raise ExchangeFailed("no answer within the time limit", sent=False)
            headers = self._headers(url, with_body=data is not None)
            answer = Exchange(method, url, body=data, headers=headers, limit_s=left, ca_file=self.ca_file).read()
            where = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or where is None:
                return answer, url
            if answer.status == 303:
                method, data = "GET", None
            _log.debug("%s redirects to %s", url, where)
            where = urljoin(url, where)
            if self.token and url.startswith("https://") and not where.startswith("https://"):
                raise MozpoolException(f"{url} sends us on to {where}, where everybody could read the token")
            url = where
        raise ExchangeFailed(f"more than {REDIRECTS_MAX} redirects", sent=False)

    def _headers(self, url: str, accept: str = "application/json", *, with_body: bool = False) -> dict[str, str]:
        headers = {"User-Agent": "mozpoolclient", "Accept": accept}
        if with_body:
            headers["Content-Type"] = "application/json"
        if self.token and may_have_it(url, self.servers):
            headers["Authorization"] = self.token.header()
        return headers

    def refusal(self, status: int, text: str) -> MozpoolException:
        """The error that an answer says, in its own words if they are the API's, and with what can be done about it.

        MozpoolUnauthorized for 401, MozpoolForbidden for 403, MozpoolConflictException for 409, MozpoolException otherwise.
        """
        error = error_of(status, text)
        if status not in (401, 403):
            return error
        kind = MozpoolUnauthorized if status == 401 else MozpoolForbidden
        if self.token:
            what = f"{error.message} (the token is from {self.token.named_by})"
        else:
            what = f"{error.message}; here token=, token_file= or ${TOKEN_VARIABLE} says it"
        return kind(what, status=status, code=error.code, detail=error.detail)


def with_query(target: str, query: Optional[Query]) -> str:
    """The target with what is asked for; what is None is left out, and truth is 1."""
    given = {key: int(v) if isinstance(v, bool) else v for key, v in (query or {}).items() if v is not None}
    return f"{target}?{urlencode(given)}" if given else target


def decode(text: str, url: str) -> Any:
    """JSON, or None for an empty answer."""
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise MozpoolException(f"{url} answered what is no JSON: {text[:_SHOWN_MAX]!r}") from error


def error_of(status: int, text: str) -> MozpoolException:
    """The error that an answer says, in its own words if they are the API's."""
    code, message, detail = _spoken(text)
    if message is None:
        message = f"the server answered with status {status}: {text[:_SHOWN_MAX]!r}"
        # A named device that is taken is answered with the request that was made, and closed.
        if status == 409:
            message = "the board is another's, or the request has ended"
    kind = MozpoolConflictException if status == 409 else MozpoolException
    return kind(message, status=status, code=code, detail=detail)


def _spoken(text: str) -> tuple[Optional[str], Optional[str], Any]:
    """Code, message and detail of the API's error."""
    try:
        error = json.loads(text)["error"]
        return str(error["code"]), str(error["message"]), error.get("detail")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None, None
