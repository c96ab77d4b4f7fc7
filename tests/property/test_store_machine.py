"""The store engine against its model (see `engine_machine`), and random programs on several threads."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from engine_machine import NAMES, STREAMS, EngineMachine, HomedMachine, HookedMachine
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.state.derived import derived
from reactive_ws.state.store import Store

TestEngine = EngineMachine.TestCase
TestEngineWithAHook = HookedMachine.TestCase
TestEngineWithAHome = HomedMachine.TestCase

WATCHED = ("a", "b", "c", "half of a", "sum", "diamond")
STEPS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("update"), st.sampled_from(NAMES), st.integers(1, 9)),
    st.tuples(st.just("batch"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("raise"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("watch"), st.sampled_from(WATCHED), st.integers(0, 3)),
)


@pytest.mark.deep
@given(programs=st.lists(st.lists(STEPS, max_size=30), min_size=2, max_size=4))
def test_programs_on_several_threads_keep_every_rule(
    programs: list[list[tuple[str, str, int]]],
) -> None:
    reports: list[ErrorReport] = []
    domain = Domain("threads", on_error=reports.append)
    stores = {name: Store(1, name=name, domain=domain) for name in NAMES}
    a, b, _ = stores.values()
    total = derived(a, b, lambda left, right: left + right)
    diamond = derived(total, derived(a, lambda value: -value), lambda left, right: (left, right))
    streams = {
        **{name: store.select() for name, store in stores.items()},
        "half of a": a.select(lambda value: value // 2),
        "sum": total.select(),
        "diamond": diamond.select(),
    }
    commits: list[dict[str, int]] = [dict.fromkeys(NAMES, 1)]

    def note(commit: object) -> None:
        changes = {store.name: new for store, _, new in commit.changes}  # type: ignore[attr-defined]
        commits.append({**commits[-1], **changes})

    domain.on_commit(note)
    logs: list[tuple[str, bool, list[object]]] = []
    start = threading.Barrier(len(programs))

    def run(program: list[tuple[str, str, int]]) -> None:
        start.wait(5)
        for what, name, value in program:
            if what == "set":
                stores[name].set(value)
            elif what == "update":
                stores[name].update(lambda now, value=value: (now + value) % 100)
            elif what == "watch":
                log: list[object] = []
                subscription = streams[name].subscribe(log.append)
                logs.append((name, value > 0, log))
                if value == 0:
                    subscription.dispose()
            else:
                with suppress(ZeroDivisionError), batch(domain):
                    a.update(lambda now, value=value: now + value)
                    stores[name].set(value)
                    b.update(lambda now, value=value: now - value)
                    if what == "raise":
                        raise ZeroDivisionError

    threads = [threading.Thread(target=run, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert domain.settled(10)
    assert reports == []
    assert commits[-1] == {name: store.get() for name, store in stores.items()}
    assert len(commits) == domain.number + 1
    for name, is_live, log in logs:
        shown = [STREAMS[name](now) for now in commits]
        run_of = [shown[0]] + [new for old, new in pairwise(shown) if new != old]
        if is_live:
            assert log == run_of[len(run_of) - len(log) :], f"{name}: {log} is no end of {run_of}"
        else:
            places = range(len(run_of) - len(log) + 1)
            assert any(log == run_of[place : place + len(log)] for place in places)
    assert domain._deliverer == 0
