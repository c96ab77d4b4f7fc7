"""Every public name stands in one `__all__`, exists, is documented, and can be imported from a face."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest
from missing_parts import skip_or_fail

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    name if name.startswith("reactive_ws") else f"reactive_ws.{name}"
    for package in ("reactive_ws", "stores")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__main__.py"
    for name in [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")]
)


NEED_TEXTUAL = ("reactive_ws.stores.demo.chat", "reactive_ws.stores.demo.terminal")


def load(name: str) -> ModuleType:
    if name in NEED_TEXTUAL and importlib.util.find_spec("textual") is None:
        skip_or_fail("textual is not installed (pip install reactive-ws[textual])")
    return importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_names_what_is_public_and_has_it(name: str) -> None:
    module = load(name)
    assert [missing for missing in module.__all__ if not hasattr(module, missing)] == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_every_public_class_and_function_is_documented(name: str) -> None:
    module = load(name)
    assert module.__doc__
    # `Map` belongs to a library.
    ours = [name for name in module.__all__ if name != "Map"]
    undocumented = [
        public
        for public in ours
        if (inspect.isclass(getattr(module, public)) or inspect.isfunction(getattr(module, public)))
        and not getattr(module, public).__doc__
    ]
    assert undocumented == []


def test_what_a_package_re_exports_is_public_where_it_comes_from() -> None:
    package = load("reactive_ws")
    hidden = [
        name
        for name in package.__all__
        if name not in load(getattr(package, name).__module__).__all__
    ]
    assert hidden == []


def test_the_map_of_the_package_names_every_room() -> None:
    package = load("reactive_ws")
    assert package.__doc__ is not None
    rooms = {name.split(".")[1] for name in MODULES if name.startswith("reactive_ws.")}
    assert rooms - set(re.findall(r"\w+", package.__doc__)) == set()


def test_importing_the_framework_imports_no_test_tools_and_no_toolkit() -> None:
    code = (
        "import sys, reactive_ws; "
        "print([name for name in ('hypothesis', 'pytest', 'tkinter', 'PySide6', 'textual', 'gi') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("face", ["reactive_ws", "reactive_ws.errors"])
def test_a_name_that_is_imported_later_is_the_one_that_type_checkers_see(face: str) -> None:
    package = load(face)
    tree = ast.parse((ROOT / face.replace(".", "/") / "__init__.py").read_text())
    static = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    later = vars(package)["_LATER"]
    assert later == static
    assert [name for name in later if name not in dir(package)] == []
    with pytest.raises(AttributeError, match="has no attribute 'Stoer'"):
        _ = package.Stoer


def test_a_program_that_only_uses_stores_loads_no_transport_and_no_errors_of_one() -> None:
    code = (
        "import sys; from reactive_ws import Store, derived; "
        "print([name for name in ('websockets', 'msgspec', 'sqlite3', 'reactive_ws.service', "
        "'dataclasses', 'reactive_ws.errors.connection', 'reactive_ws.errors.message') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def returned(annotation: object) -> set[type]:
    """Returns our classes that an annotation names."""
    parts = (typing.get_origin(annotation), *typing.get_args(annotation))
    found = {kind for part in parts if part is not None for kind in returned(part)}
    if inspect.isclass(annotation) and annotation.__module__.startswith("reactive_ws."):
        found.add(annotation)
    return found


def face_of(kind: type) -> ModuleType:
    """Returns the face of the package that a class is in."""
    return load(".".join(kind.__module__.split(".")[:2]))


def test_what_a_public_method_returns_can_be_imported_from_a_face() -> None:
    face = load("reactive_ws")
    missing: set[str] = set()
    for name in face.__all__:
        owner = getattr(face, name)
        if not inspect.isclass(owner):
            continue
        for method, member in inspect.getmembers(owner):
            function = member.fget if isinstance(member, property) else member
            if method.startswith("_") or not inspect.isfunction(function):
                continue
            if not function.__module__.startswith("reactive_ws"):
                continue
            names = {**vars(sys.modules[function.__module__]), **vars(typing), "Self": object}
            try:
                hints = typing.get_type_hints(function, names)
            except NameError:
                # An annotation that only type checkers can follow.
                continue
            found = returned(hints.get("return"))
            missing |= {
                f"{name}.{method} -> {kind.__name__}"
                for kind in found
                if kind.__name__ not in face_of(kind).__all__
            }
    assert missing == set()
