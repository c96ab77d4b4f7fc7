"""Builds the distributions of a release, checks them, and tags the commit.

    python tools/release.py --url https://example.org/reactive-ws          build and check, and change nothing
    python tools/release.py --url https://example.org/reactive-ws --tag    also create the tag

The sdist comes from the committed files, and the wheel comes from the sdist. Links and pictures of the README get the address
of the repository, because an index page has no files beside it. For each Python that the machine has, the wheel is
installed into a new environment. There, outside the repository, `pip check`, the quick start and the demo run.
The tool needs `build` and `twine`; `make release` installs them. It uploads nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LINK = re.compile(r"(!?\[[^\]]*\])\((?!https?://|#)([^)\s]+)\)")
PROGRAM = """
from reactive_ws import KeyedStore, Store, batch, derived
import reactive_ws, reactive_ws.stores
assert reactive_ws.__version__ == {version!r}, reactive_ws.__version__
todos = KeyedStore[str, str]()
seen = []
todos.select_keys().subscribe(seen.append)
with batch():
    todos.upsert("a", "milk")
    todos.upsert("b", "tea")
assert [sorted(keys) for keys in seen] == [[], ["a", "b"]], seen
"""


class ReleaseFailed(Exception):
    """The release cannot be made. The text says why and what to do."""


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Runs a program and returns its output.

    Raises:
        ReleaseFailed: the program failed.
    """
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseFailed(f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")
    return done.stdout


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


def pythons() -> dict[str, str]:
    """Returns the interpreters of this machine by version."""
    found: dict[str, str] = {}
    for version in PYTHONS:
        here = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        path = str(here[-1]) if here else shutil.which(f"python{version}")
        if path is not None:
            found[version] = path
    return found


def try_out(wheel: Path, python: str, version: str, place: Path) -> None:
    """Installs the wheel into a new environment and runs it there, outside the repository."""
    run(python, "-m", "venv", place / "venv", cwd=place)
    bin_folder = place / "venv" / "bin"
    pip = (bin_folder / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--only-binary", ":all:", wheel, cwd=place)
    run(*pip, "check", cwd=place)
    run(bin_folder / "python", "-W", "error", "-c", PROGRAM.format(version=version), cwd=place)
    said = run(bin_folder / "reactive-ws", "demo", "--plain", "--seconds", "2", cwd=place)
    if not said.rstrip().endswith("passed"):
        raise ReleaseFailed(f"the demo of the wheel did not pass:\n{said}")


def build(place: Path, out: Path) -> tuple[Path, Path]:
    """Builds the sdist from the folder and the wheel from the sdist. Returns both."""
    run(sys.executable, "-m", "build", "--outdir", out, place)
    run(sys.executable, "-m", "twine", "check", "--strict", *out.iterdir())
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def main() -> int:
    """Makes the release; returns 1 when a check fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="address of the public repository, for links")
    parser.add_argument("--tag", action="store_true", help="create the tag when all checks pass")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the files")
    options = parser.parse_args()
    try:
        release(options.url, options.out, is_tagged=options.tag)
    except ReleaseFailed as failed:
        print(f"release: {failed}", file=sys.stderr)
        return 1
    return 0


def release(url: str | None, out: Path, *, is_tagged: bool) -> None:
    """Builds and checks everything, and creates the tag when asked.

    Raises:
        ReleaseFailed: a check failed.
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
        found = pythons()
        for number, python in found.items():
            folder = place / number
            folder.mkdir()
            try_out(wheel, python, version, folder)
            print(f"Python {number}: pip check, quick start and demo pass", flush=True)
        if missing := [number for number in PYTHONS if number not in found]:
            print(f"not tried, because this machine does not have it: Python {', '.join(missing)}")
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
