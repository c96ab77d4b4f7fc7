"""Resources against a small specification, under virtual time: what is asked when, and what is shown at each moment."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reactive_ws import Backoff, Domain, Jitter, Store
from reactive_ws.resources import Failed, Loading, Ready, Resource, resource
from reactive_ws.testing import simulate

# No sum of waits is a sum of these, so nothing happens at the moment when the script goes on.
DURATION = 1.0003
RETRY = 0.4301
STALE = 2.9007
LINGER = 0.8309

waits = st.tuples(st.just("wait"), st.sampled_from([0.37, 0.71, 1.53]))
others = [
    st.tuples(st.just(name), st.just(0)) for name in ("refetch", "invalidate", "watch", "leave")
]
events = st.lists(
    st.one_of(waits, waits, st.tuples(st.just("params"), st.integers(0, 3)), *others), max_size=25
)


@attrs.frozen
class Options:
    """Options of the resource, and whether its observer writes the next params when it has failed."""

    has_retry: bool
    has_age: bool
    has_linger: bool
    is_impatient: bool


options = st.builds(Options, *[st.booleans()] * 4)


class Specification:
    """One value, one fetch at a time. Odd params fail."""

    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen
        self.now = 0.0
        self.params = 0
        self.is_watched = False
        self.is_active = False
        # When the fetch ends, the next retry begins, the value is too old, the resource stops.
        self.due: dict[str, float] = {}
        self.asked: list[int] = []
        self.attempt = 0
        self.latest: int | None = None
        self.state: tuple[str, int | None, int] = ("loading", None, 0)

    def begin(self) -> None:
        if self.is_active:
            self.asked.append(self.params)
            self.due.pop("retry", None)
            self.due.pop("stale", None)
            self.due["end"] = self.now + DURATION
            self.state = ("loading", self.latest, self.attempt)

    def write(self, params: int) -> None:
        if params != self.params:
            self.params, self.attempt = params, 0
            self.begin()

    def end(self) -> None:
        if self.params % 2 == 0:
            self.latest, self.attempt = self.params, 0
            self.state = ("ready", self.latest, 0)
            if self.chosen.has_age:
                self.due["stale"] = self.now + STALE
        elif self.chosen.has_retry and self.attempt == 0:
            self.attempt = 1
            self.state = ("loading", self.latest, 1)
            self.due["retry"] = self.now + RETRY
        else:
            self.attempt = 0
            self.state = ("failed", self.latest, 0)
            if self.chosen.is_impatient and self.is_watched:
                self.write(self.params + 1)

    def stop(self) -> None:
        self.is_active, self.latest, self.attempt = False, None, 0
        self.due.clear()
        self.state = ("loading", None, 0)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.due:
            what = min(self.due, key=self.due.__getitem__)
            if self.due[what] > until:
                break
            self.now = self.due.pop(what)
            {"end": self.end, "retry": self.begin, "stale": self.begin, "stop": self.stop}[what]()
        self.now = until

    def do(self, event: str, argument: Any) -> None:
        if event == "wait":
            self.wait(argument)
        elif event == "params":
            self.write(argument)
        elif event == "invalidate" or (event == "refetch" and "end" not in self.due):
            self.begin()
        elif event == "watch" and not self.is_watched:
            self.is_watched = True
            self.due.pop("stop", None)
            if not self.is_active:
                self.is_active = True
                self.begin()
        elif event == "leave" and self.is_watched:
            self.is_watched = False
            if self.chosen.has_linger:
                self.due["stop"] = self.now + LINGER
            else:
                self.stop()


async def check(chosen: Options, script: list[tuple[str, Any]]) -> None:
    domain = Domain(strict=True)
    params, asked, model = Store(0, domain=domain), list[int](), Specification(chosen)

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

    it = resource(
        params,
        fetch,
        retry=Backoff(initial=RETRY, factor=1.0, jitter=Jitter.NONE) if chosen.has_retry else None,
        max_retries=1,
        stale_after=STALE if chosen.has_age else None,
        linger=LINGER if chosen.has_linger else 0.0,
        domain=domain,
    )

    def look(state: Any) -> None:
        if chosen.is_impatient and isinstance(state, Failed):
            params.update(lambda number: number + 1)

    subscription: Any = None
    for event, argument in script:
        if event == "wait":
            await asyncio.sleep(argument)
        elif event == "params":
            params.set(argument)
        elif event == "watch":
            subscription = subscription or it.select().subscribe(look)
        elif event == "leave" and subscription is not None:
            subscription.dispose()
            subscription = None
        elif event in ("refetch", "invalidate"):
            getattr(it, event)()
        model.do(event, argument)
        await asyncio.sleep(0)
        state = it.get()
        kind = {Loading: "loading", Ready: "ready", Failed: "failed"}[type(state)]
        attempt = state.attempt if isinstance(state, Loading) else 0
        assert ((kind, state.latest, attempt), asked) == (model.state, model.asked)
    if subscription is not None:
        subscription.dispose()
        model.do("leave", 0)
    await asyncio.sleep(20)
    model.do("wait", 20)
    assert (it.get(), asked) == (Loading(), model.asked)


simulated = simulate(check)


@given(options, events)
def test_a_resource_does_what_its_specification_does(
    chosen: Options, script: list[tuple[str, Any]]
) -> None:
    simulated(chosen, script)


def an_older_fetch_wins(patch: pytest.MonkeyPatch) -> None:
    """The result of a cancelled fetch is taken."""

    async def run(it: Any, params: tuple[Any, ...], turn: object) -> None:
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


def a_new_fetch_keeps_the_age_of_the_old_value(patch: pytest.MonkeyPatch) -> None:
    """The timer of the last value goes on while another one is fetched."""
    cancel = Resource._cancel_timer

    def planted(it: Any, name: str) -> None:
        if name != "stale":
            cancel(it, name)

    patch.setattr(Resource, "_cancel_timer", planted)


def new_params_have_the_attempts_of_the_old(patch: pytest.MonkeyPatch) -> None:
    """New params do not begin to count again."""

    def planted(it: Any, params: tuple[Any, ...]) -> None:
        if it._is_active:
            it._params = params
            it._begin()

    patch.setattr(Resource, "_new_params", planted)


def what_lingers_stops(patch: pytest.MonkeyPatch) -> None:
    """A new observer does not end the time in which the value is kept."""
    cancel = Resource._cancel_timer

    def planted(it: Any, name: str) -> None:
        if name != "linger":
            cancel(it, name)

    patch.setattr(Resource, "_cancel_timer", planted)


def the_state_comes_before_its_timer(patch: pytest.MonkeyPatch) -> None:
    """Shows a failure before the resource is ready for what its observer does."""
    failed = Resource._failed

    def planted(it: Any, error: Exception) -> None:
        it._store.set(Failed(error, it._latest))
        failed(it, error)

    patch.setattr(Resource, "_failed", planted)


@pytest.mark.parametrize(
    "plant",
    [
        an_older_fetch_wins,
        a_refetch_starts_again,
        nothing_is_forgotten,
        a_new_fetch_keeps_the_age_of_the_old_value,
        new_params_have_the_attempts_of_the_old,
        what_lingers_stops,
        the_state_comes_before_its_timer,
    ],
)
def test_the_specification_finds(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises((AssertionError, ExceptionGroup)):
        search(given(options, events)(simulated))()
