"""As scripts of the original Mozpool did it, which still works. With `with` there is less to forget."""

import time

from mozpoolclient import MozpoolConflictException, MozpoolHandler

handler = MozpoolHandler()
try:
    request = handler.request_device("any", "demo", duration=3600)["request"]
except MozpoolConflictException:
    raise SystemExit("somebody else has it")
try:
    while (state := handler.query_request_status(request["url"])["state"]) != "ready":
        if state.startswith("failed_") or state == "closed":
            raise SystemExit(f"no board: {state}")
        time.sleep(1)
    device = handler.query_request_details(request["url"])["assigned_device"]
    print(device, handler.device_ping(device))
    handler.renew_request(request["url"], 7200)
finally:
    handler.close_request(request["url"])
