"""A file of persisted stores survives everything: killed at any step of a write, cut off anywhere, filled with garbage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex.scheduler import VirtualTimeScheduler

from reactive_ws.engine.domain import Domain
from reactive_ws.middleware import PersistFile, PersistReport
from reactive_ws.middleware.persistence.storage import write_atomically
from reactive_ws.state.store import Store

STEPS = ("open", "fsync", "replace")


class Killed(BaseException):
    """Stands for the end of the process: nothing of the program runs after it."""


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """Lets the first `step` calls of the operating system work and ends the program at the next."""
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            function = getattr(os, name)

            def call(*arguments: object, name: str = name, function: object = function) -> object:
                if len(done) == step:
                    raise Killed
                done.append(name)
                return function(*arguments)  # type: ignore[operator]

            patch.setattr(os, name, call)
        yield done


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 8))
def test_killed_at_any_step_the_file_is_the_old_or_the_new_one(
    old: bytes, new: bytes, step: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        write_atomically(path, old)
        is_killed = False
        with killed_at(step) as done:
            try:
                write_atomically(path, new)
            except Killed:
                is_killed = True
        assert done == ["open", "fsync", "replace", "open", "fsync"][:step]
        assert is_killed == (step < 5)
        assert path.read_bytes() == (new if "replace" in done else old)
        # What a killed write left behind does not disturb the next one.
        write_atomically(path, b"next")
        assert (path.read_bytes(), os.listdir(folder)) == (b"next", ["state"])


def open_file(path: Path, reports: list[PersistReport]) -> tuple[PersistFile, Store[list[int]]]:
    store: Store[list[int]] = Store([], name="numbers", domain=Domain(strict=True))
    file = PersistFile(path, on_report=reports.append, scheduler=VirtualTimeScheduler())
    file.add(store, as_type=list[int])
    return file, store


@given(st.lists(st.integers(-9, 9), max_size=5), st.data())
def test_a_damaged_file_is_loaded_whole_or_kept_whole(
    numbers: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        file, store = open_file(path, [])
        store.set([99])
        store.set(numbers)
        file.close()
        good = path.read_bytes()
        cut = data.draw(st.integers(0, len(good)), "cut")
        damaged = good[:cut] + data.draw(st.sampled_from([b"", b"\x00", b"}", b"garbage"]), "tail")
        path.write_bytes(damaged)

        reports: list[PersistReport] = []
        file, store = open_file(path, reports)
        loaded = store.get()
        store.set([1, 2, 3])
        file.close()
        if damaged == good:
            assert (loaded, reports) == (numbers, [])
        else:
            assert loaded == []
            assert [(report.kind, report.aside) for report in reports] == [
                ("corrupt", path.resolve().with_name("state.corrupt-1"))
            ]
            assert path.with_name("state.corrupt-1").read_bytes() == damaged
        file, store = open_file(path, reports)
        file.close()
        assert store.get() == [1, 2, 3]
