"""The check of the site finds dead links and missing names; every page is in the menu; the reference is complete."""

from __future__ import annotations

import ast
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
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
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


def test_a_public_name_without_a_heading_and_a_package_without_a_page_are_found(
    site: ModuleType, tmp_path: Path
) -> None:
    for path, names in (
        ("reactive_ws", ["top"]),
        ("reactive_ws/a", ["one", "two"]),
        ("reactive_ws/a/deep", ["three"]),
        ("reactive_ws/b", ["four"]),
        ("stores", ["five"]),
    ):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "__init__.py").write_text(f"__all__ = {names!r}\n")
    (tmp_path / "reference").mkdir()
    for page, ids in (
        ("reactive_ws", ["reactive_ws.top"]),
        ("a", ["reactive_ws.a.one", "reactive_ws.a.deep.x.three"]),
        ("stores", ["reactive_ws.stores.fiver"]),
    ):
        (tmp_path / "reference" / f"{page}.html").write_text(
            "".join(f'<h2 id="{it}"></h2>' for it in ids)
        )
    assert list(site.missing_names(tmp_path, site.faces(tmp_path))) == [
        "reference/a.html: reactive_ws.a.two is missing",
        "reference/b.html: reactive_ws.b has no page",
        "reference/stores.html: reactive_ws.stores.five is missing",
    ]


def module_of(value: object) -> str:
    """Returns the module where an object is defined; empty for one that does not know."""
    return str(getattr(value, "__module__", None) or "")


def is_found(entry: str) -> bool:
    """Whether an entry of the reference is a package or module, or a name in the module that it stands in."""
    module, _, name = entry.rpartition(".")
    if (ROOT / entry.replace(".", "/")).exists() or (
        ROOT / (entry.replace(".", "/") + ".py")
    ).exists():
        return True
    return hasattr(importlib.import_module(module), name)


def test_the_entries_of_the_reference_are_where_they_say() -> None:
    entries = [
        entry
        for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
        for entry in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(entries) > 40
    assert [entry for entry in entries if not is_found(entry)] == []


def test_the_reference_has_every_public_name_of_every_package(site: ModuleType) -> None:
    """A name that is a module too, and a name without a docstring, are those that the tool of the reference leaves out."""
    missing: list[str] = []
    faces: dict[str, list[str]] = site.faces(ROOT)
    assert len(faces) > 40
    for face, names in faces.items():
        package = importlib.import_module(face)
        page = ROOT / "docs" / "reference" / f"{[*face.split('.'), face][1]}.md"
        entries = set(re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE))
        above = importlib.import_module(face.rpartition(".")[0] or face)
        if face not in entries:
            missing += [
                f"{face}.{name}"
                for name in names
                if getattr(above, name, None) is not getattr(package, name)
            ]
            continue
        for name in names:
            value = getattr(package, name)
            own = module_of(value)
            if isinstance(value, ModuleType):
                is_there = value.__name__ in entries
            elif own.rpartition(".")[2] == name or name == "command":
                is_there = any(entry.endswith(f".{name}.{name}") for entry in entries)
            else:
                continue
            if not is_there:
                missing.append(f"{face}.{name}")
    assert missing == []


def test_every_public_constant_and_alias_has_a_docstring(site: ModuleType) -> None:
    """The reference shows only what is documented."""
    silent: list[str] = []
    exported = {
        (name, id(getattr(importlib.import_module(face), name)))
        for face, names in site.faces(ROOT).items()
        for name in names
    }
    for path in [*ROOT.glob("reactive_ws/**/*.py"), *ROOT.glob("stores/**/*.py")]:
        if path.name == "__init__.py":
            continue
        body = ast.parse(path.read_text("utf-8")).body
        for statement, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(statement, ast.Assign | ast.AnnAssign):
                continue
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            name = ast.unparse(targets[0])
            is_documented = (
                isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            )
            if is_documented or not any(name == it for it, _ in exported):
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts if parts[0] == "reactive_ws" else ("reactive_ws", *parts))
            if (name, id(getattr(importlib.import_module(module), name))) in exported:
                silent.append(f"{path.relative_to(ROOT)}: {name}")
    assert silent == []


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


def test_a_page_that_no_page_leads_to_is_named(site: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "how-to").mkdir()
    (tmp_path / "index.html").write_text('<a href="how-to/a.html#x">a</a><iframe src="run.html">')
    (tmp_path / "how-to" / "a.html").write_text('<a href="../index.html">start</a>')
    (tmp_path / "run.html").write_text("")
    (tmp_path / "lost.html").write_text('<a href="index.html">start</a>')
    (tmp_path / "404.html").write_text("")
    assert list(site.unreachable(tmp_path)) == [
        "lost.html: no page leads to it; add it to the navigation in mkdocs.yml"
    ]
