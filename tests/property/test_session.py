"""The session keeps its promises in every interleaving, and each planted bug is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from session_world import World

from reactive_ws.server.session import Hear, ReadPage, Run, ServerSession
from reactive_ws.server.session.following import Following
from reactive_ws.wire import Position, Recovery, Unsubscribed

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
        super()._write_page(stream, replace(page, more=False))


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

    def _run_commands(self) -> Any:
        work = super()._run_commands()
        question = next(work)
        while True:
            behind = tuple(replace(run, key=None) for run in question.behind)
            answer = yield replace(question, key=None, behind=behind)
            try:
                question = work.send(answer)
            except StopIteration:
                return


class OutcomesBeforeTheState(ServerSession):
    """Looks the pending commands up before the state of a sync is read."""

    def _write_states(self, streams: Any, pending: Any) -> Any:
        known = yield from self._outcomes(pending)
        original = self._outcomes

        def early(pending: Any) -> Any:
            yield from ()
            return {one: known[one] for one in pending if one in known}

        self._outcomes = early  # type: ignore[method-assign]
        try:
            yield from super()._write_states(streams, pending)
        finally:
            self._outcomes = original  # type: ignore[method-assign]


class AcksAfterTheState(ServerSession):
    """Writes the state of a sync before the acknowledgements."""

    def _write_states(self, streams: Any, pending: Any) -> Any:
        acknowledge, late = self._acknowledge, list[Any]()
        self._acknowledge = late.append  # type: ignore[method-assign]
        try:
            yield from super()._write_states(streams, pending)
        finally:
            self._acknowledge = acknowledge  # type: ignore[method-assign]
        for outcomes in late:
            acknowledge(outcomes)


class MarkInEveryFrame(ServerSession):
    """Gives the mark with the first frame of a resumed."""

    def _say(self, name: str, payload: Any, id: str | None = None) -> None:  # noqa: A002
        if name == "resumed" and payload.more:
            payload = msgspec.structs.replace(payload, mark=f"{self._mark_of_now}")
        super()._say(name, payload, id)

    def _write_resumed(self, found: Any, refused: Any, mark: Any, id: Any) -> None:  # noqa: A002
        self._mark_of_now = mark
        super()._write_resumed(found, refused, mark, id)


class AnswersTheFirstFrameOfAResume(ServerSession):
    """Takes the first frame of a resume for the whole."""

    def _gather(self, resume: Any, id: str | None) -> Any:  # noqa: A002
        if self._mark is None:
            yield from super()._gather(msgspec.structs.replace(resume, more=False), id)


class RunsCommandsAtOnce(ServerSession):
    """Begins a command while an earlier one of the connection runs."""

    def _queue_command(self, envelope: Any) -> None:
        lane = next(lane for lane in self._waiting if lane.value == "command")
        self._commands.append(self._command_of(envelope))
        self._running.pop(lane, None)
        self._start(lane, self._run_commands)


class TakesTheNewestCommandFirst(ServerSession):
    """Runs the commands that wait in the wrong order."""

    def _queue_command(self, envelope: Any) -> None:
        super()._queue_command(envelope)
        if self._commands:
            newest = self._commands.pop()
            self._commands.insert(1, newest)


class WritesOldPages(ServerSession):
    """Writes a page although the client went elsewhere while it was read."""

    def _page(self) -> Any:
        while self._has_room and (stream := self._following.next()) is not None:
            at = self._following.written(stream)
            if at is not None:
                self._write_page(stream, (yield ReadPage(stream, at, 1024)))


class HalfEntries(ServerSession):
    """Writes the first message of an entry alone."""

    def _write_page(self, stream: str, page: Any) -> None:
        entries = page.entries and [
            replace(entry, frames=entry.frames[:1]) for entry in page.entries
        ]
        super()._write_page(stream, replace(page, entries=entries))


class ForgetsChangesBeforeTheAnswer(ServerSession):
    """Does not look what came after a position that the client gave."""

    def _move(self, moves: Any, heads: Any) -> None:
        for stream, position in moves.items():
            self._following.move(stream, position)


class KeepsWhatWasLeft(ServerSession):
    """Goes on with the stream of a subscription that ended."""

    def _unsubscribe(self, channel: str, id: str | None) -> Any:  # noqa: A002
        yield from ()
        self._say("unsubscribed", Unsubscribed(channel), id)


class TakesAnyOffer(ServerSession):
    """Writes a page that the node read for other clients, wherever this one is."""

    def offered(self, stream: str, after: Position, page: Any) -> Any:
        at = self._following.written(stream)
        return super().offered(stream, after if at is None else at, page)


class TakesOffersWhileAPageIsRead(ServerSession):
    """Writes an offered page although the answer to a question for pages is under way."""

    def offered(self, stream: str, after: Position, page: Any) -> Any:
        running, self._running = self._running, {}
        try:
            return super().offered(stream, after, page)
        finally:
            self._running = {**running, **self._running}


class HearsAfterTheHeads(ServerSession):
    """Lets the node report changes of a channel only when the answer to the subscription is written."""

    def _take(self) -> Any:
        held = self.__dict__.setdefault("held", [])
        effects = super()._take()
        held += [effect for effect in effects if isinstance(effect, Hear)]
        effects = [effect for effect in effects if not isinstance(effect, Hear)]
        if not any(lane.value == "control" for lane in self._running):
            effects += held
            held.clear()
        return effects


class ReplaysAllAtFirstContact(ServerSession):
    """Takes a client without a mark for one that knows no stream, and replays all of them."""

    def _recover(self, resume: Any, name: str | None) -> Any:
        resume.mark = resume.mark or "none:0"
        yield from super()._recover(resume, name)


class RecoversWhatWasForgotten(ServerSession):
    """Says that nothing is missing of a stream whose position the client dropped."""

    def _recover(self, resume: Any, name: str | None) -> Any:
        self._had_mark = resume.mark is not None
        yield from super()._recover(resume, name)

    def _write_resumed(self, found: Any, refused: Any, mark: Any, id: Any) -> None:  # noqa: A002
        if self._had_mark:
            found = {
                name: Recovery(True, row.epoch, row.seq, new=row.new) if row.new else row
                for name, row in found.items()
            }
        super()._write_resumed(found, refused, mark, id)


class KeepsWhatIsRefused(ServerSession):
    """Follows a channel that the client may not hear."""

    def _allow(self, channels: Any) -> Any:
        refused = yield from super()._allow(channels)
        for channel in refused:
            self._add(channel)
        return refused


class CommandsHoldUpTheRest(ServerSession):
    """Runs commands on the lane of `sync` and `subscribe`."""

    def _start_commands(self) -> None:
        lane = next(lane for lane in self._waiting if lane.value == "control")
        if self._commands and self._is_idle(lane):
            self._start(lane, self._run_commands)


@pytest.mark.parametrize(
    "bug",
    [
        TakesAnyOffer,
        TakesOffersWhileAPageIsRead,
        HearsAfterTheHeads,
        ReplaysAllAtFirstContact,
        RecoversWhatWasForgotten,
        KeepsWhatIsRefused,
        AcksAfterTheState,
        MarkInEveryFrame,
        AnswersTheFirstFrameOfAResume,
        RunsCommandsAtOnce,
        TakesTheNewestCommandFirst,
        WritesOldPages,
        HalfEntries,
        ForgetsChangesBeforeTheAnswer,
        KeepsWhatWasLeft,
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


def sync_while_an_old_command_ends(answers: int, make: Callable[..., ServerSession]) -> list[str]:
    """A command of an earlier connection ends after so many answers to a sync; returns what the client found broken."""
    world = World(random.Random(answers), make)
    world.connect()
    world.settle()
    world.send("old", ["s/1"])
    world.cut()
    world.connect()
    while world.asks or world.frames:
        world.answer()
        world.deliver()
    world.sync()
    for _ in range(answers):
        world.answer()
    world.finish()
    while world.asks or world.frames:
        world.answer()
        world.deliver()
    return world.client.broken


def test_a_command_in_a_state_is_acknowledged_before_it_and_the_planted_bug_is_found() -> None:
    assert [sync_while_an_old_command_ends(n, ServerSession) for n in range(12)] == [[]] * 12
    assert any(sync_while_an_old_command_ends(n, OutcomesBeforeTheState) for n in range(12))


def is_answered_while_a_command_runs(make: Callable[..., ServerSession]) -> bool:
    """Asks for a state and for a pong while a handler runs; returns whether both came."""
    world = World(random.Random(0), make)
    world.connect()
    world.settle()
    world.log.append(["s/1"], None)
    world.send("slow", ["s/1"])
    world.sync()
    world.ping()
    for _ in range(20):
        world.asks.sort(key=lambda ask: isinstance(ask.question, Run))
        if world.asks and not isinstance(world.asks[0].question, Run):
            ask = world.asks.pop(0)
            assert world.session is not None
            world.perform(world.session.answered(ask.number, world.answer_to(ask.question)))
    kinds = [json.loads(frame)["type"] for frame in world.frames]
    return "snapshot" in kinds and "pong" in kinds


def test_a_command_that_runs_holds_nothing_up_and_the_planted_bug_is_found() -> None:
    assert is_answered_while_a_command_runs(ServerSession)
    assert not is_answered_while_a_command_runs(CommandsHoldUpTheRest)


def test_marked_streams_take_turns() -> None:
    following = Following()
    following.add_channel("*")
    for name in ("a", "b"):
        following.move(name, Position("e", 0))
        following.mark(name)
    assert following.next() == "a"
    following.mark("a")
    assert [following.next(), following.next(), following.next()] == ["b", "a", None]
