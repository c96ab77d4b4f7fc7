"""Every store file has the same order: state, reducers, store, actions. Read from the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[3] / "stores"
ORDER = ("state", "reducers", "store", "actions")
STORES = {
    "carousel": (),
    "channels": (),
    "connection": (),
    "errors": (),
    # With the module that holds the other parts.
    "history/history": ("history/conversation",),
    "notifications": (),
    "offline": (),
    "sessions/sessions": ("sessions/session_list",),
    "typing": (),
}
"""The stores, and where else their parts are."""
_HEADING = re.compile(r"^ *# --- ([a-z ]+) -+$")


@attrs.frozen
class Part:
    """The lines of a module below one heading."""

    name: str
    first: int
    last: int


def parts_of(text: str) -> list[Part]:
    lines = text.splitlines()
    starts = [(at, found[1]) for at, line in enumerate(lines, 1) if (found := _HEADING.match(line))]
    ends = [*(at for at, _ in starts), len(lines) + 1][1:]
    return [Part(name, at, end) for (at, name), end in zip(starts, ends, strict=True)]


def below(text: str, part: Part) -> list[ast.stmt]:
    return [it for it in ast.parse(text).body if part.first < it.lineno < part.last]


def read(name: str) -> str:
    return (ROOT / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_headings_come_in_this_order(path: Path) -> None:
    names = [it.name for it in parts_of(path.read_text("utf-8")) if it.name in ORDER]
    assert names == [name for name in ORDER if name in names]


@pytest.mark.parametrize("name", STORES)
def test_every_store_has_its_four_parts(name: str) -> None:
    own = [it.name for it in parts_of(read(name))]
    lent = [it.name for other in STORES[name] for it in parts_of(read(other))]
    assert own[-2:] == ["store", "actions"]
    assert sorted([*own, *lent], key=ORDER.index) == list(ORDER)


@pytest.mark.parametrize(
    "name", [*STORES, *(other for others in STORES.values() for other in others)]
)
def test_each_part_has_what_it_says(name: str) -> None:
    text = read(name)
    for part in parts_of(text):
        body = below(text, part)
        functions = [it for it in body if isinstance(it, ast.FunctionDef)]
        classes = [it for it in body if isinstance(it, ast.ClassDef)]
        if part.name == "state":
            # Functions here only make the empty values of fields.
            assert all(it.name.startswith("_") and not it.args.args for it in functions)
            frozen = {"attrs.frozen", "attrs.frozen(eq=False)"}
            assert classes
            assert all(ast.unparse(it.decorator_list[0]) in frozen for it in classes)
        elif part.name == "reducers":
            assert functions
            assert classes == []
            # Nothing to send, to report or to ask with: they only know what they are given.
            names = {it.id for one in body for it in ast.walk(one) if isinstance(it, ast.Name)}
            assert names.isdisjoint({"self", "Store", "Send", "Report", "Sync", "time", "random"})
        elif part.name == "store":
            assert len(classes) == 1
        else:
            assert all(it.name.startswith("_") for it in functions)


@pytest.mark.parametrize("name", STORES)
def test_what_user_interfaces_get_cannot_be_written(name: str) -> None:
    text = read(name)
    (place,) = [it for it in parts_of(text) if it.name == "store"]
    (store,) = [it for it in below(text, place) if isinstance(it, ast.ClassDef)]
    kinds = {
        it.name: ast.unparse(it.returns)
        for it in store.body
        if isinstance(it, ast.FunctionDef) and it.returns and not it.name.startswith("_")
    }
    writable = {it for it, kind in kinds.items() if kind.startswith(("Store[", "KeyedStore["))}
    # The composition root keeps this one in a file.
    assert writable <= {"store"}
