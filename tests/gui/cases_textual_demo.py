"""The demo's screen with the real hub and the real judge, driven by its user. Run by `test_toolkits.py` in its own process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from reactive_ws.commands import CommandFailed
from reactive_ws.connection.backoff import Backoff
from reactive_ws.gui.textual import ListRows
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.stores import Application
from reactive_ws.stores.demo.hub_child import HubChild
from reactive_ws.stores.demo.narrator import Narrator
from reactive_ws.stores.demo.outcome import Outcome
from reactive_ws.stores.demo.performance import perform
from reactive_ws.stores.demo.play import Play
from reactive_ws.stores.demo.record import Accepted, Record, read
from reactive_ws.stores.demo.ruling import Kill, Ruling
from reactive_ws.stores.demo.terminal import DemoScreen

PATIENCE = 200.0
"""Seconds; only a broken screen needs them."""

Performance = Callable[[], Awaitable[Outcome]]
Drive = Callable[[DemoScreen, Pilot[Outcome]], Awaitable[None]]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubChild]:
    with HubChild(tmp_path, token_delay=0.008) as it:
        yield it


def outcome(*, lost: int) -> Outcome:
    findings = ["the data file does not have 'hello'"] * lost
    return Outcome(Ruling(30, 30, lost, 0, 0, [Kill(25, 3, 1)], findings), 1, 2.5)


async def watch(
    hub: HubChild, directory: Path, performance: Performance | None, drive: Drive
) -> DemoScreen:
    """Shows a performance to a user, who does what `drive` says; returns the screen after its end."""
    app = Application.at(
        hub.url or "ws://127.0.0.1:9",
        backoff=Backoff(initial=0.2, cap=1.0),
        outbox=OutboxOptions(limit=10_000),
    )
    with Record(directory / "record.jsonl") as record:
        play = Play(app, hub, record, Narrator(), random.Random(1))
        screen = DemoScreen(play, performance or (lambda: perform(play, directory, 4.0)))
        try:
            async with asyncio.timeout(PATIENCE), screen.run_test(size=(120, 40)) as pilot:
                await drive(screen, pilot)
        finally:
            await screen.end()
            await app.service.disconnect()
            app.close()
    return screen


async def until(pilot: Pilot[Outcome], condition: Callable[[], object]) -> None:
    while not condition():
        await pilot.pause(0.02)


def says(screen: DemoScreen, text: str) -> bool:
    # A hidden banner hides its words.
    lines = [
        str(it.render())
        for it in screen.query(Static)
        if it.display and (it.parent is None or getattr(it.parent, "display", True))
    ]
    rows = [row for it in screen.query(ListRows) if it.display for row in it.texts]
    return any(text in it for it in lines + rows)


def happened(screen: DemoScreen) -> str:
    # A long line is wrapped.
    return " ".join(" ".join(strip.text for strip in screen.events.lines).split())


def write(screen: DemoScreen, text: str) -> None:
    """Types as a terminal does: the keys come, whether the screen is ready or not."""
    for key in text:
        screen.post_message(events.Key("space" if key == " " else key, key))
    screen.post_message(events.Key("enter", "\r"))


def test_what_is_typed_while_the_hub_is_dead_waits_is_delivered_and_judged(
    hub: HubChild, tmp_path: Path
) -> None:
    begin = hub.start
    may_come_back = asyncio.Event()

    async def start_again() -> None:
        await may_come_back.wait()
        await begin()

    async def drive(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        hub.start = start_again  # type: ignore[method-assign]
        await until(pilot, lambda: "hub killed (SIGKILL)" in happened(screen))
        await until(pilot, lambda: says(screen, "Connection lost, reconnecting."))
        # A letter is enough to be in the line, and a q after it is a letter.
        write(screen, "is a quick question lost")
        await until(pilot, lambda: screen.input.value == "")
        await until(pilot, lambda: says(screen, "· ◷ queued\nis a quick question lost"))
        await until(pilot, lambda: says(screen, "Reconnecting in "))

        def waiting_now() -> int:
            return int(str(screen.queue.border_title).removeprefix("Queue · "))

        await until(pilot, lambda: waiting_now() > 20)
        waiting = waiting_now()
        await until(
            pilot,
            lambda: (
                not says(screen, f"{waiting} messages wait") and says(screen, "messages wait to be")
            ),
        )
        may_come_back.set()
        await until(pilot, lambda: "hub started again" in happened(screen))
        await until(pilot, lambda: screen.ruling.display)
        await pilot.press("space")  # it stays
        await until(pilot, lambda: says(screen, "✓ PASSED: nothing was lost"))
        await until(pilot, lambda: says(screen, "lost 0, duplicated 0, out of order 0"))
        await until(pilot, lambda: screen.queue.border_title == "Queue · 0")
        await until(pilot, lambda: not says(screen, "Connection lost"))
        # The demo takes no promises from here on.
        await until(pilot, lambda: screen.input.disabled)
        assert not screen.say("too late")
        await pilot.press("q")

    async def run() -> DemoScreen:
        await begin()
        return await watch(hub, tmp_path, None, drive)

    screen = asyncio.run(run())
    it = screen.return_value
    assert it is not None
    assert screen.failure is None
    assert it.ruling.has_passed
    said = [line for line in read(tmp_path / "record.jsonl") if isinstance(line, Accepted)]
    assert [line.text for line in said].count("is a quick question lost") == 1
    assert "too late" not in [line.text for line in said]
    assert it.ruling.accepted == len(said)


def test_what_cannot_be_promised_is_not_taken_and_stays_in_the_line(
    hub: HubChild, tmp_path: Path
) -> None:
    async def never() -> Outcome:
        return await asyncio.get_running_loop().create_future()

    async def drive(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        write(screen, "hello")
        await until(pilot, lambda: len(screen._notifications))
        assert "There is no chat yet" in next(iter(screen._notifications)).message
        assert screen.input.value == "hello"

    screen = asyncio.run(watch(hub, tmp_path, never, drive))
    assert screen.return_value is None
    assert read(tmp_path / "record.jsonl") == []


@pytest.mark.parametrize("keys", [("q",), ("ctrl+c",), ("a", "ctrl+c"), ("a", "escape", "q")])
def test_the_user_may_leave_before_the_ruling(
    hub: HubChild, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    ended: list[str] = []

    async def endless() -> Outcome:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.append("performance")

    async def drive(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await pilot.press(*keys)
        await until(pilot, lambda: not screen.is_running)

    screen = asyncio.run(watch(hub, tmp_path, endless, drive))
    assert (screen.return_value, screen.failure, ended) == (None, None, ["performance"])


@pytest.mark.parametrize(
    ("lost", "head"), [(0, "✓ PASSED: nothing was lost"), (1, "✕ FAILED")], ids=["passed", "failed"]
)
def test_the_ruling_stays_for_a_reader_and_closes_by_itself_otherwise(
    hub: HubChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int, head: str
) -> None:
    closes_after = "reactive_ws.stores.demo.terminal._CLOSES_AFTER"
    monkeypatch.setattr(closes_after, 2)

    async def at_once() -> Outcome:
        return outcome(lost=lost)

    seen: list[str] = []

    async def leave_alone(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await until(pilot, lambda: screen.ruling.display)
        seen.append(str(screen.ruling.query_one(Static).render()))
        assert head in seen[0]
        await until(pilot, lambda: not screen.is_running)

    screen = asyncio.run(watch(hub, tmp_path, at_once, leave_alone))
    assert screen.return_value == outcome(lost=lost)
    assert seen[0].splitlines()[0] == head
    assert ("the data file does not have 'hello'" in seen[0]) == bool(lost)

    async def read_it(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await until(pilot, lambda: screen.ruling.display)
        await pilot.press("space")
        await until(pilot, lambda: str(screen.ruling.border_subtitle) == "q closes")
        await pilot.press("q")
        await until(pilot, lambda: not screen.is_running)

    (tmp_path / "record.jsonl").unlink()
    # A reader on a slow machine needs a while to press the key.
    monkeypatch.setattr(closes_after, 600)
    screen = asyncio.run(watch(hub, tmp_path, at_once, read_it))
    assert screen.return_value == outcome(lost=lost)


def test_the_ruling_fits_on_the_smallest_terminal_and_scrolls(
    hub: HubChild, tmp_path: Path
) -> None:
    async def at_once() -> Outcome:
        return outcome(lost=20)

    async def read_it(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await pilot.resize_terminal(40, 12)
        await until(pilot, lambda: screen.ruling.display and screen.size == (40, 12))
        await until(pilot, lambda: screen.ruling.region.height > 2)
        await until(pilot, lambda: not screen.input.is_on_screen)
        await until(
            pilot, lambda: screen.ruling.region.y >= 0 and screen.ruling.region.bottom <= 12
        )

        def shown() -> str:
            lines = [screen.ruling.query_one(Static).render_line(y).text for y in range(6)]
            return " ".join(" ".join(lines).split()).replace(" ┃", "").replace("┃ ", "")

        verdict = "✕ FAILED accepted 30, acknowledged 30, lost 20, duplicated 0,"
        await until(pilot, lambda: shown().startswith(verdict))
        await until(pilot, lambda: screen.ruling.show_vertical_scrollbar)
        for _ in range(2):
            await pilot.press("down")
        await until(pilot, lambda: screen.ruling.scroll_y == 2)
        await pilot.press("up")
        await until(pilot, lambda: screen.ruling.scroll_y == 1)
        await pilot.press("q")

    asyncio.run(watch(hub, tmp_path, at_once, read_it))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (200, 50)], ids=str)
def test_the_messages_have_room_on_a_terminal_of_any_size(
    hub: HubChild, tmp_path: Path, size: tuple[int, int]
) -> None:
    async def never() -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    async def resize(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await pilot.resize_terminal(*size)
        await until(pilot, lambda: screen.size == size and screen.entries.size.width > 0)
        await until(pilot, lambda: screen.entries.size.width >= size[0] * 0.35)
        await until(pilot, lambda: screen.entries.size.height >= size[1] - 10)
        await until(pilot, lambda: screen.panels.is_on_screen == (size[0] >= 64))
        await until(pilot, lambda: screen.input.size.width >= size[0] - 10)
        await pilot.press("q")

    asyncio.run(watch(hub, tmp_path, never, resize))


def test_a_performance_that_cannot_go_on_ends_the_screen(hub: HubChild, tmp_path: Path) -> None:
    async def broken() -> Outcome:
        raise CommandFailed("the hub did not start")

    async def drive(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        await until(pilot, lambda: not screen.is_running)

    screen = asyncio.run(watch(hub, tmp_path, broken, drive))
    assert isinstance(screen.failure, CommandFailed)


def test_the_line_is_closed_as_soon_as_the_talk_is_over(hub: HubChild, tmp_path: Path) -> None:
    is_read = asyncio.Event()

    async def performance() -> Outcome:
        await is_read.wait()
        return outcome(lost=0)

    async def drive(screen: DemoScreen, pilot: Pilot[Outcome]) -> None:
        assert not screen.input.disabled
        screen.play._is_over = True
        screen.play.narrator.say("note", "a second client connects with an empty memory")
        await until(pilot, lambda: screen.input.disabled)
        said = "No more messages: the judge reads the record"
        await until(pilot, lambda: screen.input.placeholder == said)
        is_read.set()
        await until(pilot, lambda: screen.ruling.display)
        await pilot.press("q")

    asyncio.run(watch(hub, tmp_path, performance, drive))
