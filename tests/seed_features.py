"""Checks the table in docs/stores.md: each row's test passes as it is, and fails when the named function does nothing.

    python tests/seed_features.py            all rows
    python tests/seed_features.py 5          every fifth one

A function is emptied in the source, while it is imported, in a process of its own: nothing that holds it is missed.
"""

from __future__ import annotations

import ast
import concurrent.futures
import importlib.abc
import importlib.machinery
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "stores.md"
ROW = re.compile(
    r"^\| (\d) \| ([\d-]+) \| (.+?) \| `([\w.]+)` \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE
)
_LOOKS_LIKE_A_ROW = re.compile(r"^\| \d \| .*$", re.MULTILINE)
_TIMEOUT = 120.0


@attrs.frozen
class Feature:
    """One row.

    Attributes:
        document: Number of the source document.
        lines: In it.
        text: What it promises.
        name: The function here.
        test: Path below tests/, and the test.
    """

    document: int
    lines: str
    text: str
    name: str
    test: str


def features() -> list[Feature]:
    """Returns the rows of the table.

    Raises:
        ValueError: a row is not complete.
    """
    page = PAGE.read_text("utf-8")
    bad = [row for row in _LOOKS_LIKE_A_ROW.findall(page) if not ROW.fullmatch(row)]
    if bad:
        raise ValueError(f"rows that are not complete: {bad}")
    return [
        Feature(int(number), lines, text, name, f"{path}::{test}")
        for number, lines, text, name, path, test in ROW.findall(page)
    ]


def locate(name: str) -> tuple[str, str, Path]:
    """Returns module, qualified name and file of a function.

    Raises:
        LookupError: there is no such module or function.
    """
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        base = ROOT.joinpath(*parts[:end])
        path = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if path.exists():
            qualified = ".".join(parts[end:])
            if not list(_functions(ast.parse(path.read_text("utf-8")), qualified)):
                raise LookupError(f"{path.name} has no function {qualified}")
            return ".".join(parts[:end]), qualified, path
    raise LookupError(f"no module for {name}")


def _functions(tree: ast.AST, qualified: str) -> Sequence[ast.FunctionDef | ast.AsyncFunctionDef]:
    *owners, last = qualified.split(".")
    nodes = [tree]
    for owner in owners:
        nodes = [
            it
            for node in nodes
            for it in ast.iter_child_nodes(node)
            if isinstance(it, ast.ClassDef) and it.name == owner
        ]
    return [
        it
        for node in nodes
        for it in ast.iter_child_nodes(node)
        if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name == last
    ]


class _Emptying(importlib.machinery.SourceFileLoader):
    """Loads a module with one function whose body is `pass`."""

    def __init__(self, module: str, path: str, qualified: str) -> None:
        super().__init__(module, path)
        self._qualified = qualified

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(Path(self.path).read_text("utf-8"))
        for function in _functions(tree, self._qualified):
            function.body = [ast.Pass()]
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, qualified: str, path: Path) -> None:
        self._what = module, qualified, path

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        module, qualified, file = self._what
        if fullname != module:
            return None
        loader = _Emptying(module, str(file), qualified)
        is_package = file.name == "__init__.py"
        places = [str(file.parent)] if is_package else None
        spec = importlib.machinery.ModuleSpec(
            module, loader, origin=str(file), is_package=is_package
        )
        spec.has_location = True
        if places is not None:
            spec.submodule_search_locations = places
        return spec


def run_emptied(name: str, test: str) -> int:
    """Runs a test in this process with an empty function; returns what pytest says."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    sys.meta_path.insert(0, _Finder(*locate(name)))
    import pytest

    # Rewriting of assertions has a loader of its own, which would read the full source.
    options = ["--assert=plain", "-x", "-q", "-p", "no:cacheprovider"]
    return int(pytest.main([f"{ROOT}/tests/{test}", *options]))


def is_needed(feature: Feature) -> bool:
    """Whether the test of a row fails without the function of the row."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--emptied", feature.name, feature.test],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def unneeded(rows: Sequence[Feature], *, workers: int = 2) -> list[Feature]:
    """Returns the rows whose test passes without their function."""
    pairs = {(row.name, row.test): row for row in rows}
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(is_needed, pairs.values()))
    return [row for row, needed in zip(pairs.values(), results, strict=True) if not needed]


def main(arguments: Sequence[str]) -> int:
    """Runs the check; returns the exit code."""
    if arguments[:1] == ["--emptied"]:
        return run_emptied(arguments[1], arguments[2])
    step = int(arguments[0]) if arguments else 1
    rows = features()
    found = unneeded(rows[::step])
    for row in found:
        print(f"passes without {row.name}: {row.test} (document {row.document}, {row.text})")
    print(
        f"{len(rows)} rows, {len(rows[::step])} checked, {len(found)} without a test that needs them"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
