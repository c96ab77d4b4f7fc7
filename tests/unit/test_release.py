"""The release tool refuses what must not be released, and rewrites the links of the README."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
