"""Optimistic stores against the plainest model: a number, and a list of changes folded over it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from reactive_ws import Domain, ErrorReport, batch
from reactive_ws.editing import OptimisticStore, Patch, optimistic

Change = tuple[str, int]

changes = st.tuples(st.sampled_from(["add", "times", "set", "even"]), st.integers(-3, 3))


def run(change: Change, value: int) -> int:
    """Does a change. Raises: ArithmeticError, by "even" for an odd value."""
    kind, number = change
    if kind == "even":
        if value % 2:
            raise ArithmeticError
        return value // 2 + number
    return {"add": value + number, "times": value * number, "set": number}[kind]


class OptimisticMachine(RuleBasedStateMachine):
    """Applies, confirms, discards and writes, alone and in batches."""

    patches = Bundle("patches")

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[ErrorReport] = []
        self.domain = Domain(on_error=self.reports.append)
        self.store = OptimisticStore(1, domain=self.domain)
        self.confirmed = 1
        self.pending: list[tuple[Patch[int], Change]] = []
        self.failed: set[Patch[int]] = set()
        self.seen: list[int] = []
        self.expected = [1]
        self.store.select().subscribe(self.seen.append)

    def visible(self) -> int:
        value = self.confirmed
        for patch, change in self.pending:
            try:
                value = run(change, value)
            except ArithmeticError:
                self.failed.add(patch)
        return value

    def finish(self, patch: Patch[int], *, is_confirmed: bool) -> bool:
        found = [change for it, change in self.pending if it is patch]
        if found and is_confirmed:
            self.confirmed = run(found[0], self.confirmed)
        self.pending = [(it, change) for it, change in self.pending if it is not patch]
        return bool(found)

    @rule(target=patches, change=changes)
    def apply(self, change: Change) -> Any:
        if self.raises(change, self.visible()):
            with pytest.raises(ArithmeticError):
                self.store.apply(lambda value: run(change, value))
            return multiple()
        patch = self.store.apply(lambda value: run(change, value))
        self.pending.append((patch, change))
        return patch

    def raises(self, change: Change, value: int) -> bool:
        return change[0] == "even" and value % 2 == 1

    @rule(patch=patches)
    def confirm(self, patch: Patch[int]) -> None:
        if any(it is patch and self.raises(change, self.confirmed) for it, change in self.pending):
            # It is pending as before.
            with pytest.raises(ArithmeticError):
                patch.confirm()
        else:
            assert patch.confirm() == self.finish(patch, is_confirmed=True)

    @rule(patch=consumes(patches))
    def discard(self, patch: Patch[int]) -> None:
        assert patch.discard() == self.finish(patch, is_confirmed=False)

    @rule(patch=patches, value=st.integers(-3, 3))
    def confirm_by_value(self, patch: Patch[int], value: int) -> None:
        with batch(self.domain):
            self.store.set(value)
            assert patch.discard() == self.finish(patch, is_confirmed=False)
        self.confirmed = value

    @rule(patch=patches)
    def fail_in_a_batch(self, patch: Patch[int]) -> None:
        with pytest.raises(KeyError), batch(self.domain):
            self.store.set(98)
            patch.confirm()
            raise KeyError

    @rule(value=st.integers(-3, 3))
    def write(self, value: int) -> None:
        self.store.set(value)
        self.confirmed = value

    @rule()
    def discard_all(self) -> None:
        assert self.store.discard_all() == len(self.pending)
        self.pending = []

    @invariant()
    def shows_what_the_model_does(self) -> None:
        assert self.store.get() == self.visible()
        assert self.store.confirmed.get() == self.confirmed
        assert self.store.pending.get() == tuple(patch for patch, _ in self.pending)
        if self.expected[-1] != self.visible():
            self.expected.append(self.visible())
        assert self.seen == self.expected
        # Each change that ever failed is reported once.
        assert [it.kind for it in self.reports] == ["patch"] * len(self.failed)


TestOptimistic = OptimisticMachine.TestCase


def finishes_the_oldest(patch: pytest.MonkeyPatch) -> None:
    """Takes the oldest pending change for the one that is meant."""
    finish = OptimisticStore._finish

    def planted(store: OptimisticStore[Any], it: Patch[Any], *, is_confirmed: bool) -> bool:
        pending = store._layers.get().pending
        return finish(store, pending[0] if it in pending else it, is_confirmed=is_confirmed)

    patch.setattr(OptimisticStore, "_finish", planted)


def confirms_the_visible_value(patch: pytest.MonkeyPatch) -> None:
    """Confirms what the screen shows, with the other pending changes in it."""
    finish = OptimisticStore._finish

    def planted(store: OptimisticStore[Any], it: Patch[Any], *, is_confirmed: bool) -> bool:
        value = store.get()
        was_pending = finish(store, it, is_confirmed=is_confirmed)
        if was_pending and is_confirmed:
            store.set(value)
        return was_pending

    patch.setattr(OptimisticStore, "_finish", planted)


def drops_the_later_ones(patch: pytest.MonkeyPatch) -> None:
    """Rolls back to the state before the discarded change."""

    def planted(store: OptimisticStore[Any], it: Patch[Any], *, is_confirmed: bool) -> bool:
        was_pending = it.is_pending

        def change(now: Any) -> Any:
            if not was_pending:
                return now
            value = it._change(now.confirmed) if is_confirmed else now.confirmed
            at = now.pending.index(it)
            rest = now.pending[at + 1 :] if is_confirmed else ()
            return attrs.evolve(now, confirmed=value, pending=now.pending[:at] + rest)

        store._layers.update(change)
        return was_pending

    patch.setattr(OptimisticStore, "_finish", planted)


def a_write_ends_what_is_pending(patch: pytest.MonkeyPatch) -> None:
    """Takes a new confirmed value for the answer to all changes."""

    def planted(store: OptimisticStore[Any], value: Any) -> None:
        store._layers.set(optimistic.Layers(value))

    patch.setattr(OptimisticStore, "set", planted)


def a_failed_confirmation_discards(patch: pytest.MonkeyPatch) -> None:
    """A change that raises for the confirmed value is removed."""
    finish = OptimisticStore._finish

    def planted(store: OptimisticStore[Any], it: Patch[Any], *, is_confirmed: bool) -> bool:
        try:
            return finish(store, it, is_confirmed=is_confirmed)
        except ArithmeticError:
            finish(store, it, is_confirmed=False)
            raise

    patch.setattr(OptimisticStore, "_finish", planted)


def a_failing_change_hides_the_later_ones(patch: pytest.MonkeyPatch) -> None:
    """The visible value ends at the first change that raises."""
    init = OptimisticStore.__init__

    def planted(self: Any, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)

        def visible(now: Any) -> Any:
            value = now.confirmed
            for it in now.pending:
                try:
                    value = it._change(value)
                except ArithmeticError as error:
                    if not it._has_failed:
                        it._has_failed = True
                        self.domain.report("patch", error, self.name, it._change)
                    break
            return value

        self._visible._function = visible

    patch.setattr(OptimisticStore, "__init__", planted)


@pytest.mark.parametrize(
    "plant",
    [
        finishes_the_oldest,
        a_failed_confirmation_discards,
        a_failing_change_hides_the_later_ones,
        confirms_the_visible_value,
        drops_the_later_ones,
        a_write_ends_what_is_pending,
    ],
)
def test_the_machine_finds(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(
        max_examples=600,
        stateful_step_count=20,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(OptimisticMachine, settings=search)
