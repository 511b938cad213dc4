# SPDX-License-Identifier: MPL-2.0
"""The original's class, method by method, against the real daemon."""

import getpass
import json
import logging
import socket

import mozpoolclient
import mozpoolclient.mozpoolclient
import pytest
from covered import shows
from faults import error, forward_and_drop, nobody
from mozpoolclient import MozpoolConflictException, MozpoolException, MozpoolHandler
from rack import wait_for


@pytest.fixture
def handler(rack):
    return MozpoolHandler(rack.url)


@pytest.fixture
def held(rack, handler):
    """A request that is ready; returned at the end if the test did not."""
    request = handler.request_device("any", "demo", assignee="tests")["request"]
    wait_for("the board to be ready", lambda: handler.query_request_status(request["url"])["state"] == "ready")
    yield handler.query_request_details(request["url"])
    handler.close_request(request["url"])


class Listener:
    """A log object of one's own."""

    def __init__(self):
        self.said = []

    def debug(self, message):
        self.said.append(("debug", message))

    def info(self, message):
        self.said.append(("info", message))

    def critical(self, message):
        self.said.append(("critical", message))


def test_it_is_imported_from_where_it_was():
    for name in ("MozpoolHandler", "MozpoolException", "MozpoolConflictException", "check_mozpool_status", "mozpool_status_ok"):
        assert getattr(mozpoolclient.mozpoolclient, name) is getattr(mozpoolclient, name)


@shows("mozpool_status_ok", "check_mozpool_status")
def test_statuses():
    assert [s for s in (199, 200, 204, 302, 399, 400, 409, 500) if mozpoolclient.mozpool_status_ok(s)] == [200, 204, 302, 399]
    mozpoolclient.check_mozpool_status(204)
    with pytest.raises(MozpoolConflictException):
        mozpoolclient.check_mozpool_status(409)
    with pytest.raises(MozpoolException, match="code 500"):
        mozpoolclient.check_mozpool_status(500)


@shows("MozpoolHandler.query_all_device_list", "MozpoolHandler.query_all_device_details", "MozpoolHandler.query_device_details")
@shows("MozpoolHandler.query_device_status", "MozpoolHandler.query_device_log", "MozpoolHandler.query_device_bootconfig")
def test_devices_are_queried(rack, handler):
    names = handler.query_all_device_list()
    assert names == [f"board-{n:03}" for n in range(1, 7)]
    assert handler.query_all_device_list(timeout=5) == names
    details = handler.query_all_device_details()
    assert [d["name"] for d in details] == names
    assert handler.query_device_details("board-002")["mac_address"] == details[1]["mac_address"]
    status = handler.query_device_status("board-001")
    assert status["state"] == "ready"
    log = handler.query_device_log("board-001")["log"]
    assert log[-1]["message"] == status["log"][-1]["message"]
    assert handler.query_device_log("board-001", limit=2)["log"] == log[-2:]
    assert len(handler.query_device_log("board-001", timeperiod=1)["log"]) < len(log)
    assert handler.query_device_bootconfig("board-001") == json.dumps(rack.call("device/board-001/bootconfig"), separators=(",", ":"))


def test_a_device_that_is_not_there_is_none_and_is_logged(rack):
    log = Listener()
    assert MozpoolHandler(rack.url, log).query_device_details("b9") is None
    assert ("critical", "Couldn't find b9 in device list!") in log.said
    with pytest.raises(MozpoolException, match="b9") as missing:
        MozpoolHandler(rack.url, log_obj=log).query_device_status("b9")
    assert missing.value.status == 404


@shows("MozpoolHandler.log_obj", "MozpoolHandler.mozpool_api_url", "MozpoolHandler.mozpool_timeout")
def test_what_it_knows(rack, monkeypatch):
    log = Listener()
    handler = MozpoolHandler(rack.url, log)
    assert handler.log_obj is log
    handler.query_all_device_list()
    assert any(level == "debug" and "GET" in message for level, message in log.said)
    assert handler.mozpool_api_url == rack.url
    handler.mozpool_timeout = 7
    assert handler.mozpool_timeout == 7
    monkeypatch.setenv("MOZPOOL_URL", rack.url)
    assert MozpoolHandler().mozpool_api_url == rack.url
    assert isinstance(MozpoolHandler().log_obj, logging.Logger)
    # The logging module itself, as the original took it.
    assert MozpoolHandler(rack.url, log_obj=logging).query_all_device_list()


def test_several_servers_may_be_named(rack):
    handler = MozpoolHandler([nobody(), rack.url, nobody()])
    assert all(handler.query_all_device_list() for _ in range(5))


@shows("MozpoolHandler.request_device", "MozpoolHandler.query_request_status", "MozpoolHandler.query_request_details")
@shows("MozpoolHandler.renew_request", "MozpoolHandler.close_request", "MozpoolHandler.query_all_requests")
def test_a_requests_life(rack, handler):
    request = handler.request_device("any", "demo", 600, environment="demo", hardware_type="emulated board")["request"]
    assert request["url"] == f"{rack.url}/api/request/{request['id']}/"
    assert request["assignee"] == f"{getpass.getuser()}-{socket.gethostname()}"
    assert [r["id"] for r in handler.query_all_requests()["requests"]] == [request["id"]]
    wait_for("the board to be ready", lambda: handler.query_request_status(request["url"])["state"] == "ready")
    details = handler.query_request_details(request["url"])
    assert details["request"]["hardware_type"] == "emulated board"
    assert handler.renew_request(request["url"], 7200) == ""
    assert handler.query_request_details(request["url"])["expires"] > details["expires"]
    assert handler.close_request(request["url"]) == ""
    assert handler.close_request(request["url"]) == ""
    assert handler.query_request_status(request["url"])["state"] == "closed"
    assert handler.query_all_requests()["requests"] == []
    assert request["id"] in [r["id"] for r in handler.query_all_requests(include_closed_requests=True)["requests"]]
    with pytest.raises(MozpoolConflictException):
        handler.renew_request(request["url"], 7200)


@shows("MozpoolHandler.request_device")
def test_a_board_of_another_is_a_conflict(handler, held):
    with pytest.raises(MozpoolConflictException) as conflict:
        handler.request_device(held["assigned_device"], "demo")
    assert conflict.value.status == 409


def test_keys_of_the_image_are_sent(rack, faults):
    server = faults(rack.url)
    with pytest.raises(MozpoolException, match="b2g"):
        MozpoolHandler(server.url).request_device("any", "b2g", b2gbase="http://builds/1/", pxe_config="p", more="x", timeout=3)
    body = server.got[0].json
    assert (body["b2gbase"], body["pxe_config"], body["more"]) == ("http://builds/1/", "p", "x")
    assert "timeout" not in body


def test_a_lost_answer_makes_no_second_request(rack, faults):
    server = faults(rack.url).does(forward_and_drop, only=lambda got: got.method == "POST")
    request = MozpoolHandler(server.url).request_device("any", "demo")["request"]
    assert [r["id"] for r in rack.call("request/list")["requests"]] == [request["id"]]
    rack.call(f"request/{request['id']}/return", {})


@shows("MozpoolHandler.device_ping", "MozpoolHandler.device_power_cycle", "MozpoolHandler.device_power_off")
def test_power_and_ping(rack, handler, held):
    device = held["assigned_device"]
    assert handler.device_ping(device) == {"success": True}
    assert handler.device_power_off(device) == {}
    wait_for("the power to be off", lambda: rack.call(f"device/{device}/power")["power"] == "off")
    assert handler.device_power_cycle(device, 60, assignee="tests") == {}
    wait_for("the power to be on", lambda: rack.call(f"device/{device}/power")["power"] == "on")
    assert handler.device_power_cycle(device, pxe_config="maintenance", boot_config="{}") == {}
    wait_for("the PXE config", lambda: handler.query_device_details(device) and rack.device(device)["pxe_config"] == "maintenance")
    rack.call(f"device/{device}/clear-pxe", {})
    wait_for("the power to be on", lambda: rack.call(f"device/{device}/power")["power"] == "on")


@shows("MozpoolHandler.device_state_change")
def test_a_state_is_forced_from_the_right_one(rack, handler):
    # The test before may have left it at work.
    rack.until_state("board-006", "ready")
    assert handler.device_state_change("board-006", "tests", 60, "ready", "locked_out") == {}
    with pytest.raises(MozpoolConflictException):
        handler.device_state_change("board-006", "tests", 60, "ready", "locked_out")
    handler.device_state_change("board-006", "tests", 60, "locked_out", "ready")
    assert rack.device("board-006")["state"] == "ready"


@shows("MozpoolHandler.bmm_device_clear_pxe", "MozpoolHandler.bmm_pxe_config_list", "MozpoolHandler.bmm_pxe_config_details")
def test_pxe_configs(rack, handler):
    assert handler.bmm_device_clear_pxe("board-005") == {}
    names = handler.bmm_pxe_config_list()["pxe_configs"]
    assert "maintenance" in names
    rack.call("bmm/pxe_config/maintenance", {"active": False}, method="PUT")
    assert set(names) - set(handler.bmm_pxe_config_list(include_active_only=True)["pxe_configs"]) == {"maintenance"}
    rack.call("bmm/pxe_config/maintenance", {"active": True}, method="PUT")
    assert handler.bmm_pxe_config_details("maintenance")["details"]["name"] == "maintenance"


@shows("MozpoolHandler.url_get", "MozpoolHandler.url_post", "MozpoolHandler.partial_url_get", "MozpoolHandler.partial_url_post")
@shows("MozpoolHandler.decode_json")
def test_calls_of_any_kind(rack, handler):
    assert handler.url_get(f"{rack.url}/api/version/") == handler.partial_url_get("/api/version/")
    answer, status = handler.url_get(f"{rack.url}/api/device/list/", params={"details": 1}, timeout=5)
    assert (len(answer["devices"]), status) == (6, 200)
    text, status = handler.partial_url_get("/api/version/", decode_json=False)
    assert (handler.decode_json(text), status) == handler.partial_url_get("/api/version/")
    with pytest.raises(MozpoolException, match="no JSON"):
        handler.decode_json("{")
    url = f"{rack.url}/api/device/board-001/set-comments/"
    assert handler.url_post(url, json.dumps({"comments": "one"})) == (None, 200)
    assert handler.partial_url_post("/api/device/board-001/set-comments/", data={"comments": "two"}, params={"x": 1}) == (None, 200)
    assert rack.device("board-001")["comments"] == "two"
    assert handler.url_post(url, b'{"comments": ""}', decode_json=False) == ("null", 200)
    assert handler.url_post(url, {"comments": 1}) == (None, 400)
    assert handler.url_post(url, {"comments": ""}, good_statuses=[204]) == (None, 200)


def test_calls_are_tried_again(rack, faults):
    """The original's loop raised at the first error."""
    server = faults(rack.url).does(error(503, "busy"), error(503, "busy"))
    assert len(MozpoolHandler(server.url).query_all_device_list()) == 6
    assert len(server.got) == 3
