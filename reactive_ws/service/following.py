"""Connecting while somebody is signed in: the connection follows a stream of tokens, or of anything that is true or false.

It only calls `connect`, `refresh_token` and `disconnect` of the service; the token itself comes from the provider that was
given to `auth=`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactivex import Observable
from reactivex.abc import DisposableBase

from ..errors import UsageError
from ..outbox import Pending

__all__ = ["Following"]


class Following:
    """Base of `WebSocketService`."""

    if TYPE_CHECKING:

        def connect(self) -> Pending[None]: ...
        def start(self) -> None: ...
        def refresh_token(self) -> None: ...
        def disconnect(self, drain: float = 0.0) -> Pending[None]: ...

    def connect_while(self, signed_in: Observable[Any]) -> DisposableBase:
        """Connects when the stream gives something true, such as a token, and disconnects when it gives something false.

        A different true value is a new token: it is sent in place or taken to a new connection, and nothing that waits is
        lost. A disconnect ends what waits, as `disconnect()` says: it belongs to who signed out.

            session = Store[Session | None](None)
            service = WebSocketService(url, auth=Header(lambda: session.get().token))
            service.connect_while(session.select(lambda s: s and s.token))

        Args:
            signed_in: A stream that gives its value at once, such as a selection of a store.

        Returns:
            The subscription; disposing it leaves the connection as it is.
        """
        last: list[Any] = [None]

        def follow(value: Any) -> None:
            before, last[0] = last[0], value
            if not value:
                if before:
                    self.disconnect()
            elif not before:
                try:
                    self.connect()
                except UsageError:
                    # No loop runs here: a program with a GUI, and the service needs its own thread.
                    self.start()
            elif value != before:
                self.refresh_token()

        return signed_in.subscribe(follow)
