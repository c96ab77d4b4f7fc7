"""Builds the distributions of a release, checks them, and tags the commit.

    python tools/release.py --url https://example.org/reactive-ws          build and check, and change nothing
    python tools/release.py --url https://example.org/reactive-ws --tag    also create the tag

The sdist comes from the committed files, and the wheel comes from the sdist. Links and pictures of the README get the address
of the repository, because an index page has no files beside it. On each Python that the machine has or Debian's archive gives,
the wheel is installed into a new environment without a compiler. There, outside the repository, `pip check`, the demo, the
programs of the README and unit tests run.
The tool needs `build` and `twine`; `make release` installs them. It uploads nothing.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

from pythons import VERSIONS, CommandFailed, NotHad, Python, find, run, try_out, unpack

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(!?\[[^\]]*\])\((?!https?://|#)([^)\s]+)\)")


class ReleaseFailed(Exception):
    """The release cannot be made. The text says why and what to do."""


def version_of(root: Path) -> str:
    """Returns the version in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def check_changelog(root: Path, version: str) -> None:
    """Checks that the changelog has a heading for the version.

    Raises:
        ReleaseFailed: the heading is missing.
    """
    if not re.search(rf"^## \[?{re.escape(version)}(?![.\w])", (root / "CHANGELOG.md").read_text(), re.MULTILINE):  # fmt: skip
        raise ReleaseFailed(
            f"CHANGELOG.md has no heading '## {version}'; move the unreleased changes below it"
        )


def with_absolute_links(page: str, url: str) -> str:
    """Returns the page with the address of the repository before each relative link and picture."""

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found[1].startswith("!") else "blob"
        return f"{found[1]}({url}/{kind}/main/{found[2]})"

    return LINK.sub(absolute, page)


def prepare(place: Path, url: str | None) -> None:
    """Writes the committed files into a folder, with absolute links when the address is known."""
    archive = place.parent / "committed.tar"
    run("git", "archive", "-o", archive, "HEAD")
    with tarfile.open(archive) as committed:
        committed.extractall(place, filter="tar")
    if url is None:
        return
    readme = place / "README.md"
    readme.write_text(with_absolute_links(readme.read_text("utf-8"), url), "utf-8")
    project = place / "pyproject.toml"
    urls = f'[project.urls]\nRepository = "{url}"\nChangelog = "{url}/blob/main/CHANGELOG.md"\n\n'
    text = project.read_text("utf-8")
    project.write_text(text.replace("[project.scripts]", f"{urls}[project.scripts]"), "utf-8")


def check_wheel(wheel: Path) -> None:
    """Checks that the wheel installs nothing but the package, as real files.

    Raises:
        ReleaseFailed: another name would land in site-packages, or a part is missing.
    """
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    if tops != {"reactive_ws", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}:
        raise ReleaseFailed(f"the wheel installs {sorted(tops)}; only reactive_ws may be there")
    needed = {"reactive_ws/py.typed", "reactive_ws/stores/app.py", "reactive_ws/stores/py.typed"}
    if missing := needed - {*names}:
        raise ReleaseFailed(f"the wheel has no {', '.join(sorted(missing))}")


def build(place: Path, out: Path) -> tuple[Path, Path]:
    """Builds the sdist from the folder and the wheel from the sdist. Returns both."""
    run(sys.executable, "-m", "build", "--outdir", out, place)
    run(sys.executable, "-m", "twine", "check", "--strict", *out.iterdir())
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def try_everywhere(wheel: Path, source: Path, place: Path) -> None:
    """Tries the wheel on every supported Python, and prints what passed where. `source` has its tests.

    Raises:
        CommandFailed: something failed on at least one of them. All were tried.
    """
    found = find()
    had = {python.version.rpartition(".")[0] for python in found}
    for version in (it for it in VERSIONS if it not in had):
        try:
            found.append(unpack(version, place / f"debian-{version}"))
        except NotHad as reason:
            print(f"Python {version}: not tried, because {reason}", flush=True)
    failures: list[str] = []
    for python in found:
        folder = place / python.version
        folder.mkdir()
        label = f"Python {python.version} ({python.origin})"
        try:
            passed = try_out(wheel, python, source, folder, has_tests=not is_own(python))
        except CommandFailed as failed:
            # The others are tried, too: whether they fail says whether the fault is of this Python.
            failures.append(f"{label}: {failed}")
            print(f"{label}: failed", flush=True)
        else:
            print(f"{label}: {passed}", flush=True)
    if failures:
        raise CommandFailed("\n".join(failures))


def is_own(python: Python) -> bool:
    """Whether an interpreter is the one that runs this tool, and with it `make test`."""
    return python.version == platform.python_version()


def main() -> int:
    """Makes the release; returns 1 when a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="address of the public repository, for links")
    parser.add_argument("--tag", action="store_true", help="create the tag when all checks pass")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the files")
    options = parser.parse_args()
    try:
        release(options.url, options.out, is_tagged=options.tag)
    except (ReleaseFailed, CommandFailed) as failed:
        print(f"release: {failed}", file=sys.stderr)
        return 1
    return 0


def release(url: str | None, out: Path, *, is_tagged: bool) -> None:
    """Builds and checks everything, and creates the tag when asked.

    Raises:
        ReleaseFailed: a check failed.
        CommandFailed: a program failed.
    """
    version = version_of(ROOT)
    if is_tagged:
        check_changelog(ROOT, version)
        if run("git", "status", "--porcelain"):
            raise ReleaseFailed("there are changes that are not committed; commit them first")
        if url is None:
            raise ReleaseFailed("a release needs --url; without it, the page has no pictures")
    with tempfile.TemporaryDirectory(prefix="reactive-ws-release-") as name:
        place = Path(name)
        prepare(place / "source", url)
        sdist, wheel = build(place / "source", place / "dist")
        check_wheel(wheel)
        try_everywhere(wheel, place / "source", place)
        out.mkdir(exist_ok=True)
        for path in (sdist, wheel):
            shutil.copy(path, out)
            print(out / path.name)
    if is_tagged:
        run("git", "tag", "--annotate", f"v{version}", "--message", f"Version {version}")
        print(f"tagged v{version}; push the tag and upload with: twine upload {out}/*")
    else:
        print("nothing was tagged; --tag does that")


if __name__ == "__main__":
    sys.exit(main())
