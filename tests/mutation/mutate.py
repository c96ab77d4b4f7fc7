"""Seeds small mistakes into the store engine and counts how many of them the tests notice.

    python tests/mutation/mutate.py --mutants 40 --seed 1 --at-least 0.8

A mutant is one changed operator, constant, condition or a dropped statement. Each runs in its own copy of the package
against the engine's unit tests and state machine, first the quick ones. Survivors are printed with their line. A timeout
counts as noticed: the mutant hangs where the engine does not.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    "store", "cell", "computed", "derived", "keyed", "key_source", "entities", "batch", "audience", "source", "domain",
)  # fmt: skip
QUICK = [
    "test_store", "test_delivery", "test_join", "test_batch", "test_isolation", "test_derived", "test_derived_errors",
    "test_derived_lifetime", "test_keyed", "test_home", "test_selection", "test_equality",
]  # fmt: skip
SLOW = ["test_lifecycle", "test_threads"]
TESTS = (
    [f"tests/unit/{name}.py" for name in QUICK] + ["tests/property/test_store_machine.py"],
    [f"tests/unit/{name}.py" for name in SLOW],
)
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def is_for_people(node: ast.stmt) -> bool:
    """Whether a statement is a docstring or makes a text, which no rule is about."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yields every node that can be changed, and how."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name == "__repr__":
            continue
        if any("overload" in ast.dump(mark) for mark in function.decorator_list):
            continue
        if any(
            isinstance(node, ast.Raise) and "NotImplemented" in ast.dump(node)
            for node in function.body
        ):
            continue
        for node in ast.walk(function):
            if isinstance(node, (ast.Compare, ast.BinOp, ast.BoolOp)):
                operator = node.ops[0] if isinstance(node, ast.Compare) else node.op
                if type(operator) in SWAPS:
                    yield node, "swap"
            elif isinstance(node, (ast.If, ast.While)) and not isinstance(node.test, ast.Constant):
                yield node, "negate"
            elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int)):
                yield node, "constant"
            elif (isinstance(node, (ast.Expr, ast.AugAssign)) and not is_for_people(node)) or (
                isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
            ):
                yield node, "drop"


def change(node: ast.AST, how: str) -> None:
    """Changes a node in place."""
    if how == "swap" and isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[call-overload]
    elif how == "swap" and isinstance(node, (ast.BinOp, ast.BoolOp)):
        node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
    elif how == "negate" and isinstance(node, (ast.If, ast.While)):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif how == "constant" and isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1
    elif how == "drop":
        node.__class__ = ast.Pass
        node._fields = ()  # type: ignore[attr-defined]


def mutants(module: str) -> list[tuple[str, str]]:
    """Returns all mutants of a module: where and how, and the source."""
    source = (ROOT / "reactive_ws" / f"{module}.py").read_text()
    tree = ast.parse(source)
    lines = source.splitlines()
    found: list[tuple[str, str]] = []
    for index, (node, how) in enumerate(places(tree)):
        changed = copy.deepcopy(tree)
        change(list(places(changed))[index][0], how)
        line = node.lineno  # type: ignore[attr-defined]
        where = f"{module}.py:{line} {how}: {lines[line - 1].strip()}"
        found.append((where, ast.unparse(ast.fix_missing_locations(changed))))
    return found


def is_noticed(module: str, source: str, timeout: float) -> bool:
    """Whether a test fails with this source in place of the module's."""
    with tempfile.TemporaryDirectory(prefix="reactive-ws-mutant-") as place:
        root = Path(place)
        shutil.copytree(
            ROOT / "reactive_ws", root / "reactive_ws", ignore=shutil.ignore_patterns("__pycache__")
        )
        (root / "reactive_ws" / f"{module}.py").write_text(source)
        shutil.copytree(
            ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__", "data")
        )
        shutil.copy(ROOT / "pyproject.toml", root)
        for tests in TESTS:
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            environment = {**os.environ, "PYTHONPATH": str(root), "REACTIVE_WS_PROFILE": "quick"}
            try:
                done = subprocess.run(
                    command,
                    cwd=root,
                    env=environment,
                    capture_output=True,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return True
            if done.returncode != 0:
                return True
    return False


def main() -> int:
    """Runs the sample; returns 1 when too few were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=12, help="how many for each module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=40.0, help="seconds for each run")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--at-least", type=float, default=0.8, help="the part that must be noticed")
    parser.add_argument("modules", nargs="*", default=MODULES)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    work: list[tuple[str, str, str]] = []
    for module in options.modules:
        every = mutants(module)
        sample = chance.sample(every, min(options.mutants, len(every)))
        work += [(module, where, source) for where, source in sample]
    noticed: dict[str, list[bool]] = {module: [] for module in options.modules}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as executor:
        runs = executor.map(lambda job: is_noticed(job[0], job[2], options.timeout), work)
        for (module, where, _), is_killed in zip(work, runs, strict=True):
            noticed[module].append(is_killed)
            if not is_killed:
                print("survived", where, flush=True)
    for module, results in noticed.items():
        print(f"{module:12} {sum(results)} of {len(results)} noticed")
    total = sum(map(sum, noticed.values())) / max(1, len(work))
    print(f"{total:.0%} of {len(work)} mutants noticed")
    return 0 if total >= options.at_least else 1


if __name__ == "__main__":
    raise SystemExit(main())
