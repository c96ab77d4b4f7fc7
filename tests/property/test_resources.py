"""Resources against a small specification, under virtual time: what is asked when, and what is shown at each moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reactive_ws import Domain, Store
from reactive_ws.resources import Failed, Loading, Ready, Resource, resource
from reactive_ws.testing import simulate

DURATION = 1.0

# No sum of waits is a whole number of seconds, so nothing happens at the moment when a fetch ends.
waits = st.tuples(st.just("wait"), st.sampled_from([0.37, 0.71, 1.53]))
others = [
    st.tuples(st.just(name), st.just(0)) for name in ("refetch", "invalidate", "watch", "leave")
]
events = st.lists(
    st.one_of(waits, waits, st.tuples(st.just("params"), st.integers(0, 3)), *others), max_size=25
)


class Specification:
    """One value, one fetch at a time. Odd params fail."""

    def __init__(self) -> None:
        self.now = 0.0
        self.params = 0
        self.is_watched = False
        self.ends_at: float | None = None
        self.asked: list[int] = []
        self.state: tuple[str, int | None] = ("loading", None)
        self.latest: int | None = None

    def begin(self) -> None:
        if self.is_watched:
            self.asked.append(self.params)
            self.ends_at = self.now + DURATION
            self.state = ("loading", self.latest)

    def do(self, event: str, argument: Any) -> None:
        if event == "wait":
            self.now += argument
            if self.ends_at is not None and self.ends_at <= self.now:
                self.ends_at = None
                if self.params % 2 == 0:
                    self.latest = self.params
                self.state = ("ready" if self.params % 2 == 0 else "failed", self.latest)
        elif event == "params" and argument != self.params:
            self.params = argument
            self.begin()
        elif event == "invalidate" or (event == "refetch" and self.ends_at is None):
            self.begin()
        elif event == "watch" and not self.is_watched:
            self.is_watched = True
            self.begin()
        elif event == "leave":
            self.is_watched, self.ends_at, self.latest = False, None, None
            self.state = ("loading", None)


async def check(script: list[tuple[str, Any]]) -> None:
    domain = Domain(strict=True)
    params, asked, model = Store(0, domain=domain), list[int](), Specification()

    async def fetch(number: int) -> int:
        asked.append(number)
        try:
            await asyncio.sleep(DURATION)
        except asyncio.CancelledError:
            # A client that takes its time to give up, and then ends as if nothing had been.
            await asyncio.sleep(0.1)
            return 99
        if number % 2:
            raise OSError
        return number

    it = resource(params, fetch, retry=None, domain=domain)
    subscription: Any = None
    for event, argument in script:
        if event == "wait":
            await asyncio.sleep(argument)
        elif event == "params":
            params.set(argument)
        elif event == "watch":
            subscription = subscription or it.select().subscribe(lambda _: None)
        elif event == "leave" and subscription is not None:
            subscription.dispose()
            subscription = None
        elif event in ("refetch", "invalidate"):
            getattr(it, event)()
        model.do(event, argument)
        await asyncio.sleep(0)
        state = it.get()
        kind = {Loading: "loading", Ready: "ready", Failed: "failed"}[type(state)]
        assert ((kind, state.latest), asked) == (model.state, model.asked)
    if subscription is not None:
        subscription.dispose()
    await asyncio.sleep(5)
    assert (it.get(), asked) == (Loading(), model.asked)


simulated = simulate(check)


@given(events)
def test_a_resource_does_what_its_specification_does(script: list[tuple[str, Any]]) -> None:
    simulated(script)


def an_older_fetch_wins(patch: pytest.MonkeyPatch) -> None:
    """The result of a cancelled fetch is taken."""

    async def run(it: Any, params: tuple[Any, ...]) -> None:
        try:
            it._succeeded(await it._fetch(*params))
        except Exception as error:
            it._failed(error)

    patch.setattr(Resource, "_run", run)


def a_refetch_starts_again(patch: pytest.MonkeyPatch) -> None:
    """A refetch cancels the fetch that is under way."""
    patch.setattr(Resource, "_refetch", Resource._begin)


def nothing_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The last value stays after the last observer."""
    stop = Resource._stop

    def planted(it: Any) -> None:
        latest = it._latest
        stop(it)
        it._latest = latest

    patch.setattr(Resource, "_stop", planted)


@pytest.mark.parametrize(
    "plant", [an_older_fetch_wins, a_refetch_starts_again, nothing_is_forgotten]
)
def test_the_specification_finds(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises((AssertionError, ExceptionGroup)):
        search(given(events)(simulated))()
