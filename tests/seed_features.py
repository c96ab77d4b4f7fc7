"""Checks the table in seed_features.md: each row's test passes as it is, and fails when the named function does nothing.

    python tests/seed_features.py            all rows
    python tests/seed_features.py 5          every fifth one

Everything is imported once; each row then has a copy of this process, made by `fork`, where the function's code is exchanged
in the function itself: nothing that holds it is missed.
"""

from __future__ import annotations

import ast
import gc
import importlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType

import attrs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "tests" / "seed_features.md"
ROW = re.compile(
    r"^\| (\d) \| ([\d,-]+) \| (.+?) \| `([\w.]+)` \| `([\w/]+\.py)::(\w+)` \|$", re.MULTILINE
)
_LOOKS_LIKE_A_ROW = re.compile(r"^\| \d \| .*$", re.MULTILINE)
_TIMEOUT = 120.0
"""Seconds; a test that hangs without a function needs it."""
_WORKERS = 2
_FAILED = (1, 2, 3)
"""Exit codes of pytest when a test failed, could not be imported, or broke pytest."""
_NOT_THERE = 99
"""Exit code of a copy that found no such function."""


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


def _emptied(name: str) -> CodeType:
    """Returns the code of a function whose body is `pass`."""
    _, qualified, path = locate(name)
    tree = ast.parse(path.read_text("utf-8"))
    found = _functions(tree, qualified)[-1]
    found.body = [ast.Pass()]
    # What is evaluated at its definition has been.
    found.decorator_list = []
    code = compile(ast.fix_missing_locations(ast.Module([found], [])), str(path), "exec")
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == found.name:
            return constant
    raise LookupError(f"{name} has no code")


def empty(name: str) -> int:
    """Exchanges the code of a function for one that does nothing; returns how many functions had it."""
    module, qualified, path = locate(name)
    importlib.import_module(module)
    functions = [
        it
        for it in gc.get_objects()
        if isinstance(it, FunctionType)
        and it.__code__.co_qualname == qualified
        and Path(it.__code__.co_filename).resolve() == path.resolve()
    ]
    for it in functions:
        code = _emptied(name)
        # A function keeps the cells that it closes over, such as that of `super()`.
        it.__code__ = code.replace(co_freevars=it.__code__.co_freevars)
    return len(functions)


def _run(names: Sequence[str], tests: Sequence[str]) -> int:
    """Runs tests in this process without some functions; returns what pytest says, or `_NOT_THERE`."""
    import pytest

    for name in names:
        if not empty(name):
            return _NOT_THERE
    # Rewriting of assertions wants to see every module first, and most are imported already.
    options = ["--assert=plain", "-x", "-q", "-p", "no:cacheprovider"]
    return int(pytest.main([*(f"{ROOT}/tests/{test}" for test in tests), *options]))


def _forked(names: Sequence[str], tests: Sequence[str]) -> int:
    """Starts `_run` in a copy of this process; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 98
    try:
        # In a group of its own, with what its tests start.
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        status = _run(names, tests)
    finally:
        os._exit(status)


def _results(
    jobs: Sequence[tuple[Sequence[str], Sequence[str]]], *, workers: int, timeout: float
) -> Iterator[tuple[int, int]]:
    """Yields the number of each job and its exit code, as they end; none takes longer than `timeout` seconds."""
    waiting = list(enumerate(jobs))[::-1]
    running: dict[int, tuple[int, float]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            number, (names, tests) = waiting.pop()
            running[_forked(names, tests)] = number, time.monotonic() + timeout
        for child, (number, end) in list(running.items()):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                del running[child]
                yield number, os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)


def failing(rows: Sequence[Feature]) -> list[str]:
    """Returns the test files that do not pass as they are."""
    tests = sorted({row.test for row in rows})
    files = sorted({test.partition("::")[0] for test in tests})
    jobs = [((), [test for test in tests if test.startswith(f"{file}::")]) for file in files]
    results = _results(jobs, workers=_WORKERS, timeout=_TIMEOUT * 5)
    return [files[number] for number, code in results if code]


def unneeded(
    rows: Sequence[Feature], *, said: Callable[[str], object] = lambda _: None
) -> list[Feature]:
    """Returns the rows whose test passes without their function.

    Raises:
        LookupError: a function is not there when everything is imported.
    """
    pairs = list({(row.name, row.test): row for row in rows}.values())
    jobs = [((row.name,), (row.test,)) for row in pairs]
    found: list[Feature] = []
    for number, code in _results(jobs, workers=_WORKERS, timeout=_TIMEOUT):
        row = pairs[number]
        if code not in (0, *_FAILED) and code >= 0:
            raise LookupError(f"{row.name} could not be emptied for {row.test}: exit code {code}")
        if not code:
            found.append(row)
            said(f"passes without {row.name}: {row.test} (document {row.document}, {row.text})")
    return found


def prepare() -> None:
    """Imports what the tests need, once."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    for module in (
        "hypothesis.stateful",
        "pytest",
        "reactive_ws.stores.hub",
        "reactive_ws.testing",
        "reactive_ws.testing.plugin",
        "reactive_ws.stores.facade",
        "websockets.asyncio.server",
    ):
        importlib.import_module(module)


def main(arguments: Sequence[str]) -> int:
    """Runs the check; returns the exit code."""
    step = int(arguments[0]) if arguments else 1
    rows = features()
    chosen = rows[::step]
    prepare()
    broken = failing(chosen)
    if broken:
        print(f"these tests fail as they are: {', '.join(broken)}")
        return 1
    found = unneeded(chosen, said=print)
    print(f"{len(rows)} rows, {len(chosen)} checked, {len(found)} without a test that needs them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
