"""The imports of the source tree follow the rules of the house, and the check finds what breaks them."""

from __future__ import annotations

import ast
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from import_rules import FLOORS, Tree

import reactive_ws
from reactive_ws.stores.wire import (
    ChatSnapshot,
    Message,
    Notification,
    Panel,
    PanelChange,
    agent_chat,
)
from reactive_ws.wire import protocol_v1

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


def test_packages_import_from_lower_floors_only(tree: Tree) -> None:
    assert tree.upward() == []


def test_packages_import_from_faces_only(tree: Tree) -> None:
    assert tree.past_faces() == []


def test_no_module_is_in_a_circle_type_imports_counted(tree: Tree) -> None:
    assert tree.circles() == []


@pytest.mark.parametrize("package", ["reactive_ws.engine", "reactive_ws.state"])
def test_the_longest_chain_of_modules_in_a_package_is_six(tree: Tree, package: str) -> None:
    assert len(tree.longest_chains()[package]) <= 6, tree.longest_chains()[package]


def test_no_chain_of_modules_is_too_long(tree: Tree) -> None:
    assert tree.too_long_chains() == []


LONG = 500
"""Lines; a longer module says in its docstring why it is one."""

CROWDED = {
    "commands": 13,
    "engine": 11,
    "server": 13,
    "testing.conformance": 11,
    "stores": 11,
    "stores.demo": 14,
}
"""Packages with more than ten modules. `commands` has one for each command, `stores.demo` one for each part of the demo.
`server` has one for each thing that a program declares or a command passes; its face lists the thirteen. Three have eleven."""


def test_a_long_module_says_why_it_is_one(tree: Tree) -> None:
    silent = [
        module
        for module, path in tree.paths.items()
        if len((text := path.read_text("utf-8")).splitlines()) > LONG
        and "The module is long because" not in (ast.get_docstring(ast.parse(text)) or "")
    ]
    assert silent == []


def test_a_package_has_at_most_ten_modules_or_is_known_to_have_more(tree: Tree) -> None:
    sizes = Counter(
        tree.package_of(module).removeprefix("reactive_ws.")
        for module in tree.paths
        if not tree.is_face(module)
    )
    assert {package: size for package, size in sizes.items() if size > 10} == CROWDED


def test_the_framework_imports_neither_an_application_nor_a_toolkit(tree: Tree) -> None:
    assert tree.foreign() == []


def test_the_face_of_the_framework_puts_each_package_on_its_floor() -> None:
    lines = re.findall(
        r"^    (?:floor (\d)|(on top)|) +([a-z]+)   +\S", reactive_ws.__doc__ or "", re.MULTILINE
    )
    found: dict[str, int] = {}
    floor = 0
    for number, top, package in lines:
        floor = FLOORS["stores"] if top else int(number or floor)
        found[package] = floor
    assert found == {name: floor for name, floor in FLOORS.items() if name != "__main__"}


def test_the_page_on_architecture_puts_each_package_on_its_floor() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| `(?:reactive_ws\.)?(\w+)` \|", page, re.MULTILINE)
    found = {package: int(floor) for floor, package in rows}
    assert found == {name: floor for name, floor in FLOORS.items() if name != "__main__"}


def _faces() -> list[Path]:
    tops = (ROOT / "reactive_ws", ROOT / "stores")
    faces = [face for top in tops for face in sorted(top.rglob("__init__.py"))]
    linked = ROOT / "reactive_ws" / "stores"
    return [face for face in faces if linked not in face.parents and face.parent != tops[0]]


@pytest.mark.parametrize("face", _faces(), ids=lambda face: str(face.parent.relative_to(ROOT)))
def test_a_face_names_every_module_of_its_package(face: Path) -> None:
    documentation = ast.get_docstring(ast.parse(face.read_text("utf-8"))) or ""
    modules = {path.stem for path in face.parent.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in face.parent.glob("*/__init__.py")}
    words = re.findall(r"\w+", documentation)
    assert sorted((modules | packages).difference(words)) == []
    listed = re.findall(r"^    ([a-z0-9_]+)  +\S", documentation, re.MULTILINE)
    assert [name for name in listed if name not in modules | packages] == []
    assert len(listed) == len(set(listed))


def _identifiers(source: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(source):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.alias(name=name):
                found.add(name)
            case _:
                pass
    return found


def chat_names() -> tuple[set[str], re.Pattern[str]]:
    """Returns the chat's class names, and a pattern of its type names that have a dot, and so are not English words."""
    control = {row.name for row in protocol_v1()}
    own = [row for row in agent_chat() if row.name not in control or row.payload is ChatSnapshot]
    names = [re.escape(row.name) for row in own if "." in row.name]
    # A dialect's connection is a `Session`, too.
    entities = {Message, Notification, Panel, PanelChange}
    classes = {each.__name__ for each in entities | {row.payload for row in own}}
    return classes, re.compile(rf"\b({'|'.join(names)})\b")


def test_the_framework_names_no_type_of_the_chat(tree: Tree) -> None:
    classes, types = chat_names()
    assert len(classes) > 15
    assert classes & set(dir(reactive_ws)) == set()
    for module, path in tree.paths.items():
        if module.startswith("reactive_ws.stores"):
            continue
        text = path.read_text()
        # wxPython has a class of this name.
        foreign = {"Panel"} if module.startswith("reactive_ws.gui.wx") else set[str]()
        assert (_identifiers(ast.parse(text)) & classes) - foreign == set(), module
        assert types.findall(text) == [], module


def test_every_package_is_on_a_floor(tree: Tree) -> None:
    folders = {path.parent.name for path in (ROOT / "reactive_ws").glob("*/__init__.py")}
    assert folders == {*FLOORS} - {"__main__"}


def faces() -> list[str]:
    whole = Tree(ROOT)
    return [module for module in whole.paths if whole.is_face(module)]


@pytest.mark.parametrize("face", faces())
def test_a_face_names_its_modules_in_its_docstring_and_what_is_public(
    tree: Tree, face: str
) -> None:
    source = ast.parse(tree.paths[face].read_text())
    words = set(re.findall(r"\w+", ast.get_docstring(source) or ""))
    folder = tree.paths[face].parent
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert modules - words == set()


# --- the check itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("copy")
    for folder in ("reactive_ws", "stores"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("stores", "__pycache__")
        )
    return tmp_path


@contextmanager
def planted(root: Path, module: str, line: str) -> Iterator[Tree]:
    path = root / module
    text = path.read_text()
    path.write_text(f"{text}\n{line}\n")
    try:
        yield Tree(root)
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("module", "line", "found_by"),
    [
        ("reactive_ws/engine/graph.py", "from ..state import Store", Tree.upward),
        (
            "reactive_ws/engine/graph.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..state import Store",
            Tree.upward,
        ),
        ("reactive_ws/wire/codec.py", "from ..engine import Domain", Tree.upward),
        ("reactive_ws/service/place.py", "from ..wire.codec import JsonCodec", Tree.past_faces),
        ("stores/app.py", "from reactive_ws.engine.domain import Domain", Tree.past_faces),
        ("reactive_ws/engine/graph.py", "from .batch import OpenBatch", Tree.circles),
        (
            "reactive_ws/engine/graph.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .batch import OpenBatch",
            Tree.circles,
        ),
        (
            "reactive_ws/engine/graph.py",
            "def late():\n    from .batch import OpenBatch",
            Tree.circles,
        ),
        ("reactive_ws/testing/plugin.py", "from reactive_ws.stores import History", Tree.foreign),
        ("reactive_ws/gui/frames.py", "import tkinter", Tree.foreign),
    ],
)
def test_a_planted_import_is_found(
    tree: Tree, copy: Path, module: str, line: str, found_by: Callable[[Tree], list[object]]
) -> None:
    assert found_by(tree) == []
    with planted(copy, module, line) as broken:
        assert len(found_by(broken)) == 1


def test_a_chain_of_modules_that_is_too_long_is_found(tmp_path: Path) -> None:
    package = tmp_path / "reactive_ws" / "wire"
    package.mkdir(parents=True)
    (tmp_path / "stores").mkdir()
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    for number in range(7):
        (package / f"m{number}.py").write_text(f"from .m{number + 1} import it\n")
    (package / "m6.py").write_text("it = 1\n")
    assert len(Tree(tmp_path).too_long_chains()) == 1
    (package / "m5.py").write_text("it = 1\n")
    assert Tree(tmp_path).too_long_chains() == []
