"""The CI recipes in packaging/ci: they are what their services understand, and the commands in them take a board, use it and give it
back, also when the tests fail and when the job is cancelled. Commands are taken out of the files as they stand, and run against the demo.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
from rack import LIMIT_S, Rack, wait_for  # noqa: E402

RECIPES = ROOT / "packaging" / "ci"
#: What the services set, and what the recipes' assignees become with it.
SERVICE = {
    "GITHUB_RUN_ID": "4711", "GITHUB_JOB": "boards", "GITHUB_REPOSITORY": "o/r", "GITHUB_REF_NAME": "main",
    "CI_JOB_ID": "4711", "CI_PROJECT_PATH": "o/r", "CI_COMMIT_REF_NAME": "main",
    "BUILD_TAG": "4711", "BUILD_URL": "http://jenkins/job/1/",
}  # fmt: skip
#: What a project would test its board with.
TESTS = """#!/bin/sh
echo "$$ tests $MOZPOOL_DEVICE of $MOZPOOL_REQUEST"
[ -z "${LINGER:-}" ] || exec sleep 600
exit 7
"""


def github():
    text = yaml.safe_load((RECIPES / "github-actions.yml").read_text())
    for name, job in text["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield f"github {name}", ["bash", "-e"], step["run"], "github-4711-boards"


def gitlab():
    text = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text())
    for name, job in text.items():
        for key in ("script", "after_script"):
            if key in job:
                yield f"gitlab {name}", ["bash", "-e"], "\n".join(job[key]), "gitlab-4711"


def jenkins():
    text = (RECIPES / "Jenkinsfile").read_text()
    for n, script in enumerate(re.findall(r"\bsh '''(.*?)'''", text, re.DOTALL)):
        # What Groovy makes of it; no other escapes are in use.
        yield f"jenkins {n}", ["sh", "-xe"], re.sub(r"\\\n", "", script), "jenkins-4711"


def plain():
    for name in ("job.sh", "steps.sh"):
        yield name, ["sh"], (RECIPES / name).read_text(), None


ALL = [*github(), *gitlab(), *jenkins(), *plain()]
JOBS = [recipe for recipe in ALL if "./run-tests.sh" in recipe[2]]
AFTER = [recipe for recipe in ALL if "./run-tests.sh" not in recipe[2]]


@pytest.fixture(scope="module")
def daemon():
    with Rack(3) as rack:
        rack.until_at_rest()
        rack.call("image/demo", {"can_reuse": True}, method="PUT")
        yield rack


@pytest.fixture
def rack(daemon):
    assert held(daemon) == []
    yield daemon
    for request in held(daemon):
        daemon.call(f"request/{request['id']}/return", {})


@pytest.fixture
def start(rack, tmp_path):
    """Starts a recipe's commands as its service does, in a folder with the project."""
    started = []
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mozpool").symlink_to(os.environ["MOZPOOL"])
    # The Python of the lab's runners, which has the client.
    (programs / "python3").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT}/mozpoolclient exec {sys.executable} -B "$@"\n')
    (programs / "python3").chmod(0o755)
    (tmp_path / "run-tests.sh").write_text(TESTS)
    (tmp_path / "run-tests.sh").chmod(0o755)

    def begin(recipe, **more):
        _, shell, script, _ = recipe
        (tmp_path / "step").write_text(script)
        env = {**os.environ, **SERVICE, **more, "MOZPOOL_URL": rack.url, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        process = subprocess.Popen(
            [*shell, "step"], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def held(rack):
    return rack.call("request/list")["requests"]


def ids(recipes):
    return [recipe[0] for recipe in recipes]


def test_every_file_is_read():
    assert {path.name for path in RECIPES.iterdir()} == {"github-actions.yml", "gitlab-ci.yml", "Jenkinsfile", "job.sh", "steps.sh"}
    assert len(JOBS) == 8
    assert len(AFTER) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["vendor.github-workflows", "github-actions.yml"],
        ["vendor.gitlab-ci", "--data-transform", "gitlab-ci", "gitlab-ci.yml"],
    ],
    ids=["github", "gitlab"],
)
def test_the_service_would_take_it(arguments):
    *schema, name = arguments
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(RECIPES / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_token_is_a_secret_of_the_service():
    github = yaml.safe_load((RECIPES / "github-actions.yml").read_text())
    assert github["env"]["MOZPOOL_TOKEN"] == "${{ secrets.MOZPOOL_TOKEN }}"
    assert "MOZPOOL_TOKEN = credentials('mozpool-token')" in (RECIPES / "Jenkinsfile").read_text()
    for path in RECIPES.iterdir():
        text = path.read_text()
        assert "MOZPOOL_TOKEN" in text, path.name
        assert "mzp_" not in text, path.name
        assert not re.search(r"^[^#/]*--token", text, re.MULTILINE), path.name


def test_the_jenkinsfile_is_whole():
    text = (RECIPES / "Jenkinsfile").read_text()
    code = re.sub(r"'''.*?'''|'[^'\n]*'|//[^\n]*", "", text, flags=re.DOTALL)
    for one, other in ("{}", "()"):
        assert code.count(one) == code.count(other)
    assert "'" not in code
    for section in ("pipeline", "agent", "options", "environment", "stages", "stage", "steps", "post", "always", "sh"):
        assert re.search(rf"\b{section}\b", code), section


@pytest.mark.parametrize("recipe", ALL, ids=ids(ALL))
def test_shells_can_read_it(recipe, tmp_path):
    (tmp_path / "step").write_text(recipe[2])
    subprocess.run([recipe[1][0], "-n", "step"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("recipe", JOBS, ids=ids(JOBS))
def test_a_job_uses_a_board_and_returns_it_with_its_tests_status(rack, start, recipe):
    process = start(recipe)
    said, complained = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 7, complained
    device, request = re.search(r"tests (board-\d+) of (\d+)", said).groups()
    details = rack.call(f"request/{request}/details")
    assert details["state"] == "closed"
    assert any(device in line["message"] for line in rack.call(f"request/{request}/log")["log"])
    if recipe[3]:
        assert details["assignee"] == recipe[3]
    assert held(rack) == []


@pytest.mark.parametrize("recipe", JOBS, ids=ids(JOBS))
def test_a_cancelled_job_returns_its_board(rack, start, recipe):
    """The signal goes to the step's first process alone, as GitHub sends it, and nothing is left of the tests."""
    process = start(recipe, LINGER="1")
    tests = next(line for line in process.stdout if " tests board-" in line).split()[0]
    if recipe[0] == "steps.sh":
        # A shell acts when what it runs has ended; a service's signal reaches both.
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.send_signal(signal.SIGINT if recipe[0].startswith("github") else signal.SIGTERM)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode in (130, 143)
    wait_for("the board to be returned", lambda: held(rack) == [])
    wait_for("the tests to be gone", lambda: not os.path.exists(f"/proc/{tests}"))


@pytest.mark.parametrize("recipe", AFTER, ids=ids(AFTER))
def test_what_runs_afterwards_returns_what_a_killed_job_has_left(rack, start, recipe):
    rack.request(assignee=recipe[3])
    rack.request(assignee=recipe[3])
    other = rack.request(assignee="somebody else")
    process = start(recipe)
    _, complained = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, complained
    assert [request["id"] for request in held(rack)] == [other]
    # And with nothing left it does nothing.
    process = start(recipe)
    _, complained = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, complained
