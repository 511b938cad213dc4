# SPDX-License-Identifier: MPL-2.0
"""What a change makes of what is known, and reading a stream."""

from datetime import datetime, timezone

import pytest
from mozpoolclient.changes import Now, apply, events, read, when

PENDING = Now("pending", "b1", "image_extracting", 40, None)


def request(state, device="b1", number=7, what="state"):
    data = {"id": number, "state": state, "assigned_device": device, "expires": "2026-11-22T12:00:00.5"}
    return {"kind": "request", "what": what, "data": data}


def device(state, name="b1", what="state", progress=None):
    return {"kind": "device", "what": what, "data": {"name": name, "state": state, "progress": progress}}


def test_what_is_about_the_request_and_its_board_is_taken():
    now = apply(PENDING, 7, request("ready"))
    assert (now.state, now.device, now.ended) == ("ready", "b1", False)
    assert now.expires == datetime(2026, 11, 22, 12, 0, 0, 500000, timezone.utc)
    now = apply(now, 7, device("ready"))
    assert (now.device_state, now.progress, now.came_up) == ("ready", None, 1)
    assert apply(PENDING, 7, device("image_extracting", what="changed", progress=60)).words() == "b1: image_extracting, 60 %"
    # A comment about a ready board is no news of its coming up.
    assert apply(now, 7, device("ready", what="changed")).came_up == 1


def test_what_is_about_others_changes_nothing():
    for change in (request("closed", number=8), device("ready", name="b2"), {"kind": "image", "what": "deleted", "data": {"name": "b1"}}):
        assert apply(PENDING, 7, change) == PENDING


def test_another_board_is_another_story():
    now = apply(PENDING, 7, request("finding_device", device=""))
    assert (now.device, now.device_state, now.progress) == ("", "", None)
    assert now.words() == "finding_device"


@pytest.mark.parametrize("state", ["closed", "expired", "failed_device_not_found", "failed_bad_image", "what_comes_later"])
def test_ends_are_ends(state):
    assert apply(PENDING, 7, request(state)).ended


def test_a_deleted_request_is_over():
    change = {"kind": "request", "what": "deleted", "data": {"id": 7}}
    assert apply(PENDING, 7, change).ended


def test_details_are_read():
    now = read({"state": "ready", "assigned_device": "b1", "device_state": None, "expires": "no time"})
    assert (now.state, now.device, now.device_state, now.expires) == ("ready", "b1", "", None)


def test_times_are_utc_whatever_they_say():
    noon = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
    assert when("2026-11-22T12:00:00") == when("2026-11-22T12:00:00Z") == noon
    assert when("2026-11-22T12:00:00.500000") == noon.replace(microsecond=500000)
    assert when("2026-11-22T12:00:00.500Z") == noon.replace(microsecond=500000)


def test_a_stream_is_read_as_its_standard_says():
    lines = ["retry: 2000", "id: 4", "", ": alive", "", "id: 5", "event: device", 'data: {"seq":', "data:5}", "", 'data: {"cut": "off"}']
    assert list(events(lines)) == [{"seq": 5}]
