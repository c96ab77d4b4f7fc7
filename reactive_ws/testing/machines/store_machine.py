"""A model-based machine for a user's own store: random messages, batches, rollbacks, observers that come and go.

Subclass `StoreMachine`, say what a message does to the store and to a plain model, and run `Machine.TestCase`. After every step
the store must equal the model, and every observer must have seen what the rules of streams promise.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import DataObject, SearchStrategy
from reactivex import Observable

from ...engine import Domain, ErrorReport, batch
from ..watching import Monitor

__all__ = ["StoreMachine"]


class _RolledBack(Exception):
    pass


class StoreMachine(RuleBasedStateMachine):
    """Compares a store with a model. Override `messages`, `initial_model`, `make`, `apply` and `next_model`.

    Attributes:
        messages: Draws what happens to the store.
        initial_model: The model of a new store; never changed in place.
    """

    messages: ClassVar[SearchStrategy[Any]] = st.nothing()
    initial_model: ClassVar[Any] = None

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[ErrorReport] = []
        self.domain = Domain(type(self).__name__, on_error=self.reports.append)
        self.model: Any = type(self).initial_model
        self.store: Any = self.make(self.domain)
        self.monitors: list[Monitor[Any]] = []

    # --- what a subclass says -----------------------------------------------------------------------------------------

    def make(self, domain: Domain) -> Any:
        """Returns a new store in this domain."""
        raise _missing(self, "make(domain)", domain)

    def apply(self, store: Any, message: Any) -> None:
        """Lets a message happen to the store."""
        raise _missing(self, "apply(store, message)", store, message)

    def next_model(self, model: Any, message: Any) -> Any:
        """Returns the model after a message. Pure: the old model stays as it is."""
        raise _missing(self, "next_model(model, message)", model, message)

    def read(self, store: Any) -> Any:
        """Returns the snapshot of the store; `store.get()` unless overridden."""
        return store.get()

    def stream(self, store: Any) -> Observable[Any]:
        """Returns the stream of snapshots; `store.select()` unless overridden."""
        selected: Observable[Any] = store.select()
        return selected

    def observe(self, snapshot: Any) -> Any:
        """Returns the part of a snapshot that is compared with the model; all of it unless overridden."""
        return snapshot

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def message(self, data: DataObject) -> None:
        """One message."""
        message = data.draw(self.messages, label="message")
        self.apply(self.store, message)
        self.model = self.next_model(self.model, message)

    @rule(data=st.data(), size=st.integers(2, 4))
    def several_in_one_batch(self, data: DataObject, size: int) -> None:
        """Several messages in one commit."""
        before = self.domain.number
        with batch(self.domain):
            for _ in range(size):
                self.message(data)
        if self.domain.number > before + 1:
            raise AssertionError(
                f"one batch made {self.domain.number - before} commits instead of one"
            )

    @rule(data=st.data())
    def a_batch_that_fails(self, data: DataObject) -> None:
        """Messages in a batch that raises: nothing happened."""
        model, before = self.model, self.read(self.store)
        try:
            with batch(self.domain):
                self.message(data)
                raise _RolledBack
        except _RolledBack:
            self.model = model
        if self.observe(self.read(self.store)) != self.observe(before):
            raise AssertionError(
                f"a batch raised, and the store went from {before!r} to {self.read(self.store)!r}"
            )

    @rule()
    def an_observer_comes(self) -> None:
        """One more observer, which must see the present value first and every later one."""
        self.monitors.append(
            Monitor(
                self.stream(self.store),
                name=f"observer {len(self.monitors) + 1}",
                current=lambda: self.read(self.store),
            )
        )

    @precondition(lambda self: bool(self.monitors))
    @rule(data=st.data())
    def an_observer_leaves(self, data: DataObject) -> None:
        """An observer is disposed; it must see nothing more."""
        data.draw(st.sampled_from(self.monitors), label="observer").dispose()

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        """The store equals the model, and no observer saw a rule broken."""
        seen = self.observe(self.read(self.store))
        if seen != self.model:
            raise AssertionError(f"the store shows {seen!r}, the model says {self.model!r}")
        for monitor in self.monitors:
            monitor.check()
        if self.reports:
            raise AssertionError(f"observers or selectors raised: {self.reports!r}")

    def teardown(self) -> None:
        """Disposes the observers."""
        for monitor in self.monitors:
            monitor.dispose()


def _missing(machine: StoreMachine, method: str, *_: object) -> TypeError:
    return TypeError(f"{type(machine).__name__} must override {method}")
