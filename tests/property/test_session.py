"""The session keeps its promises in every interleaving, and each planted bug is found."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from session_world import World

from reactive_ws.server.session import ServerSession
from reactive_ws.server.session.following import Following
from reactive_ws.wire import Position

RUNS = 150
STEPS = 120


def run(seed: int, make: Callable[..., ServerSession] = ServerSession) -> None:
    world = World(random.Random(seed), make)
    world.connect()
    for _ in range(STEPS):
        world.step()
    world.settle()
    world.check()


@pytest.mark.parametrize("start", range(0, RUNS, 50))
def test_nothing_is_lost_doubled_or_out_of_order_without_a_word(start: int) -> None:
    for seed in range(start, start + 50):
        try:
            run(seed)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.deep
def test_a_thousand_more_runs() -> None:
    for seed in range(10_000, 11_000):
        run(seed)


# --- planted bugs -----------------------------------------------------------------------------------------------------


class OutcomesFirst(ServerSession):
    """Looks the pending commands up before it reads the heads."""

    def _recover(self, resume: Any, name: str | None) -> Any:
        known = yield from self._outcomes(resume.pending)
        work = super()._recover(resume, name)
        original = self._outcomes

        def early(pending: Any) -> Any:
            yield from ()
            return {one: known[one] for one in pending if one in known}

        self._outcomes = early  # type: ignore[method-assign]
        try:
            yield from work
        finally:
            self._outcomes = original  # type: ignore[method-assign]


class AcksAfterReplay(ServerSession):
    """Lets the pages of a stream go before the acknowledgements."""

    def _acknowledge(self, outcomes: Any) -> None:
        if self._mark is not None and len(outcomes) > 0 and not self._asked:
            self._late = outcomes
            return
        super()._acknowledge(outcomes)

    def _page(self) -> Any:
        yield from super()._page()
        late = self.__dict__.pop("_late", None)
        if late:
            super()._acknowledge(late)


class MarkTooEarly(ServerSession):
    """Gives a mark whose streams the client has not seen."""

    def _known_mark(self) -> str | None:
        if self._next_mark is not None:
            self._mark, self._next_mark = self._next_mark[0], None
        return self._mark


class NoBirths(ServerSession):
    """Begins streams where they are, also those that began while the client was away."""

    def _recover(self, resume: Any, name: str | None) -> Any:
        resume.mark = None
        yield from super()._recover(resume, name)


class ForgetsChangesWhileResuming(ServerSession):
    """Drops what changes while the heads are read."""

    def _begin(self, stream: str) -> None:
        if self._running:
            return
        super()._begin(stream)


class ForgetsChangesOfAPage(ServerSession):
    """A change that comes while a page is read is taken for the one that is read."""

    def changed(self, streams: Any) -> Any:
        asked = [lane.value for lane in self._asked.values()]
        if streams is not None and "pages" in asked:
            return []
        return super().changed(streams)


class SilentGaps(ServerSession):
    """Goes on behind a gap without a word."""

    def _lose(self, stream: str, head: Position) -> None:
        self._following.move(stream, head)


class OnePageOnly(ServerSession):
    """Takes the end of a page for the head."""

    def _write_page(self, stream: str, page: Any) -> None:
        import attrs

        super()._write_page(stream, attrs.evolve(page, more=False))


class IgnoresAnyChange(ServerSession):
    """Does not look when anything may have changed."""

    def changed(self, streams: Any) -> Any:
        return [] if streams is None else super().changed(streams)


class NamesAfterPages(ServerSession):
    """Writes pages of streams that no `resumed` named yet."""

    def _can_continue(self, stream: str, at: Any, head: Any) -> Any:
        is_there = yield from super()._can_continue(stream, at, head)
        if is_there:
            self._following.move(stream, at)
            self._following.mark(stream)
        return is_there


class NoKeys(ServerSession):
    """Runs a resent command as a new one."""

    def _run(self, envelope: Any) -> Any:
        import attrs

        work = super()._run(envelope)
        question = next(work)
        while True:
            answer = yield attrs.evolve(question, key=None)
            try:
                question = work.send(answer)
            except StopIteration:
                return


@pytest.mark.parametrize(
    "bug",
    [
        OutcomesFirst,
        AcksAfterReplay,
        MarkTooEarly,
        NoBirths,
        ForgetsChangesWhileResuming,
        ForgetsChangesOfAPage,
        SilentGaps,
        OnePageOnly,
        IgnoresAnyChange,
        NamesAfterPages,
        NoKeys,
    ],
)
def test_a_planted_bug_is_found(bug: type[ServerSession]) -> None:
    for seed in range(400):
        try:
            run(seed, bug)
        except AssertionError:
            return
    pytest.fail(f"{bug.__name__} was not found in 400 runs")


def test_marked_streams_take_turns() -> None:
    following = Following()
    following.add_channel("*")
    for name in ("a", "b"):
        following.move(name, Position("e", 0))
        following.mark(name)
    assert following.next() == "a"
    following.mark("a")
    assert [following.next(), following.next(), following.next()] == ["b", "a", None]
