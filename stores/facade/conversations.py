"""One connection per conversation, addressed by query parameters, and switching from one conversation to the next.

For servers that serve one conversation a socket. A server that speaks the protocol of this package serves all of them
over one connection, and needs none of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from reactive_ws.transport import resolve

from ..app import Application

__all__ = ["ConversationConnection", "conversation_url"]


def conversation_url(
    base: str | None, conversation_id: str, user_id: str | None = None, **parameters: str
) -> str:
    """Returns the address of a conversation's socket: `base` with the parameters in its query.

    Args:
        base: With scheme, host and path; see `WebSocketService`.
        conversation_id, user_id: Become `conversation_id` and `user_id`.
        parameters: More of the query, in order.

    Raises:
        BadAddress: `base` cannot be dialled.
    """
    query = {"conversation_id": conversation_id}
    if user_id is not None:
        query["user_id"] = user_id
    target = resolve(base)
    return f"{target}{'&' if '?' in target else '?'}{urlencode({**query, **parameters})}"


class ConversationConnection:
    """At most one conversation at a time; an async context manager that leaves it at the end.

    Args:
        base: See `conversation_url`.
        make: Returns the application for an address; `Application.at` when None.
        options: For `make`.
    """

    def __init__(
        self,
        base: str | None = None,
        *,
        make: Callable[..., Application] | None = None,
        **options: Any,
    ) -> None:
        self._base = base
        self._make = make or Application.at
        self._options = options
        self._app: Application | None = None
        self._conversation_id: str | None = None
        self._address: str | None = None
        # Two switches at once would leave a connection without an owner.
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<ConversationConnection in {self._conversation_id!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    @property
    def app(self) -> Application | None:
        """The stores of the current conversation; None while there is none."""
        return self._app

    @property
    def conversation_id(self) -> str | None:
        """The current conversation; None while there is none."""
        return self._conversation_id

    async def switch(
        self, conversation_id: str, user_id: str | None = None, **parameters: str
    ) -> Application:
        """Leaves the current conversation and connects to another one; does nothing when the address is the current one.

        Calls while one is under way wait for it.

        Returns:
            Its stores, new ones: conversations share nothing.

        Raises:
            BadAddress: the address cannot be dialled.
            JournalError, UsageError: see `Application.at`. There is no current conversation then.
        """
        address = conversation_url(self._base, conversation_id, user_id, **parameters)
        async with self._lock:
            if self._app is not None and self._address == address:
                return self._app
            await self._leave()
            app = self._make(address, **self._options)
            try:
                await app.__aenter__()
            except BaseException:
                # It has no other owner: a later switch to the same address makes another one.
                app.service.disconnect()
                app.close()
                raise
            self._app, self._conversation_id, self._address = app, conversation_id, address
            return app

    async def disconnect(self) -> None:
        """Leaves the current conversation: sends what waits for at most 5 s, disconnects, and lets the stores go."""
        async with self._lock:
            await self._leave()

    async def _leave(self) -> None:
        app, self._app, self._conversation_id, self._address = self._app, None, None, None
        if app is not None:
            try:
                await app.__aexit__(None, None, None)
            finally:
                # Also when no caller waits for the end: the service reaches it by itself.
                app.close()
