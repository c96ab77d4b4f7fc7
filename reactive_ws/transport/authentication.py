"""How a token gets to the server: as a header (recommended), in the query, as a subprotocol, or as the first message.

    Header        nobody logs it; browsers cannot set it, Python can
    Query         servers and proxies write it into their access logs
    Subprotocol   for servers made for browsers: "bearer.<token in base64url>" beside the real subprotocol
    FirstMessage  an `auth` message after the handshake; can be refreshed without a new connection

A token is a string, or a provider that is called on every dial: a function without arguments, or one that takes `force`
(True when the server refused the last token), sync or async. A provider that raises is retried like a network error;
`Unauthorized` from it is final. Tokens are held in memory only and appear in no repr, log or exception: what a provider
raises may quote them in its text, so only its type and its place are told.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import attrs

from ..errors import DialFailed, Unauthorized

__all__ = [
    "Auth",
    "Credentials",
    "FirstMessage",
    "Header",
    "Query",
    "Subprotocol",
    "Tokens",
    "spellings",
]

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


@attrs.frozen
class _Answer:
    """What a provider said. asyncio shows the results of tasks in their reprs; this one shows nothing."""

    token: str = attrs.field(default="", repr=False)
    refused: str | None = None
    failed: str | None = None


class Tokens:
    """Asks a provider, one call at a time: who comes while one is under way gets its result. Loop only."""

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._flight: asyncio.Task[_Answer] | None = None
        self._is_forced = False
        source = auth.token if auth is not None else None
        self._takes_force = callable(source) and _takes_force(source)

    def __repr__(self) -> str:
        return f"<Tokens of {self._auth!r}>"

    async def credentials(self, url: str, token: str | None) -> Credentials:
        """Returns what a dial with this token needs."""
        return _credentials(self._auth, url, token)

    async def token(self, *, force: bool = False) -> str | None:
        """Returns the token for a dial; None without authentication.

        Raises:
            Unauthorized: the provider says so.
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
                self._ask(auth.token, force=force), name="reactive_ws-token"
            )
        try:
            answer = await asyncio.shield(flight)
        finally:
            if flight.done() and self._flight is flight:
                self._flight = None
        if answer.refused is not None:
            raise Unauthorized(answer.refused)
        if answer.failed is not None:
            raise DialFailed(answer.failed)
        return answer.token

    def close(self) -> asyncio.Task[Any] | None:
        """Cancels a call that is under way; returns its task to be waited for."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
        return flight

    async def _ask(self, source: Callable[..., str | Awaitable[str]], *, force: bool) -> _Answer:
        try:
            answer: Any = source(force=force) if self._takes_force else source()
            if inspect.isawaitable(answer):
                answer = await answer
        except Unauthorized as error:
            return _Answer(refused=error.reason)
        except Exception as error:  # noqa: BLE001 - a provider is foreign code; whatever it raises is retried
            return _Answer(
                failed=f"the token provider raised {type(error).__name__}{_place(error)}"
            )
        if not isinstance(answer, str):
            kind = type(answer).__name__
            return _Answer(failed=f"the token provider returned {kind}, not a string")
        return _Answer(answer)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _takes_force(source: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(source).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "force" or p.kind is p.VAR_KEYWORD for p in parameters)


def spellings(secret: str) -> frozenset[str]:
    """Returns a secret as it may come back in texts of others: raw, percent-encoded, in base64, in JSON, in a repr."""
    raw = secret.encode()
    found = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return frozenset(found - {""})


def _credentials(auth: Auth | None, url: str, token: str | None) -> Credentials:
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
