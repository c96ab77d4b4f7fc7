"""An installed distribution in a project that has a `stores` of its own: wheel, sdist and editable install.

Each is installed into an environment of its own. The blocks of the README run there, and both type checkers see the types.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import attrs
import pytest
from unit.test_docs import ROOT, script_of

_SOURCES = ("LICENSE", "README.md", "pyproject.toml", "reactive_ws", "stores")
_BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
_PROGRAM = """
from reactive_ws import Store
from reactive_ws.stores import Application
from reactive_ws.stores.hub import Hub
import stores

mine: str = stores.Application
count = Store(0)
hub = Hub()
app = Application.at("ws://localhost:1/ws")
count.set("one")
"""


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeeds(*words: str | Path, cwd: Path) -> str:
    done = run(*words, cwd=cwd)
    assert done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"
    return done.stdout


@attrs.frozen
class Environment:
    """A virtual environment.

    Attributes:
        folder: Its folder.
    """

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> Environment:
        succeeds(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        return cls(folder)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def install(self, *what: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
        known = ("--constraint", ROOT / "constraints.txt")
        succeeds(*pip, "--python", self.python, "install", *known, *what, cwd=self.folder.parent)


@attrs.frozen
class Distributions:
    """The files that a release has, and the source tree that they were built from."""

    source: Path
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("build")
    source, made = folder / "source", folder / "dist"
    source.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    builder = Environment.new(folder / "builder")
    builder.install("setuptools>=77")
    sdist = succeeds(builder.python, "-c", _BUILD, "build_sdist", made, cwd=source)
    wheel = succeeds(builder.python, "-c", _BUILD, "build_wheel", made, cwd=source)
    return Distributions(source, made / wheel.splitlines()[-1], made / sdist.splitlines()[-1])


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(
    request: pytest.FixtureRequest,
    built: Distributions,
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    environment = Environment.new(tmp_path_factory.mktemp(request.param) / "env")
    match request.param:
        case "wheel":
            environment.install(built.wheel)
        case "sdist":
            environment.install(built.sdist)
        case _:
            environment.install("--editable", built.source)
    return environment


def project(folder: Path, *, is_package: bool) -> Path:
    """Makes a project that has `stores.py`, or a package `stores`."""
    path = folder / ("stores/__init__.py" if is_package else "stores.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text('Application = "mine"\n')
    return folder


def test_wheel_and_sdist_have_the_same_modules_and_no_package_beside_reactive_ws(
    built: Distributions,
) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"reactive_ws"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "reactive_ws").rglob("*.py")}
    modules |= {f"reactive_ws/{path.relative_to(ROOT)}" for path in (ROOT / "stores").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert {"reactive_ws/py.typed", "reactive_ws/stores/py.typed"} <= names
    with tarfile.open(built.sdist) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert names <= inside


def test_site_packages_gets_no_stores(installed: Environment) -> None:
    assert list(installed.site_packages.glob("stores*")) == []
    link = list(installed.site_packages.glob("__editable__*"))
    find = "import importlib.util; print(importlib.util.find_spec('stores') is not None)"
    # An editable install puts the source tree on the path, and with it the folder `stores`.
    assert succeeds(installed.python, "-c", find, cwd=installed.folder) == f"{bool(link)}\n"


@pytest.mark.parametrize("is_package", [False, True], ids=["stores.py", "stores/"])
def test_the_readme_runs_in_a_project_with_stores_of_its_own(
    installed: Environment, tmp_path: Path, *, is_package: bool
) -> None:
    folder = project(tmp_path, is_package=is_package)
    script = folder / "readme.py"
    own = "import stores\nassert stores.Application == 'mine'\n"
    script.write_text(script_of((ROOT / "README.md").read_text("utf-8")) + own, "utf-8")
    succeeds(installed.python, "-W", "error", script, cwd=folder)


def test_both_type_checkers_see_the_types(installed: Environment, tmp_path: Path) -> None:
    folder = project(tmp_path, is_package=False)
    (folder / "program.py").write_text(_PROGRAM)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    words = ("--strict", "--python-executable", installed.python, "program.py")
    by_mypy = run(sys.executable, "-m", "mypy", *words, cwd=folder).stdout.splitlines()
    errors = [line for line in by_mypy if " error: " in line]
    assert len(errors) == 1, by_mypy
    assert 'program.py:11: error: Argument 1 to "set" of "Store" has incompatible type' in errors[0]
    by_pyright = run(
        sys.executable, "-m", "pyright", "--pythonpath", installed.python, "program.py", cwd=folder
    ).stdout
    errors = [line for line in by_pyright.splitlines() if " - error: " in line]
    assert len(errors) == 1, by_pyright
    assert "program.py:11:11" in errors[0]
