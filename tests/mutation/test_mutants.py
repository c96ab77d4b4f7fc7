"""The mutation run itself: what it changes, that its choice is the seed's, and that its list is up to date."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = '''
LIMIT = 4

class Counter:
    step: int = 1

    def count(self, now, is_new):
        """Says what it does."""
        if now < LIMIT and not is_new:
            self.seen(now)
            self.total += self.step
        self.last = now
        return now + 1

    def __repr__(self):
        return "counter" + str(self.total)
'''


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("mutate")


def test_each_place_is_changed_once_and_only_there(mutate: ModuleType) -> None:
    mutants = importlib.import_module("mutants")
    found: list[str] = []
    for index, _ in enumerate(mutants.places(ast.parse(SOURCE))):
        tree = ast.parse(SOURCE)
        name, node, how = list(mutants.places(tree))[index]
        mutants.change(node, how)
        before = ast.unparse(ast.parse(SOURCE)).splitlines()
        after = ast.unparse(ast.fix_missing_locations(tree)).splitlines()
        changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
        found.append(f"{name}: {', '.join(changed)}")
    assert sorted(found) == [
        "Counter.count: if not (now < LIMIT and (not is_new)):",
        "Counter.count: if now < LIMIT or not is_new:",
        "Counter.count: if now <= LIMIT and (not is_new):",
        "Counter.count: pass",
        "Counter.count: pass",
        "Counter.count: pass",
        "Counter.count: return now + 2",
        "Counter.count: return now - 1",
        "Counter.step: step: int = 2",
        "LIMIT: LIMIT = 5",
    ]


def test_the_seed_alone_decides_which_mutants_of_a_group_run(mutate: ModuleType) -> None:
    names = list(mutate.GROUPS)
    chosen = mutate.sample(names, 5, 1)
    assert chosen == mutate.sample(names, 5, 1)
    assert [one for one in chosen if one[0] == "outbox"] == mutate.sample(["outbox"], 5, 1)
    assert chosen != mutate.sample(names, 5, 2)
    assert [name for name, _ in chosen] == [name for name in names for _ in range(5)]


def test_every_mutant_is_a_program_that_differs(mutate: ModuleType) -> None:
    for group in mutate.GROUPS.values():
        for module in group.modules:
            plain = ast.unparse(ast.parse(mutate.path_of(module).read_text()))
            for mutant in list(mutate.mutants(module))[::40]:
                source = mutant.source()
                compile(source, module, "exec")
                assert source != plain, mutant.name


def test_the_tests_of_every_group_exist(mutate: ModuleType) -> None:
    named = {name for group in mutate.GROUPS.values() for step in group.tests for name in step}
    assert [name for name in named if not (mutate.ROOT / "tests" / f"{name}.py").is_file()] == []
