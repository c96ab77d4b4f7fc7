"""What the connection itself says, past everything that waits in the outbox: subscriptions, syncs, tokens.

Base of `connection_loop`. Nothing of it is queued: every new connection says anew what it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..connection import ConnectionState, Counters, Decisions, ErrorKind, Logbook
from ..errors import MessageRejected, UnknownType
from ..inbound import Subscriptions
from ..transport import Dialer, Line, Settings, TokenWatch
from ..wire import Auth, Sync
from .alarm import Alarm

__all__ = ["Control"]


class Control:
    """The speaking side of a connection loop."""

    loop: asyncio.AbstractEventLoop
    _alarm: Alarm
    _counters: Counters
    _dialer: Dialer
    _has_protocol: bool
    _line: Line | None
    _log: Logbook
    _protocol: Decisions
    _report: Callable[[ErrorKind, Exception, bool], None]
    _settings: Settings
    _subscriptions: Subscriptions
    _token_watch: TokenWatch
    _unsynced: dict[str, None]

    if TYPE_CHECKING:

        def reconnect(self) -> None: ...

    def send_control(self, payload: Any, identity: str | None = None) -> bool:
        """Sends a message past the outbox; False when there is no socket to take it."""
        try:
            has_gone = self.send_frame(self._dialer.encode(payload, identity))
        except (MessageRejected, UnknownType) as error:
            self._report(ErrorKind.APPLICATION, error, False)
            return False
        if has_gone and self._log.has_messages:
            self._log.sent(self._settings.registry.of(payload.__class__).name, identity)
        return has_gone

    def send_frame(self, frame: str | bytes) -> bool:
        """Like `send_control`, for what is encoded already."""
        line = self._line
        if line is None or line.is_over:
            return False
        line.send_control(frame)
        self._counters.messages_sent += 1
        return True

    def sync(self, streams: tuple[str, ...]) -> None:
        """Asks for snapshots, now or when there is a connection."""
        self._unsynced.update(dict.fromkeys(streams))
        self._send_syncs()

    def say_subscriptions(self) -> None:
        """Tells the server what it does not know yet, or did not confirm in time."""
        if self._has_protocol:
            for payload in self._subscriptions.due(self.loop.time()):
                self.send_control(payload)
        self._alarm.set()

    async def refresh_token(self) -> None:
        """Gets a new token; sends it in place where that works, and reconnects with it elsewhere.

        Raises:
            Exception: what the provider raises; the connection stays as it is.
        """
        is_in_place = self._protocol.refresh(self.loop.time())
        try:
            token = await self._dialer.fresh_token(for_next_dial=not is_in_place)
        except Exception:
            self._token_watch.again(self.loop.time())
            self._alarm.set()
            raise
        protocol = self._protocol
        if not is_in_place:
            # A disconnect while the provider was asked is final.
            if protocol.connection.state is not ConnectionState.CLOSED and not protocol.is_draining:
                self.reconnect()
        elif token is not None:
            self.send_control(Auth(token))
            self._token_watch.start(token, self.loop.time())
            self._alarm.set()

    def _send_syncs(self) -> None:
        if self._unsynced and self._has_protocol:
            streams, self._unsynced = tuple(self._unsynced), {}
            self.send_control(Sync(streams))
