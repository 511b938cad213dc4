# SPDX-License-Identifier: MPL-2.0
"""One exchange with one server: a request out, its answer in, within a time limit for the whole of it.

It knows HTTP and nothing of Mozpool; it neither follows redirects nor tries again. What it adds to http.client: a limit for the whole
exchange instead of one for each packet, a limit for what an answer may hold, and whether a failed request can have been seen by the
server. Proxies of the environment are not used: boards and their servers are in the lab.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from typing import Mapping, Optional, Protocol, Union
from urllib.parse import urlsplit

#: The longest answer that is read: the server's longest, fifty thousand devices, has half of it.
ANSWER_MAX = 64 << 20
#: A server that does not take a connection within this is as good as gone; there may be another.
CONNECT_LIMIT_S = 5.0
#: Read at once from an answer.
_PIECE = 1 << 16


class ExchangeFailed(Exception):
    """No answer."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        #: The server may have got the request.
        self.sent = sent


class Answer:
    """A server's answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        #: By lower-case name.
        self.headers = headers
        self.body = body


class _Connected(Protocol):
    """What both plain and TLS sockets are."""

    def settimeout(self, value: Optional[float], /) -> None: ...
    def sendall(self, data: bytes, /) -> None: ...
    def recv_into(self, buffer: memoryview, /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class _Limited(io.RawIOBase):
    """A socket each of whose reads ends at the deadline, or earlier when a silence is told to be the end."""

    def __init__(self, sock: _Connected, deadline: float) -> None:
        super().__init__()
        self.sock = sock
        #: Monotonic; when the whole is over.
        self.deadline: Optional[float] = deadline
        #: The longest silence, for answers that never end.
        self.silence_s: Optional[float] = None

    def _limit(self) -> None:
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the time is up")
        limits = [s for s in (left, self.silence_s) if s is not None]
        self.sock.settimeout(min(limits) if limits else None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Union[bytearray, memoryview], /) -> int:  # type: ignore[override]
        self._limit()
        return self.sock.recv_into(memoryview(buffer))

    def sendall(self, data: bytes) -> None:
        self._limit()
        self.sock.sendall(data)

    # What http.client asks of a socket. It closes the file that it made, and the socket is closed by whoever opened it.
    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self, _PIECE)

    def close(self) -> None:
        return None


def _connect(host: str, port: int, secure: bool, deadline: float, ca_file: Optional[str]) -> _Connected:
    """Tries the host's addresses one after the other; the last one's failure is told."""
    end = min(deadline, time.monotonic() + CONNECT_LIMIT_S)
    failed: Optional[OSError] = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = end - time.monotonic()
        if left <= 0:
            raise failed or TimeoutError("no connection within the time limit")
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return ssl.create_default_context(cafile=ca_file).wrap_socket(sock, server_hostname=host) if secure else sock
        except OSError as error:
            failed = error
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise failed or OSError(f"{host} has no address")


class Exchange:
    """One request, and its answer, which may be read whole or line by line."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        body: Optional[bytes] = None,
        headers: Optional[Mapping[str, str]] = None,
        limit_s: float,
        ca_file: Optional[str] = None,
    ) -> None:
        """Sends the request, and reads the answer's head. `ca_file`: whom an https server may be signed by, if not by whom the system trusts.

        Raises ExchangeFailed when there is none within `limit_s` seconds.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ExchangeFailed(f"`{url}` is no http address", sent=False)
        secure = parts.scheme == "https"
        deadline = time.monotonic() + limit_s
        try:
            port = parts.port or (443 if secure else 80)
            self._sock = _connect(parts.hostname, port, secure, deadline, ca_file)
        except (OSError, ValueError) as error:
            raise ExchangeFailed(_why(error), sent=False) from error
        self._raw = _Limited(self._sock, deadline)
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        sent = False
        try:
            talk = http.client.HTTPConnection(parts.hostname, port)
            talk.sock = self._raw
            talk.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            talk.putheader("Host", parts.netloc.rpartition("@")[2])
            # One exchange for each connection: a kept one may be closed by the server just when it is used again, and then
            # nobody knows whether it has seen the request.
            talk.putheader("Connection", "close")
            if body is not None:
                talk.putheader("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                talk.putheader(name, value)
            sent = True
            talk.endheaders(body)
            self._answer = talk.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise ExchangeFailed(_why(error), sent=sent) from error
        except BaseException:
            self.close()
            raise
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}

    def read(self) -> Answer:
        """The whole answer; closes the connection."""
        pieces = []
        size = 0
        try:
            while piece := self._answer.read1(_PIECE):
                size += len(piece)
                if size > ANSWER_MAX:
                    raise ExchangeFailed(f"the answer is longer than {ANSWER_MAX} bytes", sent=True)
                pieces.append(piece)
            # read1 takes an early end for the end.
            if self._answer.length:
                raise ExchangeFailed("the connection ended within the answer", sent=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ExchangeFailed(_why(error), sent=True) from error
        finally:
            self.close()
        return Answer(self.status, self.headers, b"".join(pieces))

    def line(self, silence_s: float, line_max: int = 1 << 20) -> Optional[str]:
        """The next line of an answer that goes on and on; None at its end.

        Raises ExchangeFailed after a silence of so many seconds.
        """
        self._raw.deadline = None
        self._raw.silence_s = silence_s
        try:
            text = self._answer.readline(line_max)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # AttributeError: closed by another thread while http.client was reading.
            raise ExchangeFailed(_why(error), sent=True) from error
        return text.decode("utf-8", "replace").rstrip("\r\n") if text else None

    def close(self) -> None:
        """Ends it, also while another thread reads from it."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It is closed already, by us or by the server.
        self._sock.close()


def _why(error: Exception) -> str:
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "no answer within the time limit"
    return str(error) or type(error).__name__
