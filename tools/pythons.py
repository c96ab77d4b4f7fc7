"""Finds the Pythons of a machine, and tries a wheel on one of them. `release.py` calls it.

A supported version that the machine does not have comes from Debian's archive: its packages are unpacked in a temporary folder,
and nothing is installed. Without the archive, or without the tools for that, the version is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["VERSIONS", "CommandFailed", "NotHad", "Python", "find", "run", "try_out", "unpack"]

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
TELL = """
import platform, sys, sysconfig
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(platform.python_version())
"""
SUITE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} sid main\n"
ARCHIVES = (
    "apt-get",
    "indextargets",
    "--format",
    "$(SITE)",
    "Created-By: Packages",
    "Origin: Debian",
)
"""Prints where this machine gets its own Debian packages from, a line for each list of packages."""
PATIENCE = 180.0
"""Seconds that each of the two calls of the archive may take."""
README = "tests/integration/test_readme.py"
WITHOUT = "not shell_blocks"
"""The shell blocks of the README need the examples and the toolkits of a clone."""
UNIT = """
    batch derived derived_errors derived_lifetime events home keyed selection store strict trigger validate views
    codec_one_pass decisions delivery dialing dispatcher inbound journal outbox redirects registry requests resume service
    storage tokens door drafts effects lifecycle optimistic replicas resources
"""
MORE = """
    dialects gui/test_streams.py hub middleware server/test_commands.py server/test_session.py server/test_sqlite_log.py
    stores/test_facade.py stores/test_history.py stores/test_small_stores.py testing/test_loop.py testing/test_simulation.py
"""
MAX_FAILED = 3
"""Failed tests that run once more, alone. Those that fail then are failures."""


class CommandFailed(Exception):
    """A program failed. The text is its output."""


class NotHad(Exception):
    """A version of Python is not available. The text says why."""


class Python(NamedTuple):
    """An interpreter: its whole version, such as 3.12.1, its path, and where it came from."""

    version: str
    path: Path
    origin: str


def run(*words: str | Path, cwd: Path = ROOT, timeout: float | None = None) -> str:
    """Runs a program, without the paths of this process, and returns its output.

    Raises:
        CommandFailed: the program failed, or took longer than `timeout` seconds.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = " ".join(map(str, words))
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"{command}: took more than {timeout:g} s") from late
    if done.returncode:
        raise CommandFailed(f"{command}:\n{done.stdout}{done.stderr}")
    return done.stdout


def find() -> list[Python]:
    """Returns the interpreters of this machine that the package supports, one for each version, in order."""
    found: dict[str, Python] = {}
    for path, origin in _candidates():
        try:
            version = run(path, "-c", TELL).strip()
        except CommandFailed:
            # Another implementation, or a shim of pyenv without the version behind it.
            continue
        if version.rpartition(".")[0] in VERSIONS:
            found.setdefault(version, Python(version, path, origin))
    return sorted(found.values(), key=lambda it: [int(part) for part in it.version.split(".")])


def _candidates() -> Iterator[tuple[Path, str]]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in sorted(root.glob("versions/*/bin/python")):
        yield path, "pyenv"
    for version in VERSIONS:
        debian = Path(f"/usr/bin/python{version}")
        if debian.exists():
            yield debian, "Debian"
        elsewhere = shutil.which(f"python{version}")
        if elsewhere is not None:
            yield Path(elsewhere), "the path"


def unpack(version: str, place: Path) -> Python:
    """Unpacks a Python of Debian's unstable suite below a folder, with the C library that it needs.

    Raises:
        NotHad: the archive is out of reach, has no such version, or a tool for this is missing.
    """
    for tool in ("apt-get", "dpkg-deb", "patchelf"):
        if shutil.which(tool) is None:
            raise NotHad(f"{tool} is missing")
    try:
        return _unpack(version, place)
    except CommandFailed as failed:
        lines = [line for line in str(failed).splitlines() if line.startswith("E:")]
        raise NotHad(lines[0] if lines else str(failed).splitlines()[0]) from failed


def _unpack(version: str, place: Path) -> Python:
    state, cache, root = place / "state", place / "cache", place / "root"
    for folder in (state / "lists/partial", cache / "archives/partial", root):
        folder.mkdir(parents=True)
    # An empty list of installed packages, so that everything down to the C library is fetched.
    (state / "status").write_text("")
    archives = run(*ARCHIVES).split()
    if not archives:
        raise NotHad("apt names no archive of Debian")
    (place / "sources.list").write_text(SUITE.format(archive=archives[0]))
    options = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": cache,
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": "20",
    }
    apt = ("apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()))
    run(*apt, "update", "--error-on=any", timeout=PATIENCE)
    run(*apt, "install", "--yes", "--download-only", f"python{version}-venv", timeout=PATIENCE)
    for package in sorted(cache.glob("archives/*.deb")):
        run("dpkg-deb", "--extract", package, root)
    path = root / f"usr/bin/python{version}"
    loader = next(root.glob("usr/lib/*/ld-linux-*.so.*"))
    run("patchelf", "--set-interpreter", loader, path)
    run("patchelf", "--force-rpath", "--set-rpath", loader.parent, path)
    return Python(run(path, "-c", TELL).strip(), path, "Debian unstable, unpacked")


def try_out(wheel: Path, python: Python, source: Path, place: Path, *, has_tests: bool) -> str:
    """Installs the wheel into a new environment, runs it there outside the repository, and returns what passed.

    Args:
        wheel: The file.
        python: The interpreter.
        source: The files that the wheel was made of. Its tests run, in a copy without the package.
        place: An empty folder.
        has_tests: Whether the unit tests of `UNIT` and `MORE` run, too. The programs of the README always do.

    Raises:
        CommandFailed: something failed.
    """
    environment, copy = place / "venv", place / "copy"
    run(python.path, "-m", "venv", "--without-pip", environment, cwd=place)
    inside = environment / "bin" / "python"
    pip = (sys.executable, "-W", "ignore", "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", inside)  # fmt: skip
    known = ("--constraint", ROOT / "constraints.txt", "--only-binary", ":all:")
    run(*pip, "install", *known, wheel, cwd=place)
    run(*pip, "check", cwd=place)
    said = run(environment / "bin" / "reactive-ws", "demo", "--plain", "--seconds", "2", cwd=place)
    if not said.rstrip().endswith("passed"):
        raise CommandFailed(f"the demo of the wheel did not pass:\n{said}")
    run(*pip, "install", *known, f"{wheel}[testing]", cwd=place)
    copy.mkdir()
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(source / name, copy)
    shutil.copytree(source / "tests", copy / "tests")
    files = [README]
    if has_tests:
        files += [f"tests/unit/test_{name}.py" for name in UNIT.split()]
        files += [f"tests/unit/{name}" for name in MORE.split()]
    return f"pip check, demo, {run_tests(inside, copy, '-m', 'not deep', '-k', WITHOUT, *files)}"


def run_tests(python: Path, folder: Path, *words: str) -> str:
    """Runs pytest and returns its last line. A few tests that fail run once more, alone, and are named.

    Raises:
        CommandFailed: a test failed again, or more than `MAX_FAILED` did.
    """
    tests = (python, "-m", "pytest", "-q")
    try:
        return run(*tests, *words, cwd=folder).splitlines()[-1]
    except CommandFailed:
        failed = folder / ".pytest_cache/v/cache/lastfailed"
        names = list(json.loads(failed.read_text())) if failed.exists() else []
        if not 0 < len(names) <= MAX_FAILED:
            raise
        again = run(*tests, *names, cwd=folder).splitlines()[-1]
        return f"unsteady are {', '.join(names)}: alone, {again}"
