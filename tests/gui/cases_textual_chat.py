"""The Textual chat, driven by its user through an outage of the real hub. Run by `test_toolkits.py` in its own process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_in_thread import HubInThread
from textual.widgets import Button, Static

from reactive_ws.connection.backoff import Backoff
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat import Chat


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubInThread]:
    with HubInThread(tmp_path / "hub.db") as it:
        yield it


def without_time(text: str) -> str:
    """Returns the text of a bubble without hours and minutes."""
    return re.sub(r" · \d\d:\d\d", "", text)


async def type_in_line(pilot: Any, chat: Chat[None], text: str) -> None:
    chat.input.focus()
    chat.input.value = text
    await pilot.press("enter")


def test_what_is_typed_in_an_outage_is_queued_and_then_delivered(hub: HubInThread) -> None:
    asyncio.run(talk(hub))


async def talk(hub: HubInThread) -> None:
    app = Application.at(hub.url, backoff=Backoff(initial=0.2, cap=0.2))
    chat = Chat[None](app)
    async with app, chat.run_test(size=(100, 30)) as pilot:

        def shown() -> list[str]:
            return [without_time(it) for it in chat.entries.texts]

        def says(text: str) -> bool:
            lines = [it for it in chat.query(Static) if it.display]
            return any(text in str(it.render()) for it in lines if it.region)

        async def until(condition: Any) -> None:
            for _ in range(6_000):
                if condition():
                    return
                await pilot.pause(0.01)
            pytest.fail(f"shown at last: {shown()}, {chat.panels.render()}, {chat.focused}")

        async def type_in(text: str) -> None:
            await pilot.press(*["space" if key == " " else key for key in text], "enter")

        await until(lambda: says("Connected ("))
        await type_in("hello")
        await until(
            lambda: (
                shown()
                == [
                    "You · ✓✓ delivered\nhello",
                    "Assistant\nYou said: hello (1 word)",
                ]
            )
        )

        await asyncio.to_thread(hub.stop)
        await until(lambda: says("Connection lost, reconnecting."))
        await type_in("are you there")
        await until(lambda: shown()[2:] == ["You · ◷ queued\nare you there"])
        await until(lambda: says(" 1 "))

        await asyncio.to_thread(hub.start)
        answer = "Assistant\nYou said: are you there (3 words)"
        await until(lambda: shown()[2:] == ["You · ✓✓ delivered\nare you there", answer])
        await until(lambda: says("Connected (") and not says("Connection lost"))

        # What the user wrote is on the right, what others wrote on the left.
        own, other = (chat.entries._draw(row)[0].text for row in chat.entries._shown[2:4])
        assert (own[:12], other[:2].strip()) == (" " * 12, "A")
        await pilot.press("ctrl+f", *"THERE")
        await until(lambda: len(shown()) == 2)
        await pilot.press("escape")
        await until(lambda: len(shown()) == 4 and chat.focused is chat.input)
        was_dark = chat.current_theme.dark
        await pilot.press("ctrl+t")
        await until(lambda: chat.current_theme.dark is not was_dark)

        # The chat that the user leaves counts what it gets.
        first = app.sessions.state.get().active_id
        await type_in("the last one")
        await pilot.press("ctrl+n")
        await until(lambda: not shown())
        await until(lambda: any("First chat  (1)" in it for it in chat.sessions.texts))
        assert first is not None
        await pilot.press("shift+tab", "shift+tab", "home", "enter")
        await until(lambda: app.sessions.state.get().active_id == first)
        await type_in_line(pilot, chat, "panel create Plan")
        await type_in_line(pilot, chat, "panel create Budget")
        await until(lambda: "Plan  (1 of 2)" in str(chat.panels.render()))
        # Lists scroll sideways with these keys where the program has no use for them.
        chat.entries.focus()
        await pilot.press("ctrl+pagedown")
        await until(lambda: "Budget  (2 of 2)" in str(chat.panels.render()))
        await pilot.press("ctrl+pageup")
        await until(lambda: "Plan  (1 of 2)" in str(chat.panels.render()))


def test_a_full_outbox_ends_nothing_and_leaving_asks() -> None:
    async def run() -> None:
        app = Application.at("ws://127.0.0.1:9/ws")
        chat = Chat[None](app)
        async with app, chat.run_test(size=(100, 32)) as pilot:

            async def until(condition: Callable[[], object]) -> None:
                async with asyncio.timeout(60):
                    while not condition():
                        await pilot.pause(0.01)

            for number in range(103):
                chat.input.value = f"m{number}"
                await pilot.press("enter")
            await until(lambda: len(app.service.outbox.get()) == 100)
            assert chat.is_running
            assert chat.input.value == "m102"
            await pilot.press("ctrl+q")
            await until(lambda: len(chat.screen_stack) == 2 and chat.screen.query(Button))
            assert str(chat.screen.query_one(Static).render()).startswith("100 messages wait")
            await until(lambda: isinstance(chat.focused, Button))
            await pilot.press("enter")
            # The button that stays has the focus.
            await until(lambda: chat.screen is chat.screen_stack[0])
            assert chat.is_running
            await app.service.disconnect()

    asyncio.run(run())
