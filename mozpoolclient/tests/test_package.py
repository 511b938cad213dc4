# SPDX-License-Identifier: MPL-2.0
"""Wheel and source package: built, installed where there is nothing else, with each Python that is to be had, and used."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import mozpoolclient
import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[1]
NAME = f"mozpoolclient-{mozpoolclient.__version__}"
MODULES = {f"mozpoolclient/{path.name}" for path in (CLIENT / "mozpoolclient").iterdir() if path.suffix == ".py"} | {"mozpoolclient/py.typed"}
#: The oldest that is promised is the first.
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
USE = """
import mozpoolclient, sys
from mozpoolclient.mozpoolclient import MozpoolHandler
assert mozpoolclient.__file__.startswith(sys.prefix), mozpoolclient.__file__
with mozpoolclient.connect().request("any", image="demo") as board:
    print(board.name, board.run([sys.executable, "-c", ""]), board.expires.tzinfo, board.log(lines=1)[0])
    assert MozpoolHandler().device_ping(board.name)["success"]
"""


def run(*command, **more):
    done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def pythons():
    """This one, and each of another version that is installed and can make venvs."""
    found = {sysconfig.get_python_version(): sys.executable}
    homes = sorted(pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")).glob("versions/*/bin"))
    for version in VERSIONS:
        places = [home / f"python{version}" for home in homes] + [shutil.which(f"python{version}")]
        for program in filter(None, places):
            works = os.access(program, os.X_OK) and subprocess.run([program, "-c", "import venv"], capture_output=True).returncode == 0
            if works and version not in found:
                found[version] = str(program)
    return found


PYTHONS = pythons()


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with both packages, built from a copy without anything that git would not have."""
    source = tmp_path_factory.mktemp("source") / "mozpoolclient"
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "dist", ".*"))
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source)
    return out


def venv(folder, python):
    run(python, "-m", "venv", "--without-pip", folder)
    return folder / "bin" / "python"


def install(python, package):
    """By the tools' pip; the source package is built with the tools' hatchling."""
    tools = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    more = ["--no-build-isolation"] if package.suffix == ".gz" else []
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    run(*pip, *more, package, env=tools if more else None)


def use(rack, python):
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    said = run(python, "-W", "error", "-c", USE, env={**env, "MOZPOOL_URL": rack.url}, cwd="/")
    assert said.startswith("board-0")


def test_both_packages_hold_what_they_should(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names - {name for name in names if ".dist-info/" in name} == MODULES
    assert any(name.endswith("/LICENSE") for name in names)
    metadata = zipfile.ZipFile(wheel).read(f"{NAME}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.9" in metadata
    assert "Requires-Dist" not in metadata
    with tarfile.open(built / f"{NAME}.tar.gz") as source:
        inside = {name.removeprefix(f"{NAME}/") for name in source.getnames()}
    assert inside == MODULES | {"README.md", "LICENSE", "pyproject.toml", "PKG-INFO"}


def test_the_licence_is_the_projects():
    assert (CLIENT / "LICENSE").read_text() == (CLIENT.parent / "LICENSE").read_text()


@pytest.mark.parametrize("version", sorted(PYTHONS))
def test_the_wheel_is_all_that_is_needed(rack, built, tmp_path, version):
    python = venv(tmp_path / "venv", PYTHONS[version])
    install(python, next(built.glob("*.whl")))
    use(rack, python)


def test_the_source_package_installs_too(rack, built, tmp_path):
    python = venv(tmp_path / "venv", sys.executable)
    install(python, built / f"{NAME}.tar.gz")
    use(rack, python)
