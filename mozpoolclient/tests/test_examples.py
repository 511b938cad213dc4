# SPDX-License-Identifier: MPL-2.0
"""The examples are run as they stand. (What documents show is run by tests/docs.rs.)"""

import os
import pathlib
import subprocess
import sys

import pytest
from rack import LIMIT_S

CLIENT = pathlib.Path(__file__).resolve().parents[1]
#: Arguments, status, and what it says.
EXAMPLES = {
    "one_board.py": ([], 0, "it answers ping"),
    "several_boards.py": ([], 0, "talks to 127."),
    "old_style.py": ([], 0, "{'success': True}"),
    "pytest_board.py": (None, 0, "1 passed"),
}


def run(rack, *command):
    env = {**os.environ, "MOZPOOL_URL": rack.url, "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, cwd=CLIENT / "examples"
    )


@pytest.mark.parametrize("name", sorted(path.name for path in (CLIENT / "examples").glob("*.py")))
def test_an_example_runs(rack, name):
    arguments, status, says = EXAMPLES[name]
    if arguments is None:
        done = run(rack, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "/", "-c", "/dev/null", name)
    else:
        done = run(rack, sys.executable, "-W", "error", name, *arguments)
    assert (done.returncode, says in done.stdout) == (status, True), done.stdout + done.stderr
