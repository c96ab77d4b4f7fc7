"""The map in pure Python does what the map in C does, and keyed stores work on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.state.keyed.persistent_map import PureMap

pytest.importorskip("pyrsistent")
# It has no wheel for Python 3.14, where the map in pure Python is the only one.
immutables = pytest.importorskip("immutables")
ROOT = Path(__file__).parents[2]


class Colliding:
    """Keys of which many have the same hash."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and other.number == self.number

    def __repr__(self) -> str:
        return f"Colliding({self.number})"


keys = st.integers(0, 20).map(Colliding) | st.integers(0, 20) | st.text(max_size=1)
steps = st.lists(
    st.tuples(st.just("set"), keys, st.integers())
    | st.tuples(st.just("delete"), keys, st.none())
    | st.tuples(st.just("update"), st.dictionaries(keys, st.integers(), max_size=4), st.none())
    | st.tuples(st.just("mutate"), keys, st.integers()),
    max_size=30,
)


def step(of: object, kind: str, key: object, value: object) -> object:
    """Returns the next map, or the name of the error."""
    assert isinstance(of, PureMap | immutables.Map)
    try:
        if kind == "set":
            return of.set(key, value)
        if kind == "delete":
            return of.delete(key)
        if kind == "update":
            assert isinstance(key, dict)
            return of.update(key)
        mutation = of.mutate()
        mutation[key] = value
        del mutation[key]
        mutation[key] = value
        return mutation.finish()
    except KeyError:
        return "KeyError"


@given(st.dictionaries(keys, st.integers()), steps)
def test_the_map_in_python_is_the_map_in_c(first: dict[object, int], steps: list[object]) -> None:
    in_c, in_python = immutables.Map(first), PureMap(first)
    seen = [(in_c, dict(in_c), in_python)]
    for kind, key, value in steps:
        nexts = step(in_c, kind, key, value), step(in_python, kind, key, value)
        if "KeyError" in nexts:
            assert nexts == ("KeyError", "KeyError")
            continue
        in_c, in_python = nexts
        seen.append((in_c, dict(in_c), in_python))
    # Also the older maps are what they were.
    for one, content, other in seen:
        assert dict(other.items()) == dict(one.items()) == content
        assert len(other) == len(one)
        assert all(key in other and other[key] == other.get(key) for key in content)
        assert (other == PureMap(content), hash(other) == hash(PureMap(content))) == (True, True)
    assert (in_python.get("missing"), "missing" in in_python) == (None, False)
    assert (in_python == PureMap(seen[0][1])) == (in_c == immutables.Map(seen[0][1]))


def test_a_map_shows_its_content_and_is_no_dict() -> None:
    assert repr(PureMap([("a", 1)])) == "PureMap({'a': 1})"
    assert PureMap(PureMap({"a": 1})) == PureMap({"a": 1})
    assert (PureMap({"a": 1}) == {"a": 1}) is False
    with pytest.raises(KeyError):
        PureMap[str, int]()["a"]


def test_keyed_stores_and_their_tests_work_without_the_map_in_c(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['immutables'] = None\n")
    program = (
        "import pytest, sys; code = pytest.main(sys.argv[1:])\n"
        "from reactive_ws.state.keyed.persistent_map import Map, PureMap; assert Map is PureMap\n"
        "sys.exit(code)"
    )
    tests = ("test_keyed", "test_keyed_none", "stores/test_session_list", "test_inbound")
    files = [path for name in tests if (path := ROOT / "tests" / "unit" / f"{name}.py").exists()]
    done = subprocess.run(
        [sys.executable, "-c", program, "-q", "-p", "no:cacheprovider", *map(str, files)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert len(files) > 2
