"""The imports of the source tree follow the rules of the house, and the check finds what breaks them."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from import_rules import FLOORS, Tree

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


def test_the_framework_imports_neither_an_application_nor_a_toolkit(tree: Tree) -> None:
    assert tree.foreign() == []


def test_every_package_is_on_a_floor(tree: Tree) -> None:
    folders = {path.parent.name for path in (ROOT / "reactive_ws").glob("*/__init__.py")}
    assert folders == set(FLOORS)


def faces() -> list[str]:
    return [module for module in Tree(ROOT).paths if Tree(ROOT).is_face(module)]


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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("reactive_ws", "stores"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("stores", "__pycache__")
        )
    return tmp_path


def plant(root: Path, module: str, line: str) -> None:
    path = root / module
    path.write_text(f"{path.read_text()}\n{line}\n")


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
        ("reactive_ws/service/alarm.py", "from ..wire.codec import JsonCodec", Tree.past_faces),
        ("stores/app.py", "from reactive_ws.engine.domain import Domain", Tree.past_faces),
        ("reactive_ws/engine/graph.py", "from .batch import Batch", Tree.circles),
        (
            "reactive_ws/engine/graph.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .batch import Batch",
            Tree.circles,
        ),
        (
            "reactive_ws/engine/graph.py",
            "def late():\n    from .batch import Batch",
            Tree.circles,
        ),
        ("reactive_ws/testing/plugin.py", "from reactive_ws.stores import History", Tree.foreign),
        ("reactive_ws/gui/frames.py", "import tkinter", Tree.foreign),
    ],
)
def test_a_planted_import_is_found(
    copy: Path, module: str, line: str, found_by: Callable[[Tree], list[object]]
) -> None:
    assert found_by(Tree(copy)) == []
    plant(copy, module, line)
    assert len(found_by(Tree(copy))) == 1


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
