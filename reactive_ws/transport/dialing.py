"""How a socket is opened and what is written on it: token, headers, subprotocols, frames.

One for the life of a connection loop. It knows the secrets and sees to it that nobody else does: the logger that it gives
to `websockets` is a redacting one, and foreign exceptions leave it translated.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..errors import MessageTooBig
from ..outbox import Outgoing
from ..wire import Envelope, Guarantee
from .authentication import Tokens, spellings
from .failures import of_close, of_dial
from .line import Socket
from .redaction import RedactingLogger
from .settings import Settings
from .websockets import adapted

__all__ = ["Dialer"]


class Dialer:
    """Opens sockets. Loop only.

    Attributes:
        token: The token of the newest dial; secret.
    """

    def __init__(self, settings: Settings) -> None:
        self.token: str | None = None
        self._is_token_fresh = False
        self._settings = settings
        self._tokens = Tokens(settings.auth)
        self._connect = adapted(settings.connect)
        self._redacting = RedactingLogger(logging.getLogger("reactive_ws.websockets"))

    def __repr__(self) -> str:
        return f"<Dialer of {self._settings.shown_url}>"

    async def dial(self, *, force: bool) -> Socket:
        """Opens a socket.

        Raises:
            Exception: whatever the network, the server, the provider or `websockets` raise; see `failure`.
        """
        settings = self._settings
        if not self._is_token_fresh:
            self.token = await self._tokens.token(force=force)
        self._is_token_fresh = False
        token = self.token
        credentials = await self._tokens.credentials(settings.url, token)
        self._redacting.hide(credentials.secrets, {**settings.headers, **credentials.headers})
        own = settings.codec.subprotocol
        first = () if own is None else (own,)
        offers = dict.fromkeys((*first, *settings.subprotocols, *credentials.subprotocols))
        socket: Socket = await self._connect(
            credentials.url,
            subprotocols=list(offers) or None,
            additional_headers={**settings.headers, **credentials.headers},
            logger=self._redacting,
            **settings.connect_options,
        )
        return socket

    async def fresh_token(self, *, for_next_dial: bool) -> str | None:
        """Asks the provider for a new token; the next dial need not ask again if it is for that.

        Raises:
            Unauthorized, DialFailed: as `Tokens.token`.
        """
        self.token = await self._tokens.token(force=True)
        if self.token is not None:
            self._redacting.hide(spellings(self.token))
        self._is_token_fresh = for_next_dial
        return self.token

    def failure(self, error: Exception) -> Exception:
        """Returns what a failed dial means, without secrets."""
        settings = self._settings
        return of_dial(error, settings.shown_url, settings.clock(), self._redacting.redact)

    def end(self, error: Exception) -> Exception:
        """Returns what the end of an open socket means; a close reason that quotes a secret loses it."""
        return of_close(error, self._redacting.redact)

    def close(self) -> asyncio.Task[Any] | None:
        """Cancels a provider that is being asked; returns its task."""
        return self._tokens.close()

    def encode(self, payload: Any, identity: str | None) -> str | bytes:
        """Returns the frame of a message of the connection itself.

        Raises:
            UnknownType: the registry has no such type.
            MessageRejected: the codec cannot write it.
        """
        settings = self._settings
        name = settings.registry.of(payload.__class__).name
        return settings.codec.encode(
            Envelope(name, payload, id=identity or settings.new_id(), timestamp=settings.clock())
        )

    def prepare(self, entry: Outgoing, limit: int | None) -> int:
        """Makes the frame of this transmission and returns its bytes; a resend says that it is one.

        Raises:
            MessageTooBig: the server takes at most `limit` bytes.
            MessageRejected: the codec cannot write it.
        """
        if entry.transmissions > 1:
            entry.frame = self.reencode(entry)
        frame = entry.frame
        size = len(frame)
        # Most text is ASCII, which a string knows of itself; then this is what its bytes are too.
        if isinstance(frame, str) and not frame.isascii():
            size = len(frame.encode())
        if limit is not None and size > limit:
            raise MessageTooBig(size, limit)
        return size

    def reencode(self, entry: Outgoing) -> str | bytes:
        """Returns the frame of a resend, which says so; the id stays."""
        old = entry.envelope
        if entry.guarantee is not Guarantee.AT_LEAST_ONCE or old.redelivered:
            return entry.frame
        entry.envelope = Envelope(
            old.type,
            old.payload,
            old.channel,
            old.id,
            timestamp=old.timestamp,
            redelivered=True,
        )
        return self._settings.codec.encode(entry.envelope)
