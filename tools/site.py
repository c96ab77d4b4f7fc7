"""Builds the site of the documentation into build/site and checks its links.

    python tools/site.py             build and check; the exit code is 1 when a page or a heading is missing
    python tools/site.py --check     only check a site that is built

The pages of the reference come from the docstrings: `mkdocs.yml` names the packages. `make docs` installs zensical and runs
this tool. Links to other sites are not followed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
            elif name in ("href", "src") and tag in ("a", "img", "script", "link"):
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


def main() -> int:
    """Builds and checks the site; returns 1 when a link is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only check the links")
    options = parser.parse_args()
    if not options.check:
        command = Path(sys.executable).with_name("zensical")
        done = subprocess.run([command, "build", "--clean"], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    broken = list(broken_links(SITE))
    for line in broken:
        print(line)
    count = len(list(SITE.rglob("*.html")))
    print(f"{SITE.relative_to(ROOT)}: {count} pages, {len(broken)} broken links")
    return 1 if broken or not count else 0


if __name__ == "__main__":
    sys.exit(main())
