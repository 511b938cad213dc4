"""The real daemon with an emulated rack, for tests: `mozpool demo` on free ports, until the test is done with it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

#: Everything that is waited for is there in seconds; on a busy machine it may take longer.
LIMIT_S = int(os.environ.get("MOZPOOL_TEST_LIMIT_S", "90"))


def wait_for(what, look, limit_s=LIMIT_S):
    """Looks until there is something and gives it; `what` says in words what was awaited."""
    until = time.monotonic() + limit_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"after {limit_s} s: {what}")
        time.sleep(0.05)


class Refused(Exception):
    """The API said no."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Rack:
    """A demo that runs. `url` is the server's, without a slash at the end; `token` says who calls, where a server asks."""

    token = None

    def __init__(self, boards=3, requests=0, *more, env=None):
        program = os.environ["MOZPOOL"]
        line = [program, "demo", "--boards", str(boards), "--requests", str(requests), *more]
        # In a session of its own, so that nothing that is typed at the tests reaches it.
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            start_new_session=True, env={**os.environ, "NO_COLOR": "1", **(env or {})},
        )
        self.said = []
        for text in self.process.stdout:
            self.said.append(text)
            found = re.search(r"API\s+(http://\S+)/api/", text)
            if found:
                self.url = found.group(1)
                break
        else:
            raise AssertionError("the demo has ended: " + "".join(self.said))
        # What it says from here on is not read; a pipe that is full would stop it.
        subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def call(self, path, body=None, method=None):
        """A call to the API below /api/; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from None
        return json.loads(text) if text else None

    def device(self, name):
        """All about a device."""
        return self.call(f"device/{name}/details")

    def devices(self):
        """All devices, with all about them."""
        return self.call("device/list/?details=1")["devices"]

    def request(self, device="any", **more):
        """Asks for a board; gives the request's number."""
        body = {"assignee": "tests", "duration": 3600, "image": "demo", **more}
        return self.call(f"device/{device}/request", body)["request"]["id"]

    def until_state(self, name, *states):
        """Waits until a device is in one of these states; gives the device."""
        return wait_for(
            f"{name} to be {' or '.join(states)}",
            lambda: (d := self.device(name))["state"] in states and d,
        )

    def until_at_rest(self):
        """Waits until all boards have come through their first self-test."""
        return wait_for("all boards to be ready", lambda: all(d["state"] == "ready" for d in self.devices()))

    def until_at_rest_of(self, begins):
        """The same for the boards whose names begin so; in a pool with others."""
        def at_rest():
            return all(d["state"] == "ready" and not d["request_id"] for d in self.devices() if d["name"].startswith(begins))

        wait_for(f"the boards {begins}… to be ready", at_rest, 180)

    def put_into(self, name, state):
        """Puts a device into a state by force, whatever it is in now."""
        def attempt():
            now = self.device(name)["state"]
            try:
                self.call(f"device/{name}/state-change/{now}/to/{state}", {})
            except Refused as refused:
                if refused.status != 409:
                    raise
                return False
            return True

        wait_for(f"{name} to be put into {state}", attempt)
