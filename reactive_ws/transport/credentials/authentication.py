"""Puts a token into a dial: as a header (recommended), in the query, as a subprotocol, or as the first message.

    Header        no server logs it; browsers cannot set it, Python can
    Query         servers and proxies write it into their access logs
    Subprotocol   for servers made for browsers: "bearer.<token in base64url>" beside the real subprotocol
    FirstMessage  an `auth` message after the handshake; can be refreshed without a new connection

A token is a string, or a provider: a function that returns one, sync or async, without arguments or with `force` (True when
the server refused the last token). Every dial calls it. A provider that raises is retried like a network error; `Unauthorized`
from it ends the retries. Tokens live in memory only, and no repr, log or exception shows one. `Dialer` uses it.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

import attrs

from .provider import Answer, Provider, ask

__all__ = [
    "AuthMethod",
    "Credentials",
    "FirstMessage",
    "Header",
    "Query",
    "Subprotocol",
    "Tokens",
    "spellings",
]

Token: TypeAlias = str | Provider


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


AuthMethod: TypeAlias = Header | Query | Subprotocol | FirstMessage
"""How a token goes to the server: the type of `auth=`."""


@attrs.frozen
class Credentials:
    """The parts of a dial that depend on the token. Everything but the header names is secret.

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
    """Asks a provider, one call at a time; calls meanwhile share the answer. Loop only."""

    def __init__(self, auth: AuthMethod | None) -> None:
        self._auth = auth
        self._flight: asyncio.Task[Answer] | None = None
        self._is_forced = False
        source = auth.token if auth is not None else None
        self._takes_force = callable(source) and _takes_force(source)

    def __repr__(self) -> str:
        return f"<Tokens of {self._auth!r}>"

    def credentials(
        self, url: str, token: str | None, *, is_redirected: bool = False
    ) -> Credentials:
        """Returns the parts of a dial with this token.

        Args:
            url: What to dial.
            token: None for a dial without one.
            is_redirected: Whether the server chose the URL; then a token that is in its query already stays alone there.
        """
        auth = self._auth
        if is_redirected and isinstance(auth, Query):
            names = {name for name, _ in parse_qsl(urlsplit(url).query)}
            if auth.name in names:
                hidden = _credentials(auth, url, token).secrets
                return Credentials(url, secrets=hidden)
        return _credentials(auth, url, token)

    async def token(self, *, force: bool = False) -> str | None:
        """Returns the token for a dial; None without authentication.

        Raises:
            Unauthorized: the provider raised it.
            DialFailed: the provider raised something else, or returned no string.
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
                ask(self._question(auth.token, force=force), "token"), name="reactive_ws-token"
            )
        try:
            answer = await asyncio.shield(flight)
        finally:
            if flight.done() and self._flight is flight:
                self._flight = None
        return answer.get()

    def close(self) -> asyncio.Task[Any] | None:
        """Cancels a call that is under way; returns its task to be waited for."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
        return flight

    def _question(self, source: Provider, *, force: bool) -> Callable[[], Any]:
        return functools.partial(source, force=force) if self._takes_force else source


def _takes_force(source: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(source).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "force" or p.kind is p.VAR_KEYWORD for p in parameters)


def spellings(secret: str) -> frozenset[str]:
    """Returns a secret as it may come back in texts of others: raw, percent-encoded, in base64, in JSON, in a repr of text or bytes."""
    raw = secret.encode()
    found = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return frozenset(found - {""})


def _credentials(auth: AuthMethod | None, url: str, token: str | None) -> Credentials:
    parts = urlsplit(url)
    secrets = {part for part in (parts.password, parts.query) if part}
    if auth is None or token is None:
        return Credentials(url, secrets=frozenset(secrets))
    quoted = quote(token, safe="")
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    hidden = frozenset(secrets) | spellings(token)
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
