"""How a token gets to the server: as a header (recommended), in the query, as a subprotocol, or as the first message.

    Header        nobody logs it; browsers cannot set it, Python can
    Query         servers and proxies write it into their access logs
    Subprotocol   for servers made for browsers: "bearer.<token in base64url>" beside the real subprotocol
    FirstMessage  an `auth` message after the handshake; can be refreshed without a new connection

A token is a string, or a provider that is called on every dial: a function without arguments, or one that takes `force`
(True when the server refused the last token), sync or async. A provider that raises is retried like a network error;
`Unauthorized` from it is final. Tokens are held in memory only and appear in no repr, log or exception.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import attrs

__all__ = ["Auth", "Credentials", "FirstMessage", "Header", "Query", "Subprotocol", "Tokens"]

Token: TypeAlias = str | Callable[..., str | Awaitable[str]]


@attrs.frozen
class Header:
    """`Authorization: Bearer <token>`, or another header."""

    token: Token = attrs.field(repr=False)
    name: str = "Authorization"
    scheme: str = "Bearer"


@attrs.frozen
class Query:
    """`?token=<token>`."""

    token: Token = attrs.field(repr=False)
    name: str = "token"


@attrs.frozen
class Subprotocol:
    """An offered subprotocol that carries the token."""

    token: Token = attrs.field(repr=False)
    prefix: str = "bearer."


@attrs.frozen
class FirstMessage:
    """An `auth` message."""

    token: Token = attrs.field(repr=False)


Auth: TypeAlias = Header | Query | Subprotocol | FirstMessage


@attrs.frozen
class Credentials:
    """What a dial needs. Everything but the header names is secret.

    Attributes:
        url: With the token in its query, if it goes there.
        headers: Additional headers.
        subprotocols: Additional offers.
        secrets: Texts that logs must not show.
    """

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    subprotocols: tuple[str, ...] = attrs.field(default=(), repr=False)
    secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)


class Tokens:
    """Asks a provider, one call at a time: who comes while one is under way gets its result. Loop only."""

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._flight: asyncio.Task[str] | None = None
        self._is_forced = False
        source = auth.token if auth is not None else None
        self._takes_force = callable(source) and _takes_force(source)

    def __repr__(self) -> str:
        return f"<Tokens of {self._auth!r}>"

    @property
    def is_static(self) -> bool:
        """Whether asking again gives the same token."""
        return self._auth is None or isinstance(self._auth.token, str)

    async def credentials(self, url: str, token: str | None) -> Credentials:
        """Returns what a dial with this token needs."""
        return _credentials(self._auth, url, token)

    async def token(self, *, force: bool = False) -> str | None:
        """Returns the token for a dial; None without authentication.

        Raises:
            Exception: what the provider raises.
        """
        auth = self._auth
        if auth is None:
            return None
        if isinstance(auth.token, str):
            return auth.token
        flight = self._flight
        if flight is None or flight.done() or (force and not self._is_forced):
            self._is_forced = force
            flight = self._flight = asyncio.get_running_loop().create_task(
                self._ask(auth.token, force=force), name="reactive_ws-token"
            )
        try:
            return await asyncio.shield(flight)
        finally:
            if flight.done() and self._flight is flight:
                self._flight = None

    def close(self) -> asyncio.Task[str] | None:
        """Cancels a call that is under way; returns its task to be waited for."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
        return flight

    async def _ask(self, source: Callable[..., str | Awaitable[str]], *, force: bool) -> str:
        answer: Any = source(force=force) if self._takes_force else source()
        if inspect.isawaitable(answer):
            answer = await answer
        if not isinstance(answer, str):
            raise TypeError(f"the token provider returned {type(answer).__name__}, not a string")
        return answer


def _takes_force(source: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(source).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "force" or p.kind is p.VAR_KEYWORD for p in parameters)


def _credentials(auth: Auth | None, url: str, token: str | None) -> Credentials:
    parts = urlsplit(url)
    secrets = {part for part in (parts.password, parts.query) if part}
    if auth is None or token is None:
        return Credentials(url, secrets=frozenset(secrets))
    quoted = quote(token, safe="")
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    secrets |= {secret for secret in (token, quoted, encoded) if secret}
    hidden = frozenset(secrets)
    if isinstance(auth, Header):
        value = f"{auth.scheme} {token}" if auth.scheme else token
        return Credentials(url, {auth.name: value}, secrets=hidden)
    if isinstance(auth, Query):
        query = f"{parts.query}&" if parts.query else ""
        asked = parts._replace(query=f"{query}{quote(auth.name, safe='')}={quoted}")
        return Credentials(urlunsplit(asked), secrets=hidden)
    if isinstance(auth, Subprotocol):
        return Credentials(url, subprotocols=(f"{auth.prefix}{encoded}",), secrets=hidden)
    return Credentials(url, secrets=hidden)
