"""The real hub in a thread of its own, for programs with a user interface: it can be taken away and come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reactive_ws.stores.hub import Hub


class HubInThread:
    """`with HubInThread(path) as hub: hub.url`; `stop` and `start` make an outage of it."""

    def __init__(self, data: Path, *, token_delay: float = 0.0) -> None:
        self._data = data
        self._token_delay = token_delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hub", daemon=True)
        self._hub: Hub | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    def start(self) -> None:
        async def begin() -> Hub:
            hub = Hub(port=self.port, log=self._data, token_delay=self._token_delay)
            await hub.start()
            return hub

        self._hub = self._call(begin())
        self.port = self._hub.port

    def stop(self) -> None:
        hub, self._hub = self._hub, None
        if hub is not None:
            self._call(hub.close())

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10.0)
