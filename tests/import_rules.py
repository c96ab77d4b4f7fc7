"""Reads the imports of a source tree and lists what breaks the rules of the house.

The rules: a package imports only from packages on lower floors; a package outside imports from faces (`__init__.py`);
no module is in an import circle; the framework imports neither an application nor a toolkit. Imports under
`TYPE_CHECKING` and inside functions count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

import attrs

__all__ = ["FLOORS", "STORES_FLOORS", "Import", "Tree"]

FRAMEWORK = "reactive_ws"
APPLICATION = "reactive_ws.stores"

FLOORS: dict[str, int] = {
    "errors": 1,
    "engine": 2,
    "wire": 2,
    "state": 3,
    "connection": 3,
    "outbox": 3,
    "transport": 4,
    "dialects": 4,
    "middleware": 4,
    "editing": 4,
    "views": 4,
    "resources": 4,
    "inbound": 5,
    "replicas": 5,
    "gui": 5,
    "service": 6,
    "server": 6,
    "testing": 7,
    "commands": 8,
    "devtools": 9,
    "stores": 10,
    "__main__": 11,
}
"""Floor of each package of the framework, and of `python -m reactive_ws`; the face of `reactive_ws` stands above all but the application."""

STORES_FLOORS: dict[str, int] = {
    "wire": 1,
    "collections": 1,
    "outside": 1,
    "history": 2,
    "sessions": 2,
    "hub": 4,
    "facade": 4,
    "demo": 5,
}
"""Floor of each package of the application layer; the modules and the face of `reactive_ws.stores` are on floor 3."""

TOOLKITS = frozenset(
    {"tkinter", "PySide6", "PyQt6", "gi", "textual", "wx", "kivy", "nicegui", "pygame"}
)

ADAPTERS = {
    f"{FRAMEWORK}.gui.textual": ("textual", None),
    f"{FRAMEWORK}.devtools.terminal": ("textual", f"{FRAMEWORK}.devtools.command"),
}
"""Packages that may import a toolkit, because only programs with this toolkit import the package: the toolkit, and the one
module of the framework that imports the package, or None."""

LONGEST_CHAIN = {"gui": 7}
"""Longest chain of imports between the modules of a package; 6 where nothing is said."""


@cache
def _import_statements(text: str) -> list[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Returns the import statements of a module, and whether only type checkers see each."""
    found: list[tuple[ast.Import | ast.ImportFrom, bool]] = []

    def look(node: ast.AST, *, is_for_types: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append((node, is_for_types))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            is_for_types = True
        if isinstance(node, ast.stmt | ast.mod | ast.ExceptHandler | ast.match_case):
            for inner in ast.iter_child_nodes(node):
                look(inner, is_for_types=is_for_types)

    look(ast.parse(text), is_for_types=False)
    return found


@attrs.frozen
class Import:
    """One name that a module imports: `from target import name`, or `import target`."""

    module: str
    target: str
    name: str | None
    line: int
    is_for_types: bool = False
    """Whether only type checkers see it."""


class Tree:
    """The modules of a source tree with what they import.

    Args:
        root: The folder that has `reactive_ws` and `stores`.
    """

    def __init__(self, root: Path) -> None:
        self.paths: dict[str, Path] = {}
        for folder in ("reactive_ws", "stores"):
            for path in sorted((root / folder).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                if parts[:2] == ("reactive_ws", "stores"):
                    continue
                if folder == "stores":
                    parts = ("reactive_ws", *parts)
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.paths[name] = path

    def package_of(self, module: str) -> str:
        """Returns the package that a module is in; a face is in its own package."""
        is_face = self.paths[module].name == "__init__.py"
        return module if is_face else module.rpartition(".")[0]

    def is_face(self, module: str) -> bool:
        """Whether the module is an `__init__.py`."""
        return self.paths[module].name == "__init__.py"

    @cached_property
    def imports(self) -> list[Import]:
        """Everything that every module imports."""
        return [found for module in self.paths for found in self._imports_of(module)]

    def _imports_of(self, module: str) -> Iterator[Import]:
        package = self.package_of(module)
        for node, is_for_types in _import_statements(self.paths[module].read_text()):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, alias.name, None, node.lineno, is_for_types)
                continue
            target = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1])
                target = f"{base}.{target}" if target else base
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                is_own = target == package and inner in self.paths
                if is_own or (
                    inner in self.paths and not self._is_a_name_of_the_face(target, alias.name)
                ):
                    yield Import(module, inner, None, node.lineno, is_for_types)
                else:
                    yield Import(module, target, alias.name, node.lineno, is_for_types)

    def _is_a_name_of_the_face(self, package: str, name: str) -> bool:
        if package not in self.paths or not self.is_face(package):
            return False
        return any(
            isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names)
            for node, _ in _import_statements(self.paths[package].read_text())
        )

    # --- rules --------------------------------------------------------------------------------------------------------

    def upward(self) -> list[str]:
        """Returns the imports from a package on the same or a higher floor."""
        return [
            f"{found.module}:{found.line} imports {found.target}, which is not on a lower floor"
            for found in self.imports
            if found.target in self.paths and not self._is_allowed(found.module, found.target)
        ]

    def _is_allowed(self, module: str, target: str) -> bool:
        here, there = self._room(module), self._room(target)
        if here == there:
            return True
        return self._floor(there) < self._floor(here)

    def _room(self, module: str) -> tuple[str, ...]:
        """The package on a floor: ("engine",), or ("stores", "history")."""
        parts = module.split(".")[1:]
        if not parts:
            return ()
        if parts[0] != "stores":
            return (parts[0],)
        return ("stores", parts[1]) if len(parts) > 1 and parts[1] in STORES_FLOORS else ("stores",)

    def _floor(self, room: tuple[str, ...]) -> tuple[int, int]:
        if not room:
            return (FLOORS["stores"], 0)
        if len(room) == 2:
            return (FLOORS["stores"], STORES_FLOORS[room[1]])
        if room[0] == "stores":
            return (FLOORS["stores"], 3)
        return (FLOORS[room[0]], 0)

    def past_faces(self) -> list[str]:
        """Returns the imports of a module by another package than its own."""
        return [
            f"{found.module}:{found.line} imports {found.target} past the face of its package"
            for found in self.imports
            if found.target in self.paths
            and not self.is_face(found.target)
            and not f"{self.package_of(found.module)}.".startswith(
                f"{self.package_of(found.target)}."
            )
        ]

    def circles(self) -> list[list[str]]:
        """Returns the groups of modules that import each other, directly or through others."""
        graph = self._graph()
        index: dict[str, int] = {}
        low: dict[str, int] = {}
        stack: list[str] = []
        found: list[list[str]] = []

        def connect(module: str) -> None:
            index[module] = low[module] = len(index)
            stack.append(module)
            for target in sorted(graph[module]):
                if target not in index:
                    connect(target)
                    low[module] = min(low[module], low[target])
                elif target in stack:
                    low[module] = min(low[module], index[target])
            if low[module] == index[module]:
                start = stack.index(module)
                group = stack[start:]
                del stack[start:]
                if len(group) > 1:
                    found.append(sorted(group))

        for module in graph:
            if module not in index:
                connect(module)
        return found

    def _graph(self) -> dict[str, set[str]]:
        graph: dict[str, set[str]] = {module: set() for module in self.paths}
        for found in self.imports:
            if found.target in self.paths and found.target != found.module:
                graph[found.module].add(found.target)
        return graph

    def longest_chains(self) -> dict[str, list[str]]:
        """Returns for each package its longest chain of modules that import the next.

        Faces do not count; modules in circles have no order and are left out.
        """
        graph = self._graph()
        longest: dict[str, list[str]] = {}
        chains: dict[str, list[str]] = {}
        in_circles = {module for circle in self.circles() for module in circle}

        def chain(module: str) -> list[str]:
            if module not in chains:
                mine = self.package_of(module)
                below = [
                    chain(target)
                    for target in graph[module]
                    if self.package_of(target) == mine
                    and not self.is_face(target)
                    and target not in in_circles
                ]
                chains[module] = [module, *max(below, key=len, default=[])]
            return chains[module]

        for module in self.paths:
            if not self.is_face(module) and module not in in_circles:
                package = self.package_of(module)
                longest[package] = max(longest.get(package, []), chain(module), key=len)
        return longest

    def too_long_chains(self) -> list[str]:
        """Returns the chains that are longer than the house allows."""
        return [
            " -> ".join(chain)
            for package, chain in self.longest_chains().items()
            if len(chain) > LONGEST_CHAIN.get(package.removeprefix(f"{FRAMEWORK}."), 6)
        ]

    def foreign(self) -> list[str]:
        """Returns where the framework imports an application, or a toolkit at run time."""
        return [
            f"{found.module}:{found.line} imports {found.target}"
            for found in self.imports
            if not f"{found.module}.".startswith(f"{APPLICATION}.")
            and (
                f"{found.target}.".startswith((f"{APPLICATION}.", "stores."))
                or (
                    not found.is_for_types
                    and found.target.split(".")[0] in TOOLKITS
                    and not self._is_an_adapter(found.module, found.target.split(".")[0])
                )
                or (
                    found.target in ADAPTERS
                    and self.package_of(found.module) != found.target
                    and found.module != ADAPTERS[found.target][1]
                )
            )
        ]

    def _is_an_adapter(self, module: str, toolkit: str) -> bool:
        adapter = ADAPTERS.get(self.package_of(module))
        return adapter is not None and adapter[0] == toolkit
