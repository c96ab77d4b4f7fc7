"""Seeded mutants of the decisions about a connection: of every hundred, at least eighty are noticed by the unit tests.

A mutant is one changed place in a copy of the package: a comparison turned around, an operator exchanged, a number moved, a
condition inverted, a statement left out. Which places is decided by the seed.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = 30
"""Of each room."""

_TESTS = {
    "protocol": ("test_protocol.py", "test_seed_bugs.py", "test_service.py"),
    "outbox": ("test_outbox.py", "test_seed_bugs.py", "test_service.py"),
    "outbox_books": ("test_outbox.py", "test_seed_bugs.py", "test_service.py"),
    "inbound": ("test_inbound.py", "test_resume.py", "test_seed_bugs.py"),
    "backoff": ("test_backoff.py", "test_protocol.py"),
}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def mutations(tree: ast.Module) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Yields line, description and deed of every mutation that is possible; each is to be done on a fresh tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED:
            turned = _TURNED[type(node.ops[0])]
            yield node.lineno, f"{turned.__name__}", _put(node.ops, 0, turned())
        elif isinstance(node, ast.BoolOp):
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node.lineno, type(other).__name__, _set(node, "op", other)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            minus = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield node.lineno, type(minus).__name__, _set(node, "op", minus)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node.lineno, "number + 1", _set(node, "value", node.value + 1)  # type: ignore[operator]
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            inverted = ast.UnaryOp(ast.Not(), node.test)
            yield node.lineno, "inverted condition", _set(node, "test", inverted)
        if isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While | ast.With):
            for place, statement in enumerate(node.body):
                is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
                if is_call or isinstance(statement, ast.Assign | ast.AugAssign):
                    yield statement.lineno, "left out", _put(node.body, place, ast.Pass())


def _put(items: list[ast.cmpop] | list[ast.stmt], place: int, new: ast.AST) -> Callable[[], None]:
    def do() -> None:
        items[place] = new  # type: ignore[call-overload]

    return do


def _set(node: ast.AST, field: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, field, value)


def mutants(source: str, count: int, seed: int) -> list[tuple[str, str]]:
    """Returns descriptions and sources of so many mutants."""
    total = sum(1 for _ in mutations(ast.parse(source)))
    chosen = random.Random(seed).sample(range(total), min(count, total))
    made: list[tuple[str, str]] = []
    for number in sorted(chosen):
        tree = ast.parse(source)
        line, what, do = list(mutations(tree))[number]
        do()
        made.append((f"line {line}: {what}", ast.unparse(ast.fix_missing_locations(tree))))
    return made


def is_killed(folder: Path, tests: tuple[str, ...]) -> bool:
    """Whether a test fails, or does not end, with the package in this folder."""
    names = [str(folder / "tests" / "unit" / name) for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


@pytest.mark.deep
@pytest.mark.parametrize("room", _TESTS)
def test_four_of_five_mutants_are_noticed(room: str, tmp_path: Path) -> None:
    for name in ("reactive_ws", "tests", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert not is_killed(tmp_path, _TESTS[room]), "the tests fail without any mutant"
    path = tmp_path / "reactive_ws" / f"{room}.py"
    source = path.read_text()
    made = mutants(source, MUTANTS, seed=7)
    survivors: list[str] = []
    for what, mutated in made:
        path.write_text(mutated)
        if not is_killed(tmp_path, _TESTS[room]):
            survivors.append(what)
    share = 1 - len(survivors) / len(made)
    print(f"{room}: {share:.0%} of {len(made)} mutants killed; survivors: {survivors}")
    assert share >= 0.8, survivors
