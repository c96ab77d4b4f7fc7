"""prompt_toolkit is an asyncio program: `AsyncioLoop`, and `invalidate` in the setter. Control-c ends it."""

import asyncio

from counting import count, start
from prompt_toolkit import Application
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window

from reactive_ws.gui import AsyncioLoop

keys = KeyBindings()


@keys.add("c-c")
def leave(event: KeyPressEvent) -> None:
    event.app.exit()


async def main() -> None:
    text = FormattedTextControl()
    program: Application[None] = Application(
        layout=Layout(Window(text)), key_bindings=keys, full_screen=True
    )
    ui = AsyncioLoop()

    def show(it: FormattedTextControl, value: int) -> None:
        it.text = f"count {value:,}"
        program.invalidate()

    ui.bind(count, text, show)
    start()
    await program.run_async()
    ui.close()


asyncio.run(main())
