"""The release tool refuses what must not be released, and rewrites the links of the README."""

from __future__ import annotations

import importlib
import platform
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield importlib.import_module("release")


@pytest.fixture(scope="module")
def pythons(release: ModuleType) -> ModuleType:
    return importlib.import_module("pythons")


def test_relative_links_and_pictures_get_the_address_of_the_repository(release: ModuleType) -> None:
    page = "![a](docs/a.svg) [b](docs/b.md#c) [c](#c) [d](https://d.org) `[e](e)`"
    assert release.with_absolute_links(page, "https://x.org/r") == (
        "![a](https://x.org/r/raw/main/docs/a.svg) [b](https://x.org/r/blob/main/docs/b.md#c) "
        "[c](#c) [d](https://d.org) `[e](https://x.org/r/blob/main/e)`"
    )


def test_every_link_of_the_readme_is_absolute_afterwards(release: ModuleType) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    rewritten = release.with_absolute_links(page, "https://x.org/r")
    assert page.count("](docs/") == rewritten.count("](https://x.org/r/blob/main/docs/") + (
        rewritten.count("](https://x.org/r/raw/main/docs/images/")
    )
    assert "](docs/" not in rewritten


NEEDED = ("reactive_ws/py.typed", "reactive_ws/stores/app.py", "reactive_ws/stores/py.typed")
METADATA = "reactive_ws-1.0.dist-info/METADATA"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((*NEEDED, METADATA), None),
        ((*NEEDED, METADATA, "stores/app.py"), "'stores'"),
        ((NEEDED[0], METADATA), "has no reactive_ws/stores/app.py, reactive_ws/stores/py.typed"),
    ],
)
def test_a_wheel_installs_the_package_and_nothing_else(
    release: ModuleType, tmp_path: Path, names: tuple[str, ...], says: str | None
) -> None:
    wheel = tmp_path / "reactive_ws-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    if says is None:
        release.check_wheel(wheel)
    else:
        with pytest.raises(release.ReleaseFailed, match=says):
            release.check_wheel(wheel)


def test_a_version_without_a_heading_in_the_changelog_is_refused(
    release: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 1.2.0\n")
    release.check_changelog(tmp_path, "1.2.0")
    with pytest.raises(release.ReleaseFailed, match=r"has no heading '## 1\.2'"):
        release.check_changelog(tmp_path, "1.2")
    with pytest.raises(release.ReleaseFailed, match=r"has no heading '## 1\.2\.1'"):
        release.check_changelog(tmp_path, "1.2.1")


def test_each_supported_python_of_the_machine_is_found_once(pythons: ModuleType) -> None:
    found = pythons.find()
    versions = [python.version for python in found]
    assert len({*versions}) == len(versions)
    assert {version.rpartition(".")[0] for version in versions} <= {*pythons.VERSIONS}
    for python in found:
        assert pythons.run(python.path, "-c", pythons.TELL).strip() == python.version
        assert python.origin in ("pyenv", "Debian", "the path")


def test_the_pythons_of_pyenv_are_found_and_other_programs_are_not(
    pythons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    for name, script in {
        "this": f'exec {sys.executable} "$@"',
        "broken": "exit 1",
        "old": "echo 3.9.1",
    }.items():
        program = tmp_path / "versions" / name / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    of_pyenv = [python.version for python in pythons.find() if python.origin == "pyenv"]
    assert of_pyenv == [platform.python_version()]


def test_a_python_that_cannot_be_unpacked_is_left_out_with_the_reason(
    pythons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(pythons.NotHad, match="apt-get is missing"):
        pythons.unpack("3.14", tmp_path / "a")
    for name in ("apt-get", "dpkg-deb", "patchelf"):
        (folder / name).write_text(
            "#!/bin/sh\necho 'W: old' >&2\necho 'E: no archive' >&2\nexit 100\n"
        )
        (folder / name).chmod(0o755)
    with pytest.raises(pythons.NotHad, match=r"^E: no archive$"):
        pythons.unpack("3.14", tmp_path / "b")


STEADY = "def test_steady():\n    pass\n"
UNSTEADY = """
from pathlib import Path

def test_unsteady():
    mark = Path("mark")
    is_first = not mark.exists()
    mark.touch()
    assert not is_first
"""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (STEADY, "^1 passed"),
        (STEADY + UNSTEADY, "^unsteady are test_it.py::test_unsteady: alone, 1 passed"),
        (STEADY + "def test_wrong():\n    assert 0\n", None),
    ],
)
def test_a_failed_test_of_another_python_runs_once_more(
    pythons: ModuleType, tmp_path: Path, content: str, says: str | None
) -> None:
    (tmp_path / "test_it.py").write_text(content)
    words = (Path(sys.executable), tmp_path, "--rootdir", ".", "test_it.py")
    if says is None:
        with pytest.raises(pythons.CommandFailed, match="1 failed"):
            pythons.run_tests(*words)
    else:
        assert re.match(says, pythons.run_tests(*words))


def test_a_failure_on_one_python_leaves_no_other_python_out(
    release: ModuleType,
    pythons: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [
        pythons.Python(f"{version}.0", tmp_path / version, "a test") for version in pythons.VERSIONS
    ]

    def try_out(_wheel: Path, python: Any, _source: Path, _place: Path, *, has_tests: bool) -> str:
        if python.version.startswith(("3.11", "3.13")):
            raise pythons.CommandFailed("no luck")
        return "passed"

    monkeypatch.setattr(release, "find", lambda: found)
    monkeypatch.setattr(release, "try_out", try_out)
    with pytest.raises(pythons.CommandFailed) as failed:
        release.try_everywhere(tmp_path / "wheel", tmp_path, tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "Python 3.11.0 (a test): failed",
        "Python 3.12.0 (a test): passed",
        "Python 3.13.0 (a test): failed",
        "Python 3.14.0 (a test): passed",
    ]
    assert str(failed.value).splitlines() == [
        "Python 3.11.0 (a test): no luck",
        "Python 3.13.0 (a test): no luck",
    ]
