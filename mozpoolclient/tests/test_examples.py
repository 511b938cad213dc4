# SPDX-License-Identifier: MPL-2.0
"""The examples and what the documents show are run as they stand."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from rack import LIMIT_S

CLIENT = pathlib.Path(__file__).resolve().parents[1]
#: Arguments, status, and what it says.
EXAMPLES = {
    "one_board.py": ([], 0, "it answers ping"),
    "run_tests.py": (["demo", "sh", "-c", "echo on $MOZPOOL_DEVICE; exit 7"], 7, "on board-0"),
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


def test_a_job_without_a_board_says_why_and_that_it_may_be_tried_again(rack):
    done = run(rack, sys.executable, "run_tests.py", "no-such-image", "true")
    assert done.returncode == 75
    assert "no-such-image" in done.stderr


def blocks(document, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", [CLIENT / "README.md", CLIENT.parent / "docs" / "python.md"], ids=lambda path: path.name)
def test_what_a_document_shows_runs(rack, document):
    found = blocks(document, "python run")
    assert found
    for block in found:
        done = run(rack, sys.executable, "-W", "error", "-c", block)
        assert done.returncode == 0, block + done.stdout + done.stderr
