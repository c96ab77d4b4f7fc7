"""Builds the site of the documentation into build/site and checks its links.

    python tools/site.py             build and check; the exit code is 1 when a page or a heading is missing
    python tools/site.py --check     only check a site that is built

The pages of the reference come from the docstrings: each page in `docs/reference` names its packages. Every name in the
`__all__` of a package must have a heading there. A reader must reach every page from the first one by links. `make docs` installs
zensical and runs this tool. Links to other sites are not followed.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import playground

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"


class Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects the links and the ids of a tag."""
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and tag in ("a", "iframe", "img", "script", "link"):
                self.links.append(value)


def broken_links(site: Path) -> Iterator[str]:
    """Yields one line for each link to a file or an anchor that the site does not have."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        # The page for missing addresses has links from the root of the server.
        if path.name == "404.html":
            continue
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("#__"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            where = f"{path.relative_to(site)}: {link}"
            if not target.exists():
                yield f"{where}: there is no such page"
                continue
            anchors = pages[target].anchors if target in pages else {parts.fragment}
            if parts.fragment and unquote(parts.fragment) not in anchors:
                yield f"{where}: the page has no such heading"


def unreachable(site: Path) -> Iterator[str]:
    """Yields one line for each page that no chain of links leads to from the first page."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    waiting, seen = [site / "index.html"], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        for link in pages[path].links:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc and parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
                waiting.append(target / "index.html" if target.is_dir() else target)
    for path in pages:
        if path not in seen and path.name != "404.html":
            yield f"{path.relative_to(site)}: no page leads to it; add it to the navigation in mkdocs.yml"


def faces(root: Path) -> dict[str, list[str]]:
    """Returns the public names of each package below `root`, by the name under which programs import it."""
    found: dict[str, list[str]] = {}
    for path in sorted(
        [*root.glob("reactive_ws/**/__init__.py"), *root.glob("stores/**/__init__.py")]
    ):
        parts = path.parent.relative_to(root).parts
        package = ".".join(parts if parts[0] == "reactive_ws" else ("reactive_ws", *parts))
        for statement in ast.parse(path.read_text("utf-8")).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                found[package] = ast.literal_eval(statement.value)
    return found


def missing_names(site: Path, names: dict[str, list[str]]) -> Iterator[str]:
    """Yields one line for each public name without a heading on the page of its package."""
    for package, public in names.items():
        page = site / "reference" / f"{[*package.split('.'), package][1]}.html"
        if not page.exists():
            yield f"{page.relative_to(site)}: {package} has no page"
            continue
        headings = {it.rpartition(".")[2] for it in Page(page.read_text("utf-8")).anchors}
        for name in public:
            if name not in headings:
                yield f"{page.relative_to(site)}: {package}.{name} is missing"


def main() -> int:
    """Builds and checks the site; returns 1 when a link is broken or a public name is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only check the links")
    options = parser.parse_args()
    if not options.check:
        command = Path(sys.executable).with_name("zensical")
        done = subprocess.run([command, "build", "--clean"], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
        playground.build(SITE / "playground")
    names = faces(ROOT)
    broken = [*broken_links(SITE), *unreachable(SITE)]
    missing = list(missing_names(SITE, names))
    for line in (*broken, *missing):
        print(line)
    count = len(list(SITE.rglob("*.html")))
    total = sum(map(len, names.values()))
    print(
        f"{SITE.relative_to(ROOT)}: {count} pages, {len(broken)} broken links or pages without a way; "
        f"reference: {total} names of {len(names)} packages, {len(missing)} missing"
    )
    return 1 if broken or missing or not count else 0


if __name__ == "__main__":
    sys.exit(main())
