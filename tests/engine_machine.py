"""A Hypothesis machine for the store engine over a model in plain Python, used by the property tests.

The model knows the committed values, the overlays of open batches, and the values after every commit. From these follows
what each observer must have seen: the current value when it came, then every later one that differs. Observers misbehave on
purpose during delivery: they raise, write, batch, leave, dispose other observers and add new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from threading import get_ident
from types import TracebackType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from reactivex.abc import DisposableBase

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.state.derived import derived
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import Store

__all__ = ["EngineMachine", "HomedMachine", "HookedMachine"]

NAMES = ("a", "b", "c")
Values = dict[str, int]

STREAMS: dict[str, Callable[[Values], Any]] = {
    "a": lambda now: now["a"],
    "b": lambda now: now["b"],
    "c": lambda now: now["c"],
    "half of a": lambda now: now["a"] // 2,
    "risky": lambda now: 12 // (now["b"] % 3),
    "sum": lambda now: now["a"] + now["b"],
    "diamond": lambda now: (now["a"] + now["b"], -now["a"]),
    "part of diamond": lambda now: now["a"] + now["b"],
    "fragile": lambda now: 12 // (now["c"] % 3),
    "above fragile": lambda now: -(12 // (now["c"] % 3)),
}
"""The value of each stream after a commit, computed from the stores' values; raises where the stream's function does."""

BEHAVIOURS = ("plain", "echoes", "raises", "writes", "updates", "batches", "fails a batch", "leaves", "evicts", "invites")  # fmt: skip


WRITES = st.tuples(st.sampled_from(NAMES), st.integers(0, 12), st.booleans())
"""A store, a value, and whether it is written by `update`."""
WATCHERS = st.tuples(
    st.sampled_from(sorted(STREAMS)), st.sampled_from(BEHAVIOURS), st.sampled_from(NAMES)
)
"""A stream, what its observer does, and to which store."""


class Misbehaved(Exception):
    """The exception that observers and batches raise on purpose."""


class Watcher:
    """One observer: what it saw, and what it does when it sees certain values."""

    def __init__(self, machine: EngineMachine, stream: str, behaviour: str, target: str) -> None:
        self.machine = machine
        self.stream = stream
        self.behaviour = behaviour
        self.target = target
        self.log: list[Any] = []
        self.joined = len(machine.commits) - 1
        self.is_inside = False
        self.is_live = True
        self.subscription: DisposableBase | None = None

    def __repr__(self) -> str:
        return f"<Watcher of {self.stream}, {self.behaviour} {self.target}, saw {self.log}>"

    def see(self, value: Any) -> None:
        """Is called by the engine."""
        machine = self.machine
        assert machine.is_here(), f"{self!r} was called away from home"
        assert self.is_live, f"{self!r} was called after dispose"
        assert not self.is_inside, f"{self!r} was called while it was being called"
        assert not machine.domain._lock._is_owned(), "an observer was called under the lock"  # type: ignore[attr-defined]
        self.is_inside = True
        # An observer is outside the batch in which a program subscribes.
        overlays, machine.overlays = machine.overlays, []
        try:
            self.log.append(value)
            machine.check_reads()
            self.act(value if isinstance(value, int) else sum(value))
        finally:
            machine.overlays = overlays
            self.is_inside = False

    def act(self, value: int) -> None:
        """Misbehaves, for one value in four."""
        machine = self.machine
        # Ten reactions to one step at most: feedback without end has tests of its own.
        if machine.reactions >= 10:
            return
        kind = value % 4
        machine.reactions += kind == 3
        if self.behaviour == "raises" and kind == 1:
            machine.raised += 1
            raise Misbehaved(value)
        is_echo = self.behaviour == "echoes" and len(self.log) == 1
        if is_echo or (self.behaviour == "writes" and kind == 3):
            machine.write(self.target, (value + 1) % 100)
        elif self.behaviour == "updates" and kind == 3:
            machine.write(self.target, (value + 1) % 100, is_update=True)
        elif self.behaviour in ("batches", "fails a batch") and kind == 3:
            try:
                with machine.batched():
                    for name in (self.target, "c"):
                        machine.write(name, (value + 1) % 100)
                    if self.behaviour == "fails a batch":
                        raise Misbehaved
            except Misbehaved:
                pass
        elif self.behaviour == "leaves" and kind == 2:
            self.leave()
        elif self.behaviour == "evicts" and kind == 2:
            for other in machine.watchers:
                if other is not self and other.is_live:
                    other.leave()
                    break
        elif self.behaviour == "invites" and kind == 2 and len(machine.watchers) < 20:
            machine.watch(self.stream, "plain", self.target)

    def leave(self) -> None:
        """Disposes; during its own replay it has nothing to dispose yet."""
        if self.subscription is not None:
            self.is_live = False
            self.subscription.dispose()

    def due(self) -> list[Any]:
        """Returns what an observer that came when this one did must have seen by now."""
        show = STREAMS[self.stream]
        seen: list[Any] = []
        for now in self.machine.commits[self.joined :]:
            try:
                value = show(now)
            except ZeroDivisionError:
                continue
            if not seen or seen[-1] != value:
                seen.append(value)
        return seen


class Scope:
    """A batch in the engine and in the model at once."""

    def __init__(self, machine: EngineMachine) -> None:
        self.machine = machine
        self.scope = batch(machine.domain)

    def __enter__(self) -> None:
        self.machine.overlays.append({})
        self.scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        machine = self.machine
        top = machine.overlays.pop()
        if kind is None:
            if machine.overlays:
                machine.overlays[-1].update(top)
            else:
                machine.commit(top)
        self.scope.__exit__(kind, error, trace)


class EngineMachine(RuleBasedStateMachine):
    """Random writes, batches and observers, also from inside of observers."""

    is_hooked = False
    """Whether a commit hook is there, which sends every commit through the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[ErrorReport] = []
        self.domain = Domain("machine", on_error=self.reports.append)
        self.stores = {name: Store(1, name=name, domain=self.domain) for name in NAMES}
        self.commits: list[Values] = [dict.fromkeys(NAMES, 1)]
        self.overlays: list[Values] = []
        self.watchers: list[Watcher] = []
        self.raised = 0
        self.reactions = 0
        self.hooked: list[tuple[int, dict[str, tuple[int, int]]]] = []
        if self.is_hooked:
            self.domain.on_commit(
                lambda commit: self.hooked.append(
                    (commit.number, {store.name: (old, new) for store, old, new in commit.changes})
                )
            )
        a, b, c = self.stores.values()
        self.sum = derived(a, b, lambda left, right: left + right)
        minus = derived(a, lambda value: -value)
        self.diamond = derived(self.sum, minus, lambda left, right: (left, right))
        self.fragile = derived(c, lambda value: 12 // (value % 3))
        self.streams = {
            **{name: store.select() for name, store in self.stores.items()},
            "half of a": a.select(lambda value: value // 2),
            "risky": b.select(lambda value: 12 // (value % 3)),
            "sum": self.sum.select(),
            "diamond": self.diamond.select(),
            "part of diamond": self.diamond.select(lambda pair: pair[0]),
            "fragile": self.fragile.select(),
            "above fragile": derived(self.fragile, lambda value: -value).select(),
        }

    def is_here(self) -> bool:
        """Whether observers may run where the caller is."""
        return True

    # --- the model ----------------------------------------------------------------------------------------------------

    def visible(self) -> Values:
        """Returns what the program reads now."""
        now = dict(self.commits[-1])
        for overlay in self.overlays:
            now.update(overlay)
        return now

    def commit(self, changes: Values) -> None:
        """Notes a commit, unless nothing changes."""
        now = {**self.commits[-1], **changes}
        if now != self.commits[-1]:
            self.commits.append(now)

    def write(self, name: str, value: int, is_update: bool = False) -> None:
        """Writes a store and the model. The model first, because the engine delivers before it returns."""
        if is_update:
            value = (self.visible()[name] + value) % 100
        if self.overlays:
            self.overlays[-1][name] = value
        else:
            self.commit({name: value})
        if is_update:
            self.stores[name].update(lambda _: value)
        else:
            self.stores[name].set(value)

    def batched(self) -> Scope:
        """Returns a batch for a `with` block."""
        return Scope(self)

    def watch(self, stream: str, behaviour: str, target: str) -> None:
        """Brings an observer."""
        watcher = Watcher(self, stream, behaviour, target)
        self.watchers.append(watcher)
        watcher.subscription = self.streams[stream].subscribe(watcher.see)

    def check_reads(self) -> None:
        """Compares everything that can be read with the model."""
        now = self.visible()
        assert {name: store.get() for name, store in self.stores.items()} == now
        assert self.sum.get() == now["a"] + now["b"]
        assert self.streams["part of diamond"].get() == now["a"] + now["b"]
        assert snapshot(*self.stores.values(), self.diamond) == (
            *now.values(),
            (now["a"] + now["b"], -now["a"]),
        )

    # --- what happens -------------------------------------------------------------------------------------------------

    @initialize(watchers=st.lists(WATCHERS, min_size=1, max_size=6))
    def beginning(self, watchers: list[tuple[str, str, str]]) -> None:
        for watcher in watchers:
            self.watch(*watcher)

    @rule(write=WRITES)
    def writing(self, write: tuple[str, int, bool]) -> None:
        self.write(*write)

    @rule(plan=st.lists(st.one_of(WRITES, st.tuples(st.booleans(), st.lists(WRITES))), max_size=4))
    def batching(self, plan: list[Any]) -> None:
        """A batch of writes and of batches."""
        with self.batched():
            for step in plan:
                if len(step) == 3:
                    self.write(*step)
                else:
                    self.failing_or_not(*step)
                self.check_reads()

    @rule(plan=st.lists(WRITES, min_size=1, max_size=4))
    def raising_in_a_batch(self, plan: list[tuple[str, int, bool]]) -> None:
        self.failing_or_not(True, plan)

    def failing_or_not(self, fails: bool, plan: list[tuple[str, int, bool]]) -> None:
        """A batch of writes that may raise at its end."""
        with suppress(Misbehaved), self.batched():
            for step in plan:
                self.write(*step)
            if fails:
                raise Misbehaved

    @rule(watcher=WATCHERS, write=WRITES)
    def subscribing_in_a_batch(
        self, watcher: tuple[str, str, str], write: tuple[str, int, bool]
    ) -> None:
        with self.batched():
            self.write(*write)
            self.watch(*watcher)

    @rule(mine=WRITES, other=WRITES)
    def writing_elsewhere_while_a_batch_is_open(
        self, mine: tuple[str, int, bool], other: tuple[str, int, bool]
    ) -> None:
        with self.batched():
            self.write(*mine)
            self.elsewhere(lambda: self.write(*other))
            self.check_reads()

    def elsewhere(self, act: Callable[[], None]) -> None:
        """Acts on another thread, which inherits the context as a task would, and no batch."""
        overlays, self.overlays = self.overlays, []
        try:
            with ThreadPoolExecutor(1) as executor:
                executor.submit(copy_context().run, act).result()
        finally:
            self.overlays = overlays

    @precondition(lambda self: len(self.watchers) < 20)
    @rule(watcher=WATCHERS)
    def subscribing(self, watcher: tuple[str, str, str]) -> None:
        self.watch(*watcher)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data())
    def unsubscribing(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.watchers)).leave()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_rules_hold(self) -> None:
        """Compares everything at rest."""
        self.reactions = 0
        self.check_reads()
        self.every_log_is_a_run_of_the_commits()
        self.numbers_and_hooks_agree_with_the_model()
        self.every_error_is_reported_once()
        self.no_flag_stays_set()

    def every_log_is_a_run_of_the_commits(self) -> None:
        assert self.domain.settled(10)
        for watcher in self.watchers:
            due = watcher.due()
            if watcher.is_live:
                assert watcher.log == due, f"{watcher!r} should have seen {due}"
            else:
                assert watcher.log == due[: len(watcher.log)], f"{watcher!r} saw no run of {due}"

    def numbers_and_hooks_agree_with_the_model(self) -> None:
        assert self.domain.number == len(self.commits) - 1
        if self.is_hooked:
            pairs = zip(self.commits, self.commits[1:], strict=False)
            changed = [
                {name: (old[name], new[name]) for name in NAMES if new[name] != old[name]}
                for old, new in pairs
            ]
            assert self.hooked == list(enumerate(changed, 1))

    def every_error_is_reported_once(self) -> None:
        misbehaved = [report for report in self.reports if isinstance(report.error, Misbehaved)]
        others = [report for report in self.reports if not isinstance(report.error, Misbehaved)]
        assert len(misbehaved) == self.raised
        assert [report for report in others if report.kind not in ("selector", "derive")] == []

    def no_flag_stays_set(self) -> None:
        domain = self.domain
        assert (domain._deliverer, domain._current, domain._depth) == (0, 0, 0)
        left = [*domain._queue, *domain._joins, *domain._dirty, *domain._chores]
        assert left == []
        assert domain._fatal is None
        assert not domain._lock._is_owned()  # type: ignore[attr-defined]

    def teardown(self) -> None:
        for watcher in self.watchers:
            watcher.leave()
        # A derived value that was only read stays beside its sources until their next commit.
        for store in self.stores.values():
            store.trigger()
        for source in (*self.stores.values(), self.sum, self.diamond, self.fragile):
            assert (source._live, source._others, len(source._dependents)) == (0, 0, 0)
            assert (len(source._slots), len(source._nodes)) == (0, 0)


class HookedMachine(EngineMachine):
    """The same with a commit hook."""

    is_hooked = True


class HomedMachine(EngineMachine):
    """The same with a home, which is the thread of the machine while it is not away.

    So a write at home is delivered at once, after what was written away from home. A write away waits for the home.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()
        self.is_away = False
        self.posted: list[Callable[[], None]] = []
        self.domain.set_home(self)

    def post(self, function: Callable[[], None], /) -> None:
        """Keeps a function until the home has its turn."""
        self.posted.append(function)

    def is_current(self) -> bool:
        """Whether the caller is at home."""
        return not self.is_away and get_ident() == self.thread

    def is_here(self) -> bool:
        return self.is_current()

    @rule(away=st.lists(WRITES, min_size=1, max_size=3), mine=WRITES, is_batch=st.booleans())
    def writing_away_and_then_at_home(
        self, away: list[tuple[str, int, bool]], mine: tuple[str, int, bool], is_batch: bool
    ) -> None:
        self.is_away = True
        try:
            for write in away:
                self.write(*write)
        finally:
            self.is_away = False
        if is_batch:
            with self.batched():
                self.write(*mine)
                self.write("c", mine[1] + 1)
        else:
            self.write(*mine)

    @invariant()
    def the_rules_hold(self) -> None:
        while self.posted:
            self.posted.pop(0)()
        super().the_rules_hold()
