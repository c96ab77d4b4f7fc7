"""A chat with panels in a terminal, with Textual. The window is `Chat` in `stores/demo/chat.py`, which `reactive-ws demo` uses too.

reactive-ws hub --port 8000 &
python examples/chat_textual.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[textual])

A file as second argument keeps what you write: `python examples/chat_textual.py URL outbox.db`. Keys: Tab, arrows and Enter choose
a chat, Control-n makes one, Control-f searches, Control-PageDown turns the panels, Control-t changes between light and dark.
"""

import asyncio
import sys

from reactive_ws import OutboxOptions, ReactiveWSError
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat import Chat


async def main(url: str | None, outbox: str | None) -> None:
    async with Application.at(url, outbox=OutboxOptions(path=outbox)) as app:
        await Chat[None](app, is_kept=outbox is not None).run_async()


if __name__ == "__main__":
    try:
        url, outbox, *_ = *sys.argv[1:], None, None
        asyncio.run(main(url, outbox))
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
