"""Any echo server: a store counts what came back. `python examples/minimal.py ws://127.0.0.1:8000`"""

import asyncio
import sys

from reactive_ws import Store, WebSocketService


async def main(url: str) -> None:
    echoes = Store(0, name="echoes")
    echoes.select().subscribe(lambda count: print(f"{count} echoes"))
    async with WebSocketService(url) as service:
        service.on("note", lambda _: echoes.update(lambda count: count + 1))
        for word in ("one", "two", "three"):
            service.send("note", {"text": word})
        await echoes.select().wait_for(lambda count: count == 3, timeout=10.0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8000"))
