# SPDX-License-Identifier: MPL-2.0
"""`python3 -m mozpoolclient IMAGE -- COMMAND`, as CI jobs run it: exit codes, what the command is told, what is sent."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from rack import LIMIT_S, wait_for

CLIENT = pathlib.Path(__file__).resolve().parents[1]


def start(rack, *arguments):
    env = {**os.environ, "MOZPOOL_URL": rack.url, "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-m", "mozpoolclient", *arguments]
    return subprocess.Popen(command, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(rack, *arguments):
    process = start(rack, *arguments)
    said, complained = process.communicate(timeout=LIMIT_S)
    return process.returncode, said, complained


def test_the_commands_status_is_the_jobs(rack):
    status, said, complained = run(rack, "demo", "--environment", "demo,other", "--", "sh", "-c", "echo on $MOZPOOL_DEVICE; exit 7")
    assert status == 7
    assert said.startswith("on board-0")
    assert ": ready" in complained


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["demo", "--", "sh", "-c", "kill -9 $$"], 137, ""),
        (["demo", "--environment", "elsewhere", "--queue-limit", "0", "--", "true"], 120, "failed_device_not_found"),
        (["demo", "--environment", "elsewhere", "--ready-within", "0.3", "--", "true"], 120, "not ready"),
        (["no-such-image", "--", "true"], 125, "no-such-image"),
        (["demo", "--url", "ftp://a", "--", "true"], 125, "no server's address"),
        (["demo", "--", "no-such-command"], 127, "no-such-command"),
        (["demo", "--", "/"], 126, "denied"),
        (["demo", "--", "sh", "-c", "curl -s -d '{}' ${MOZPOOL_REQUEST_URL}return/; exec sleep 600"], 122, "is lost"),
        (["demo"], 2, "COMMAND"),
    ],
)
def test_exit_codes(rack, arguments, status, says):
    code, _, complained = run(rack, *arguments)
    assert code == status, complained
    assert says in complained


def test_a_board_of_another_is_none(rack, pool):
    with pool.request("any", image="demo") as board:
        status, _, complained = run(rack, "demo", "--device", board.name, "--", "true")
    assert status == 120
    assert "held by another request" in complained


def test_options_are_what_is_asked_for(rack, faults):
    server = faults(rack.url)
    options = "--hardware-type panda,pine --hardware-model m --processor p --tag a,b --tag c -k url=http://x/?a=b -k n=1".split()
    more = "--duration 60 --queue-limit 5 --assignee ci --reason why".split()
    run(rack, "no-such-image", "--url", server.url, *options, *more, "--", "true")
    body = server.got[0].json
    assert body.pop("reason").startswith("why (")
    assert body == {
        "assignee": "ci",
        "duration": 60,
        "environment": "any",
        "hardware_type": ["panda", "pine"],
        "hardware_model": ["m"],
        "image": "no-such-image",
        "n": "1",
        "processor": ["p"],
        "queue_limit": 5,
        "tags": [["a", "b"], ["c"]],
        "url": "http://x/?a=b",
    }


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_cancelled_job_ends_its_command_and_returns_its_board(rack, number, status):
    process = start(rack, "demo", "--", "sh", "-c", "echo $$; exec sleep 600")
    command = int(process.stdout.readline())
    process.send_signal(number)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == status
    wait_for("the command to be gone", lambda: not os.path.exists(f"/proc/{command}"))
