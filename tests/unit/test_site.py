"""The check of the site finds links to pages and headings that do not exist; every page is in the menu."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_tool", ROOT / "tools" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_link_to_a_missing_page_picture_or_heading_is_found(
    site: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "how").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="how/b.html#x">b</a><a href="how/b.html#no">b</a><a href="#top">a</a>'
        '<a href="#none">a</a><a href="https://x.org/none">x</a><img src="none.png"><a href="c%20d.html">c</a>'
    )
    (tmp_path / "c d.html").write_text("")
    (tmp_path / "how" / "b.html").write_text(
        '<h2 id="x"></h2><a href="../a.html">a</a><a href="a.html">a</a>'
    )
    assert list(site.broken_links(tmp_path)) == [
        "a.html: how/b.html#no: the page has no such heading",
        "a.html: #none: the page has no such heading",
        "a.html: none.png: there is no such page",
        "how/b.html: a.html: there is no such page",
    ]


def pages() -> list[str]:
    return sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_every_page_is_in_the_menu_and_the_menu_names_only_pages() -> None:
    menu = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    # The page of the architecture links the decisions.
    assert sorted(menu) == [page for page in pages() if not page.startswith("decisions/")]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{it}" for it in pages())]
)
def test_relative_links_of_a_page_lead_to_files(page: str) -> None:
    path = ROOT / page
    text = re.sub(
        r"^```.*?^```$|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
