# SPDX-License-Identifier: MPL-2.0
"""What the tests share: the real daemon with its emulated rack, servers that misbehave, and one rule: no test leaves a request open."""

import importlib.util
import pathlib
import sys

import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[1]
for folder in (CLIENT, CLIENT / "tests", CLIENT.parent / "tests" / "python"):
    sys.path.insert(0, str(folder))

import mozpoolclient  # noqa: E402
from faults import FaultServer  # noqa: E402
from rack import Rack  # noqa: E402

#: Enough that a test finds a free one while those of the test before are at work.
BOARDS = 6

assert importlib.util.find_spec("mozpoolclient").origin.startswith(str(CLIENT)), "these tests are of the source, not of what is installed"


@pytest.fixture(scope="session")
def daemon():
    """The daemon, shared by all tests; its boards have passed their first self-test."""
    with Rack(BOARDS) as rack:
        rack.until_at_rest()
        # A board that has the image is ready at once. What it takes to install one is shown by those who ask for `installing`.
        rack.call("image/demo", {"can_reuse": True}, method="PUT")
        yield rack


@pytest.fixture
def rack(daemon):
    """The daemon, without a request before, and after the test."""
    assert daemon.call("request/list")["requests"] == [], "the test before left a request open"
    yield daemon
    left = daemon.call("request/list")["requests"]
    for request in left:
        daemon.call(f"request/{request['id']}/return", {})
    assert not left, f"the test left requests open: {[(r['id'], r['assignee'], r['state']) for r in left]}"


@pytest.fixture
def installing(rack):
    """Boards get their image anew."""
    rack.call("image/demo", {"can_reuse": False}, method="PUT")
    yield
    rack.call("image/demo", {"can_reuse": True}, method="PUT")


@pytest.fixture
def pool(rack):
    """The pool, as a program has it."""
    return mozpoolclient.connect(rack.url)


@pytest.fixture
def faults():
    """Makes servers that misbehave as they are told: `faults()` alone, or `faults(rack.url)` in front of a real one."""
    made = []

    def make(behind=None):
        server = FaultServer(behind)
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture(autouse=True)
def no_servers_from_outside(monkeypatch):
    """Whoever runs the tests may have a pool of their own."""
    for name in ("MOZPOOL_URL", "MOZPOOL_TOKEN", "MOZPOOL_TOKEN_FILE", "MOZPOOL_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(CLIENT / "tests" / "no-such-folder"))
