"""urwid is an asyncio program with its `AsyncioEventLoop`: `AsyncioLoop`, and `draw_screen` in the setter. q ends it."""

import asyncio

import urwid
from counting import count, start

from reactive_ws.gui import AsyncioLoop


async def main() -> None:
    text, done = urwid.Text(""), asyncio.Event()

    def leave(key: object) -> None:
        if key == "q":
            done.set()

    events = urwid.AsyncioEventLoop(loop=asyncio.get_running_loop())
    program = urwid.MainLoop(urwid.Filler(text), event_loop=events, unhandled_input=leave)
    ui = AsyncioLoop()

    def show(it: urwid.Text, value: int) -> None:
        it.set_text(f"count {value:,}")
        program.draw_screen()

    with program.start():
        ui.bind(count, text, show)
        start()
        await done.wait()
        ui.close()


asyncio.run(main())
