# SPDX-License-Identifier: MPL-2.0
"""The client that scripts of the original Mozpool know, by the same names, arguments and answers.

What did not work there does here: calls are tried again, several servers may be named, `query_device_log` answers. New programs want
`mozpoolclient.connect`.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Iterable, Mapping, Optional, Protocol, Union
from urllib.parse import urlencode

from .api import Api, Query, decode, path
from .ask import SWEEP_LIMIT_S, ask, prepare, sweep
from .board import somebody
from .errors import MozpoolConflictException, MozpoolException
from .retry import Again

#: Statuses that count as success, as they did.
_GOOD = (200, 201, 202, 204, 302)


class LogObject(Protocol):
    """What may be given as `log_obj`: a logging.Logger, the logging module, or something of one's own."""

    def debug(self, msg: Any, /) -> Any: ...
    def info(self, msg: Any, /) -> Any: ...
    def critical(self, msg: Any, /) -> Any: ...


def mozpool_status_ok(status: int) -> bool:
    """Whether an HTTP status is a success or a redirect."""
    return 200 <= status < 400


def check_mozpool_status(status: int) -> None:
    """Raises MozpoolConflictException for 409, and MozpoolException for every other failure."""
    if status == 409:
        raise MozpoolConflictException("the board is another's, or the request has ended", status=status)
    if not mozpool_status_ok(status):
        raise MozpoolException(f"mozpool status not ok, code {status}", status=status)


class MozpoolHandler:
    """Calls to a pool, one by one. Whoever gets a board here renews and closes the request, too."""

    def __init__(
        self,
        mozpool_api_url: Union[str, Iterable[str], None] = None,
        log_obj: Optional[LogObject] = None,
        *,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
    ) -> None:
        """`mozpool_api_url`: a server's address, or several in a list or with commas between; MOZPOOL_URL when not given.

        `token`, `token_file`: who calls, as in `connect`; a script that says neither gets a token by MOZPOOL_TOKEN.
        """
        self._api = Api(mozpool_api_url, token=token, token_file=token_file)
        #: The first server's address.
        self.mozpool_api_url: str = self._api.servers[0]
        self.log_obj: LogObject = log_obj if log_obj is not None else logging.getLogger("mozpoolclient")

    @property
    def mozpool_timeout(self) -> float:
        """Seconds for one try of a call."""
        return self._api.try_limit_s

    @mozpool_timeout.setter
    def mozpool_timeout(self, seconds: float) -> None:
        self._api.try_limit_s = seconds

    # Calls of any kind

    def url_get(self, url: str, decode_json: bool = True, **kwargs: Any) -> tuple[Any, int]:
        """The answer to a GET and its status. `params` and `timeout` are understood."""
        if params := kwargs.get("params"):
            url += ("&" if "?" in url else "?") + urlencode(params)
        return self._send("GET", url, None, decode_json, kwargs.get("timeout"), Again.SAFE)

    def url_post(
        self,
        url: str,
        data: Union[str, bytes, Mapping[str, Any]],
        auth: Any = None,
        params: Optional[Mapping[str, Any]] = None,
        good_statuses: Optional[Iterable[int]] = None,
        decode_json: bool = True,
        **kwargs: Any,
    ) -> tuple[Any, int]:
        """The answer to a POST and its status; None in place of the answer when the status is not a good one.

        It is made again only when the server surely did nothing. `auth` is not used: the token says who calls.
        """
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params)
        body = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else _json(data)
        answer, status = self._send("POST", url, body, False, kwargs.get("timeout"), Again.ONCE)
        if status not in (_GOOD if good_statuses is None else tuple(good_statuses)):
            self.log_obj.critical(f"Bad return status from {url}: {status}!")
            return None, status
        return (self.decode_json(answer) if decode_json else answer), status

    def partial_url_get(self, partial_url: str, **kwargs: Any) -> tuple[Any, int]:
        """The same by path, at any of the servers."""
        return self.url_get(partial_url, **kwargs)

    def partial_url_post(self, partial_url: str, **kwargs: Any) -> tuple[Any, int]:
        """The same by path, at any of the servers."""
        return self.url_post(partial_url, **kwargs)

    def decode_json(self, contents: str) -> Any:
        """The value of a JSON text. Raises MozpoolException when it is none."""
        return decode(contents, "the server")

    # Devices

    def query_all_device_list(self, **kwargs: Any) -> list[str]:
        """The names of all boards."""
        found: list[str] = self._get(path("device", "list"), **kwargs)["devices"]
        return found

    def query_all_device_details(self, **kwargs: Any) -> list[dict[str, Any]]:
        """All about each board."""
        found: list[dict[str, Any]] = self._get(path("device", "list"), {"details": 1}, **kwargs)["devices"]
        return found

    def query_device_details(self, device: str, **kwargs: Any) -> Optional[dict[str, Any]]:
        """All about one board; None when there is none of that name."""
        for details in self.query_all_device_details(**kwargs):
            if details["name"] == device:
                return details
        self.log_obj.critical(f"Couldn't find {device} in device list!")
        return None

    def query_device_status(self, device: str, **kwargs: Any) -> dict[str, Any]:
        """`state`, and `log`: the last lines of its log."""
        return _dict(self._get(path("device", device, "status"), **kwargs))

    def query_device_log(self, device: str, **kwargs: Any) -> dict[str, Any]:
        """`log`: the lines of its log. `timeperiod` (seconds) and `limit` (lines) are understood."""
        query = {key: kwargs.pop(key, None) for key in ("timeperiod", "limit")}
        return _dict(self._get(path("device", device, "log"), query, **kwargs))

    def query_device_bootconfig(self, device: str, **kwargs: Any) -> str:
        """What its second stage is told, as text."""
        text = self._call("GET", path("device", device, "bootconfig"), None, Again.SAFE, False, **kwargs)
        return str(text)

    def device_state_change(
        self, device: str, assignee: str, duration: int, old_state: str, new_state: str, pxe_config: Optional[str] = None
    ) -> Any:
        """Puts it into another state if it is in the old one. Raises MozpoolConflictException if it is not."""
        body = {"assignee": assignee, "duration": duration, "pxe_config": pxe_config}
        return self._post(path("device", device, "state-change", old_state, "to", new_state), body, Again.ONCE)

    def device_power_cycle(
        self,
        device: str,
        duration: int = 0,
        assignee: Optional[str] = None,
        pxe_config: Optional[str] = None,
        boot_config: Optional[str] = None,
    ) -> Any:
        """Switches it off and on; the answer comes before that is done. `duration` means nothing, and never did."""
        body: dict[str, Any] = {"assignee": assignee or somebody(), "duration": duration}
        if pxe_config is not None:
            body["pxe_config"] = pxe_config
        if boot_config is not None:
            body["boot_config"] = boot_config
        return self._post(path("device", device, "power-cycle"), body, Again.ONCE)

    def device_power_off(self, device: str, **kwargs: Any) -> Any:
        """Switches it off; a power cycle turns it on again."""
        return self._post(path("device", device, "power-off"), {}, Again.SAFE, **kwargs)

    def device_ping(self, device: str, **kwargs: Any) -> dict[str, Any]:
        """`success`: whether it answers ping."""
        return _dict(self._get(path("device", device, "ping"), **kwargs))

    # Requests

    def request_device(
        self,
        device: str,
        image: str,
        duration: int = 30 * 60,
        assignee: Optional[str] = None,
        pxe_config: Optional[str] = None,
        b2gbase: Optional[str] = None,
        environment: Union[str, list[str]] = "any",
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Asks for a board, "any" or by name: `{"request": {"id", "url", "assigned_device", …}}`.

        Poll `query_request_status(request["url"])` until it is `ready`; then it may be used. Further arguments are the image's boot
        configuration keys and what the API understands. Raises MozpoolConflictException when the board is another's.
        """
        body: dict[str, Any] = {key: value for key, value in kwargs.items() if key != "timeout"}
        body.update(assignee=assignee or somebody(), duration=int(duration), image=image, environment=environment)
        if pxe_config is not None:
            body["pxe_config"] = pxe_config
        if b2gbase is not None:
            body["b2gbase"] = b2gbase
        self.log_obj.debug(f"Request {device} with {image}...")
        asked = prepare(device, body)
        answer = ask(self._api, asked, self._api.limit_s)
        if asked.doubtful:
            try:
                sweep(self._api, asked, answer["request"]["id"], SWEEP_LIMIT_S)
            except (MozpoolException, KeyError, TypeError) as error:
                self.log_obj.critical(f"Cannot look for requests whose answer was lost; their reason has {asked.mark}: {error}")
        return answer

    def renew_request(self, request_url: str, new_duration: int) -> str:
        """Keeps it for so many seconds from now. Raises MozpoolConflictException when it has ended."""
        return self._text(_under(request_url, "renew/"), {"duration": new_duration})

    def close_request(self, request_url: str, **kwargs: Any) -> str:
        """Returns the board; also when that was done before."""
        return self._text(_under(request_url, "return/"), {}, **kwargs)

    def query_request_status(self, request_url: str, **kwargs: Any) -> dict[str, Any]:
        """`state`, and `log`: its last lines."""
        return _dict(self._get(_under(request_url, "status/"), **kwargs))

    def query_request_details(self, request_url: str, **kwargs: Any) -> dict[str, Any]:
        """All about the request, also under `request`."""
        return _dict(self._get(_under(request_url, "details/"), **kwargs))

    def query_all_requests(self, include_closed_requests: bool = False, **kwargs: Any) -> dict[str, Any]:
        """`requests`: those of all servers."""
        query: Query = {"include_closed": 1} if include_closed_requests else {}
        return _dict(self._get(path("request", "list"), query, **kwargs))

    # PXE configs

    def bmm_device_clear_pxe(self, device: str, **kwargs: Any) -> Any:
        """Its next boot is from its own disk."""
        return self._post(path("device", device, "clear-pxe"), {}, Again.SAFE, **kwargs)

    def bmm_pxe_config_list(self, include_active_only: bool = False, **kwargs: Any) -> dict[str, Any]:
        """`pxe_configs`: their names."""
        query: Query = {"active_only": 1} if include_active_only else {}
        return _dict(self._get(path("bmm", "pxe_config", "list"), query, **kwargs))

    def bmm_pxe_config_details(self, name: str, **kwargs: Any) -> dict[str, Any]:
        """`details`: all about one."""
        return _dict(self._get(path("bmm", "pxe_config", name, "details"), **kwargs))

    # Within

    def _send(
        self, method: str, url: str, body: Optional[bytes], decode_json: bool, timeout: Optional[float], again: Again
    ) -> tuple[Any, int]:
        self.log_obj.debug(f"Request {method} {url}...")
        sent = self._api.send(method, url, body, again=again, try_limit_s=timeout)
        self.log_obj.debug(f"Status code: {sent.status}")
        return (self.decode_json(sent.text) if decode_json else sent.text), sent.status

    def _call(self, method: str, target: str, body: Optional[Mapping[str, Any]], again: Again, as_json: bool, **kwargs: Any) -> Any:
        data = None if body is None else _json(body)
        text, status = self._send(method, target, data, False, kwargs.get("timeout"), again)
        if not mozpool_status_ok(status):
            raise self._api.refusal(status, text)
        return self.decode_json(text) if as_json else text

    def _get(self, target: str, query: Optional[Query] = None, **kwargs: Any) -> Any:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self._call("GET", f"{target}?{urlencode(given)}" if given else target, None, Again.SAFE, True, **kwargs)

    def _post(self, target: str, body: Mapping[str, Any], again: Again, **kwargs: Any) -> Any:
        return self._call("POST", target, body, again, True, **kwargs)

    def _text(self, target: str, body: Mapping[str, Any], **kwargs: Any) -> str:
        return str(self._call("POST", target, body, Again.SAFE, False, **kwargs))


def _under(request_url: str, what: str) -> str:
    return request_url.rstrip("/") + "/" + what


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MozpoolException(f"the server answered {value!r}, which is no object")
    return value


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
