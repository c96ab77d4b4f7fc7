"""Seeds small mistakes into the store engine and counts how many of them the tests notice.

    python tests/mutation/mutate.py --mutants 40 --seed 1

A mutant is one changed operator, constant, condition or a dropped statement. Each runs in a copy of the package against
the engine's unit tests and state machine, first the quick ones. Each group of rooms has a bound of its own. Survivors are
printed with their line. A timeout counts as noticed: the mutant hangs where the engine does not. Mutants that change
nothing anybody can see are left out; `equivalent` names each of them with the reason.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

# Imported for the processes that are forked.
import hypothesis.stateful  # noqa: F401
import pytest
import reactivex.operators  # noqa: F401
import websockets.asyncio.server  # noqa: F401

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
AT_LEAST = 0.8
NOTICED, SURVIVED, HANGS = "noticed", "survived", "hangs"
GROUPS = {
    "store": ("store", "cell"),
    "derived": ("derived", "computed"),
    "keyed": ("keyed", "key_source", "entities"),
    "batch": ("batch",),
    "delivery": ("audience", "source", "domain"),
}
QUICK = [
    "unit/test_store", "unit/test_keyed", "unit/test_batch", "unit/test_derived", "unit/test_derived_errors",
    "unit/test_derived_lifetime", "unit/test_delivery", "unit/test_join", "unit/test_isolation", "unit/test_home",
    "unit/test_selection", "unit/test_commit_hooks", "unit/test_leftovers", "property/test_store_machine",
    "unit/test_equality",
]  # fmt: skip
SLOW = ["unit/test_lifecycle", "unit/test_threads"]
# Hypothesis was imported before pytest could rewrite it, on purpose.
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
SUBJECTS = {"cell": "store", "computed": "derived", "entities": "keyed", "key_source": "keyed"}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Mutant(NamedTuple):
    """One mistake: its module, its name (as in the list of the equivalent ones), its line, and which place it is."""

    module: str
    name: str
    line: int
    index: int

    def source(self) -> str:
        """Returns the module's source with the mistake."""
        tree = ast.parse(path_of(self.module).read_text())
        _, node, how = list(places(tree))[self.index]
        change(node, how)
        return ast.unparse(ast.fix_missing_locations(tree))


def path_of(module: str) -> Path:
    """Returns where a module is."""
    return ROOT / "reactive_ws" / f"{module}.py"


def is_for_people(node: ast.Expr) -> bool:
    """Whether a statement is a docstring, which no rule is about."""
    return isinstance(node.value, ast.Constant)


def functions(tree: ast.AST, path: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yields the outermost functions with their qualified names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{path}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{path}{node.name}", node


def places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """Yields every node that can be changed: its function, itself, and how."""
    for name, function in functions(tree):
        if function.name == "__repr__":
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
                    yield name, node, "swap"
            elif isinstance(node, (ast.If, ast.While)) and not isinstance(node.test, ast.Constant):
                yield name, node, "negate"
            elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int)):
                yield name, node, "constant"
            elif (
                isinstance(node, ast.AugAssign)
                or (isinstance(node, ast.Expr) and not is_for_people(node))
                or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))
            ):
                yield name, node, "drop"


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


def mutants(module: str) -> Iterator[Mutant]:
    """Yields all mutants of a module."""
    source = path_of(module).read_text()
    lines = source.splitlines()
    for index, (function, node, how) in enumerate(places(ast.parse(source))):
        line: int = node.lineno  # type: ignore[attr-defined]
        text = lines[line - 1].strip()
        what = ast.unparse(node.test if isinstance(node, (ast.If, ast.While)) else node)
        name = f"{module}.{function} {how} {what}" + ("" if what == text else f" | {text}")
        yield Mutant(module, name, line, index)


class Run:
    """A process in which the tests run against one changed module, in a directory of its own."""

    def __init__(self, root: Path, module: str, source: str) -> None:
        self.root = root
        self._started = time.monotonic()
        self._path = root / "reactive_ws" / f"{module}.py"
        self._original = self._path.read_bytes()
        self._write(source.encode())
        # Forked, because to import pytest and the libraries anew takes longer than to notice most mutants.
        self._process = os.fork()
        if self._process == 0:
            run_tests(root, module)

    def is_over(self, timeout: float) -> str | None:
        """Returns how it ended, or None while it runs."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        if process:
            verdict = NOTICED if status else SURVIVED
        elif time.monotonic() - self._started > timeout:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            verdict = HANGS
        else:
            return None
        self._write(self._original)
        return verdict

    def _write(self, source: bytes) -> None:
        self._path.write_bytes(source)
        # Python tells old from new by the second and the size, which two mutants may share.
        for compiled in self._path.parent.glob(f"__pycache__/{self._path.stem}.*"):
            compiled.unlink()


def run_tests(root: Path, module: str) -> NoReturn:
    """Ends this process with 0 when all tests pass."""
    status = 1
    try:
        log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(root)
        sys.path.insert(0, str(root))
        os.environ["REACTIVE_WS_PROFILE"] = "quick"
        # The tests of the module itself first.
        subject = SUBJECTS.get(module, module)
        for tests in (sorted(QUICK, key=lambda name: subject not in name), SLOW):
            files = [f"tests/{name}.py" for name in tests]
            if pytest.main([*OPTIONS, *files]) != 0:
                break
        else:
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def copies(place: Path, count: int) -> list[Path]:
    """Returns directories with a copy of the package and its tests in each."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "node_modules")
    for number in range(count):
        for part in ("reactive_ws", "tests"):
            shutil.copytree(ROOT / part, place / str(number) / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", place / str(number))
    return [place / str(number) for number in range(count)]


def run_all(jobs: int, work: list[Mutant]) -> Iterator[tuple[Mutant, str]]:
    """Yields each mutant with how it ended."""
    with tempfile.TemporaryDirectory(prefix="reactive-ws-mutants-") as place:
        free = copies(Path(place), jobs)
        # The tests must pass where nothing is wrong and fail where everything is, or all that follows says nothing.
        plain = path_of("store").read_text()
        started = time.monotonic()
        for source, expected in ((plain, SURVIVED), ("raise RuntimeError", NOTICED)):
            run = Run(free[0], "store", source)
            while (verdict := run.is_over(300.0)) is None:
                time.sleep(0.05)
            if verdict != expected:
                log = (free[0] / "log").read_text()
                raise SystemExit(f"a package that is whole or in ruins is {verdict}:\n{log}")
        timeout = max(20.0, 5 * (time.monotonic() - started))
        waiting = deque(work)
        running: list[tuple[Mutant, Run]] = []
        while waiting or running:
            while waiting and free:
                mutant = waiting.popleft()
                running.append((mutant, Run(free.pop(), mutant.module, mutant.source())))
            time.sleep(0.02)
            for mutant, run in tuple(running):
                if (verdict := run.is_over(timeout)) is not None:
                    running.remove((mutant, run))
                    free.append(run.root)
                    yield mutant, verdict


def main() -> int:
    """Runs the sample; returns 1 when too few mutants of a group were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=60, help="how many for each group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--at-least", type=float, default=AT_LEAST, help="the part of each group")
    parser.add_argument("--list", action="store_true", help="print the names of all mutants")
    parser.add_argument("groups", nargs="*", default=list(GROUPS), metavar="group")
    options = parser.parse_args()
    reasons: dict[str, str] = tomllib.loads(EQUIVALENT.read_text())
    every = [
        mutant for modules in GROUPS.values() for module in modules for mutant in mutants(module)
    ]
    if options.list:
        print("\n".join(sorted(mutant.name for mutant in every)))
        return 0
    if stale := reasons.keys() - {mutant.name for mutant in every}:
        raise SystemExit(
            "\n  ".join([f"{EQUIVALENT.name} names mutants that do not exist:", *stale])
        )
    group_of = {module: group for group, modules in GROUPS.items() for module in modules}
    work: list[Mutant] = []
    for group in options.groups:
        fit = [one for one in every if group_of[one.module] == group and one.name not in reasons]
        # A chance of its own for each group: the same mutants, whichever other groups are run.
        chance = random.Random(f"{options.seed} {group}")
        work += chance.sample(fit, min(options.mutants, len(fit)))
    started = time.monotonic()
    results: dict[str, list[str]] = {group: [] for group in options.groups}
    for mutant, verdict in run_all(options.jobs, work):
        results[group_of[mutant.module]].append(verdict)
        if verdict != NOTICED:
            print(f"{verdict}: {mutant.module}.py:{mutant.line} {mutant.name}", flush=True)
    is_enough = True
    for group, verdicts in results.items():
        noticed = len(verdicts) - verdicts.count(SURVIVED)
        is_enough &= noticed >= options.at_least * len(verdicts)
        part = noticed / len(verdicts)
        hang = verdicts.count(HANGS)
        print(
            f"{group:9} {noticed:4} of {len(verdicts):4} noticed, {part:.0%}; {hang} of them hang"
        )
    print(f"{len(work)} mutants, seed {options.seed}, {time.monotonic() - started:.0f} s")
    return 0 if is_enough else 1


if __name__ == "__main__":
    raise SystemExit(main())
