"""Opens sockets: asks for URL and token, and follows redirects; marks resends and measures frames.

One for the life of a connection loop. It knows the secrets and keeps them: the logger that it gives to `websockets` redacts,
and the exceptions that leave it are our own, without secrets.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from websockets.exceptions import InvalidStatus

from ..engine import refuse_copy
from ..errors import MessageRejected, RedirectRefused
from ..outbox import Outgoing
from ..wire import Envelope, Guarantee
from .address import redact, resolve
from .credentials import FirstMessage, Tokens, ask, spellings
from .failures import of_close, of_dial
from .redaction import RedactingLogger
from .redirects import MAX_REDIRECTS, REDIRECTS, DialTarget, follow, too_many
from .settings import Settings
from .sockets import Socket
from .websockets import adapted

__all__ = ["Dialer", "frame_size"]


class Dialer:
    """Opens sockets. Loop only.

    Attributes:
        token: The token of the newest dial; secret. None after a redirect to another origin.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, settings: Settings) -> None:
        self.token: str | None = None
        self._is_token_fresh = False
        self._shown = settings.shown_url
        self._settings = settings
        self._tokens = Tokens(settings.auth)
        self._connect = adapted(settings.connect)
        self._redacting = RedactingLogger(logging.getLogger("reactive_ws.websockets"))

    def __repr__(self) -> str:
        return f"<Dialer of {self._shown}>"

    async def dial(self, *, force: bool) -> Socket:
        """Opens a socket.

        Raises:
            Exception: an exception of the network, the server, a provider or the socket library; see `failure`.
        """
        place = DialTarget(self._settings.address(await self._address()))
        if not self._is_token_fresh:
            self.token = await self._tokens.token(force=force)
        self._is_token_fresh = False
        redirects = 0
        while True:
            self._shown = redact(place.url)
            try:
                return await self._open(place, is_redirected=redirects > 0)
            except InvalidStatus as error:
                status = error.response.status_code
                # A page may repeat the header; the first one counts.
                location = next(iter(error.response.headers.get_all("Location")), None)
                if status not in REDIRECTS or location is None:
                    raise
            # Outside of the handler: what is raised here must not keep the answer, which may quote a token.
            redirects += 1
            if redirects > MAX_REDIRECTS:
                raise too_many(place, status)
            place = self._followed(place, status, location)

    async def _address(self) -> str:
        settings = self._settings
        if isinstance(settings.url, str):
            return settings.url
        answer = await ask(settings.url, "URL")
        return resolve(answer.get())

    def _followed(self, place: DialTarget, status: int, location: str) -> DialTarget:
        settings = self._settings
        found = follow(place, status, location, settings.redirects)
        if not found.is_home:
            self.token = None
            reason = None
            if isinstance(settings.auth, FirstMessage):
                reason = (
                    "a FirstMessage token stays at its origin, and the server there waits for it"
                )
            elif "unix" in settings.connect_options:
                reason = "a Unix socket has no other origin"
            if reason is not None:
                raise RedirectRefused(status, redact(found.url), reason)
        return found

    async def _open(self, place: DialTarget, *, is_redirected: bool) -> Socket:
        settings = self._settings
        options = dict(settings.connect_options)
        credentials = self._tokens.credentials(place.url, self.token, is_redirected=is_redirected)
        headers = {**settings.headers, **credentials.headers}
        offers = [*settings.subprotocols, *credentials.subprotocols]
        self._redacting.hide(credentials.secrets, headers)
        if not place.is_home:
            headers, offers = {}, []
            options.pop("origin", None)
        offers[:0] = settings.offered
        socket: Socket = await self._connect(
            credentials.url,
            subprotocols=list(dict.fromkeys(offers)) or None,
            additional_headers=headers,
            logger=self._redacting,
            **options,
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
        return of_dial(
            error,
            self._shown,
            settings.clock(),
            self._redacting.redact,
            has_token=settings.auth is not None,
        )

    def end(self, error: Exception) -> Exception:
        """Returns what the end of an open socket means; a close reason that quotes a secret loses it."""
        return of_close(error, self._redacting.redact)

    def close(self) -> asyncio.Task[Any] | None:
        """Cancels a provider that is being asked; returns its task."""
        return self._tokens.close()

    def resend(self, entry: Outgoing) -> None:
        """Marks a message that was transmitted before; its id stays.

        Raises:
            MessageRejected: the codec cannot write it.
        """
        old = entry.envelope
        if entry.guarantee is not Guarantee.AT_LEAST_ONCE or old.redelivered:
            return
        entry.envelope = Envelope(
            old.type,
            old.payload,
            old.channel,
            old.id,
            timestamp=old.timestamp,
            redelivered=True,
        )
        entry.frame = self._settings.codec.encode(entry.envelope)


def frame_size(frame: object, kind: str) -> int:
    """Returns the bytes of a frame of a message of type `kind`; a codec of the program may have returned anything.

    Raises:
        MessageRejected: no socket can send it.
    """
    if isinstance(frame, str):
        # Most text is ASCII, which a string knows of itself; then this is what its bytes are too.
        if frame.isascii():
            return len(frame)
        try:
            return len(frame.encode())
        except UnicodeEncodeError:
            reason = "the codec returned text with a lone surrogate, which UTF-8 cannot write"
            raise MessageRejected(reason, type=kind) from None
    if isinstance(frame, bytes | bytearray):
        return len(frame)
    found = type(frame).__name__
    raise MessageRejected(f"the codec returned {found}, not str or bytes", type=kind)
