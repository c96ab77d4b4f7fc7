"""Imports point down: the floors of the design, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS: dict[str, int] = {
    # 0: words
    "reactive_ws.errors": 0,
    "reactive_ws.payloads": 0,
    "reactive_ws.messages": 0,
    # 1: values, and bytes <-> messages
    "reactive_ws.equality": 1,
    "reactive_ws.home": 1,
    "reactive_ws.commit": 1,
    "reactive_ws.deliverer": 1,
    "reactive_ws.domain": 1,
    "reactive_ws.audience": 1,
    "reactive_ws.graph": 1,
    "reactive_ws.registration_order": 1,
    "reactive_ws.source": 1,
    "reactive_ws.lifecycle": 1,
    "reactive_ws.batch": 1,
    "reactive_ws.cell": 1,
    "reactive_ws.selection": 1,
    "reactive_ws.store": 1,
    "reactive_ws.calculation": 1,
    "reactive_ws.computed": 1,
    "reactive_ws.derived": 1,
    "reactive_ws.entities": 1,
    "reactive_ws.key_changes": 1,
    "reactive_ws.key_source": 1,
    "reactive_ws.keyed": 1,
    "reactive_ws.middleware": 1,
    "reactive_ws.codec": 1,
    "reactive_ws.events": 1,
    # 2: decisions about one connection, without I/O
    "reactive_ws.redaction": 2,
    "reactive_ws.address": 2,
    "reactive_ws.backoff": 2,
    "reactive_ws.transitions": 2,
    "reactive_ws.connection": 2,
    "reactive_ws.close_policy": 2,
    "reactive_ws.heartbeat": 2,
    "reactive_ws.effects": 2,
    "reactive_ws.connection_record": 2,
    "reactive_ws.judgement": 2,
    "reactive_ws.protocol_options": 2,
    "reactive_ws.protocol": 2,
    # 3: what waits, what arrives, who hears of it
    "reactive_ws.pending": 3,
    "reactive_ws.delivery": 3,
    "reactive_ws.outbox_entry": 3,
    "reactive_ws.outbox_books": 3,
    "reactive_ws.outbox": 3,
    "reactive_ws.journal": 3,
    "reactive_ws.inbound": 3,
    "reactive_ws.dispatcher": 3,
    "reactive_ws.subscriptions": 3,
    "reactive_ws.metrics": 3,
    # 4: the service and its hands
    "reactive_ws.authentication": 4,
    "reactive_ws.token_expiry": 4,
    "reactive_ws.alarm": 4,
    "reactive_ws.logbook": 4,
    "reactive_ws.fast": 4,
    "reactive_ws.following": 4,
    "reactive_ws.failures": 4,
    "reactive_ws.suspension": 4,
    "reactive_ws.settings": 4,
    "reactive_ws.storage": 4,
    "reactive_ws.async_handlers": 4,
    "reactive_ws.requests": 4,
    "reactive_ws.receiver": 4,
    "reactive_ws.line": 4,
    "reactive_ws.dialing": 4,
    "reactive_ws.control": 4,
    "reactive_ws.connection_loop": 4,
    "reactive_ws.background_thread": 4,
    "reactive_ws.routing": 4,
    "reactive_ws.sending": 4,
    "reactive_ws.publishing": 4,
    "reactive_ws.running": 4,
    "reactive_ws.service": 4,
    # 5: what stands around it
    "reactive_ws.gui": 5,
    "reactive_ws.testing": 5,
    "reactive_ws.hub": 5,
    "reactive_ws.recording": 5,
    # 6 and 7: the application layer, and the ways in
    "stores.demo": 7,
    "stores": 6,
    "reactive_ws.commands": 7,
    "reactive_ws": 7,
}

TOOLKITS = {"tkinter", "PySide6", "gi", "textual", "wx", "pygame"}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("reactive_ws", "stores"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def floor_of(module: str) -> int:
    room = module
    while room not in FLOORS or (room == "reactive_ws" and module != "reactive_ws"):
        if "." not in room:
            raise AssertionError(
                f"{module} has no floor: add its room to the table and to the map of the package"
            )
        room = room.rpartition(".")[0]
    return FLOORS[room]


class Imports(ast.NodeVisitor):
    """Absolute names of what a module imports when it is loaded, and of what it imports later."""

    def __init__(self, module: str, path: Path) -> None:
        self.package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            parts = self.package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1])
            target = f"{base}.{node.module}" if node.module else base
        else:
            target = node.module or ""
        known = {module for module, _ in modules()}
        for alias in node.names:
            inner = f"{target}.{alias.name}"
            self.found.add(inner if inner in known else target)


def imports_of(module: str, path: Path) -> set[str]:
    visitor = Imports(module, path)
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value))
def test_a_module_imports_from_its_own_floor_or_below(module: str, path: Path) -> None:
    ours = [
        name for name in imports_of(module, path) if name.split(".")[0] in {"reactive_ws", "stores"}
    ]
    too_high = {name for name in ours if floor_of(name) > floor_of(module)}
    assert too_high == set()


def test_the_framework_never_imports_the_application_layer_or_a_toolkit() -> None:
    forbidden = {
        (module, name)
        for module, path in modules()
        if module.startswith("reactive_ws")
        for name in imports_of(module, path)
        if name.split(".")[0] in {"stores", *TOOLKITS}
    }
    assert forbidden == set()


def test_the_application_layer_imports_itself_relatively() -> None:
    absolute = {
        (module, line)
        for module, path in modules()
        if module.split(".")[0] == "stores"
        for line in path.read_text().splitlines()
        if line.lstrip().startswith(("import stores", "from stores"))
    }
    assert absolute == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imports_of(module, path) for module, path in modules()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        for name in graph.get(module, ()):
            if name in graph and name != module:
                walk(name, (*trail, module))
        done.add(module)

    for module in graph:
        walk(module, ())


def test_every_room_of_the_table_exists() -> None:
    assert set(FLOORS) - {module for module, _ in modules()} == set()


@pytest.mark.parametrize(
    "package",
    [
        "reactive_ws",
        "reactive_ws.gui",
        "reactive_ws.hub",
        "reactive_ws.testing",
        "stores",
        "stores.facade",
    ],
)
def test_every_room_is_on_the_map_of_its_package(package: str) -> None:
    folder = ROOT.joinpath(*package.split("."))
    words = set(
        re.findall(r"\w+", ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "")
    )
    rooms = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert rooms - words == set()
