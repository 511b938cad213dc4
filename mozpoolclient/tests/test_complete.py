# SPDX-License-Identifier: MPL-2.0
"""Everything public has a test, is documented, and is as typed and as old as promised."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys

import mozpoolclient
import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = sorted((CLIENT / "mozpoolclient").glob("*.py"))

#: The original's, which scripts call.
ORIGINAL = """
    url_get decode_json url_post partial_url_get partial_url_post query_device_status query_device_details request_device renew_request
    close_request device_power_cycle device_ping query_device_log query_request_status query_request_details
    query_all_device_list query_all_device_details query_all_requests device_state_change device_power_off query_device_bootconfig
    bmm_device_clear_pxe bmm_pxe_config_list bmm_pxe_config_details
""".split()


def public():
    """Names as `Board.ping` and `connect`."""
    for name in mozpoolclient.__all__:
        thing = getattr(mozpoolclient, name)
        if not inspect.isclass(thing):
            yield name
        elif not issubclass(thing, Exception):
            members = set(vars(thing)) | set(getattr(thing, "__annotations__", {}))
            yield from (f"{name}.{member}" for member in members if not member.startswith("_"))
    # Set when it is made.
    yield from ("MozpoolHandler.log_obj", "MozpoolHandler.mozpool_api_url")


def shown():
    """What tests say they show, with the test's text."""
    for path in (CLIENT / "tests").glob("test_*.py"):
        text = path.read_text()
        for node in ast.parse(text).body:
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "shows":
                    body = "\n".join(ast.unparse(line) for line in node.body)
                    yield from ((argument.value, body) for argument in mark.args)


def test_everything_public_has_a_test_that_uses_it():
    tests = list(shown())
    for name in public():
        last = name.split(".")[-1]
        using = [body for shows, body in tests if shows == name and re.search(rf"\b{last}\b", body)]
        assert using, f"no test is marked with @shows({name!r}) and uses it"
    gone = {shows for shows, _ in tests} - set(public())
    assert not gone, f"tests show what there is not: {gone}"


def test_the_originals_names_are_there():
    for name in ORIGINAL:
        assert callable(getattr(mozpoolclient.MozpoolHandler, name))
    ask = list(inspect.signature(mozpoolclient.MozpoolHandler.request_device).parameters)
    assert ask[1:8] == ["device", "image", "duration", "assignee", "pxe_config", "b2gbase", "environment"]
    assert issubclass(mozpoolclient.MozpoolConflictException, mozpoolclient.MozpoolException)


def test_everything_public_is_documented():
    for name in public():
        kind, _, member = name.partition(".")
        thing = inspect.getattr_static(getattr(mozpoolclient, kind), member, None) if member else getattr(mozpoolclient, kind)
        if thing is not None and (callable(thing) or isinstance(thing, property)):
            assert inspect.getdoc(thing), f"{name} has no words"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_3_9_can_read_it(path):
    text = path.read_text()
    ast.parse(text, feature_version=(3, 9))
    assert text.startswith("# SPDX-License-Identifier: MPL-2.0\n\"\"\"")
    assert len(text.splitlines()) <= 500
    # Only the standard library, and nothing of it that came after 3.9.
    for node in ast.walk(ast.parse(text)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert all(module.split(".")[0] in sys.stdlib_module_names for module in modules), modules


def test_types_are_whole():
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null", "mozpoolclient"]
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_version_is_the_programs():
    manifest = (CLIENT.parent / "Cargo.toml").read_text()
    assert f'version = "{mozpoolclient.__version__}"' in manifest
