# SPDX-License-Identifier: MPL-2.0
"""What is known of a request and its board, and how a change changes it; and events out of a stream's lines. No I/O is here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Iterable, Iterator, Mapping, Optional

#: States in which a request has a board or still may get one; every other is an end.
OPEN = frozenset({"new", "finding_device", "contact_lifeguard", "contacting_lifeguard", "pending", "ready"})


@dataclass(frozen=True)
class Now:
    """How things stand with a request."""

    #: The request's state.
    state: str
    #: The board that it has, or "".
    device: str
    #: The board's state, or "".
    device_state: str
    #: How much of the image is written, in percent, while it is.
    progress: Optional[int]
    #: When it ends by itself, by the server's clock, in UTC.
    expires: Optional[datetime]
    #: How often a change has told that the board became `ready`.
    came_up: int = 0
    #: The last look that found it `ready`.
    ready_look: int = 0

    @property
    def ended(self) -> bool:
        """It has no board, and gets none any more."""
        return self.state not in OPEN

    def words(self) -> str:
        """One line for people who wait."""
        if self.device and self.device_state and self.state != "ready":
            how_far = "" if self.progress is None else f", {self.progress} %"
            return f"{self.device}: {self.device_state}{how_far}"
        return f"{self.device}: {self.state}" if self.device else self.state


def when(text: str) -> Optional[datetime]:
    """A time of the API, which are all in UTC, with and without saying so."""
    try:
        time = datetime.fromisoformat(text[:-1] if text.endswith("Z") else text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def read(details: Mapping[str, Any]) -> Now:
    """From the answer to `request/…/details`."""
    return Now(
        state=str(details["state"]),
        device=str(details.get("assigned_device") or ""),
        device_state=str(details.get("device_state") or ""),
        progress=None,
        expires=when(str(details.get("expires") or "")),
    )


def apply(now: Now, request_id: int, change: Mapping[str, Any]) -> Now:
    """What a change makes of it; one that is about something else changes nothing."""
    data, what = change["data"], change["what"]
    if change["kind"] == "request" and data.get("id") == request_id:
        if what == "deleted":
            return replace(now, state="closed")
        device = str(data.get("assigned_device") or "")
        if device != now.device:
            now = replace(now, device=device, device_state="", progress=None)
        return replace(now, state=str(data["state"]), expires=when(str(data.get("expires") or "")) or now.expires)
    if change["kind"] == "device" and now.device and data.get("name") == now.device and what != "deleted":
        came_up = what == "state" and data["state"] == "ready"
        return replace(
            now,
            device_state=str(data["state"]),
            progress=data.get("progress"),
            came_up=now.came_up + came_up,
        )
    return now


def events(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The changes in a stream of server-sent events (WHATWG HTML section 9.2.6), of which only data matters here."""
    data: list[str] = []
    for line in lines:
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value[1:] if value.startswith(" ") else value)
        elif not line and data:
            change = json.loads("\n".join(data))
            data = []
            yield change
