"""A chat with panels in a terminal, with Textual. The window is `Chat` in `stores/demo/chat.py`, which `reactive-ws demo` uses too.

reactive-ws hub --port 8000 &
python examples/chat_textual.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[textual])
"""

import asyncio
import sys

from reactive_ws import ReactiveWSError
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat import Chat


async def main(url: str | None) -> None:
    async with Application.at(url) as app:
        await Chat[None](app).run_async()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
