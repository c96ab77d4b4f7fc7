"""The options of a service: their names and types for those who pass them on, and the check of their values.

`WebSocketService` checks what it was given before it builds anything. `Application.at` and other functions that pass options
on take `**options: Unpack[ServiceOptions]`, so that type checkers find a misspelled name.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from ..connection import ClosePolicy, DelaySource, Heartbeat
from ..dialects import Dialect
from ..engine import Domain, check_kind, check_seconds
from ..errors import UsageError
from ..outbox import OutboxOptions
from ..transport import AuthMethod, FirstMessage, Header, Query, Subprotocol
from ..wire import Codec, Registry

__all__ = ["ServiceOptions", "check_options"]


class ServiceOptions(TypedDict, total=False):
    """The keyword arguments of `WebSocketService`, which documents each of them."""

    domain: Domain | None
    dialect: Dialect | None
    codec: Codec | None
    registry: Registry | None
    auth: AuthMethod | None
    headers: Mapping[str, str] | None
    subprotocols: Sequence[str]
    origin: str | None
    backoff: DelaySource | None
    max_attempts: int | None
    policy: ClosePolicy | None
    heartbeat: Heartbeat | None
    stable_after: float
    outbox: OutboxOptions | None
    dial_timeout: float
    close_timeout: float
    max_size: int
    compression: str | None
    proxy: str | bool | None
    ssl: Any
    unix_socket: str | os.PathLike[str] | None
    redirects: Iterable[str]
    connect: Callable[..., Any]
    rng: random.Random | None
    clock: Callable[[], datetime] | None
    new_id: Callable[[], str] | None
    suspended: Callable[[], float] | None


_KINDS: tuple[tuple[str, type[Any], str], ...] = (
    ("domain", Domain, 'Domain("mine")'),
    ("registry", Registry, "protocol_v1()"),
    ("policy", ClosePolicy, "ClosePolicy()"),
    ("heartbeat", Heartbeat, "Heartbeat(interval=5)"),
    ("outbox", OutboxOptions, 'OutboxOptions(path="waiting.db")'),
    ("headers", Mapping, '{"X-Client": "desk"}'),
)
_PARTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("dialect", ("session", "address"), "PlainJson(registry)"),
    ("codec", ("encode", "decode"), "JsonCodec()"),
    ("backoff", ("delays",), "Backoff(initial=1.0) or Backoff.of(function)"),
)
_SECONDS = ("stable_after", "dial_timeout", "close_timeout")
_FUNCTIONS = ("connect", "clock", "new_id", "suspended")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuses an option of `WebSocketService` that has a wrong type or an impossible number. Never shows a token.

    Raises:
        UsageError: an option is wrong; the text says what to write.
    """
    for name, kind, example in _KINDS:
        check_kind(options[name], kind, f"{name}=", example)
    for name, methods, example in _PARTS:
        given = options[name]
        if given is not None and not all(callable(getattr(given, it, None)) for it in methods):
            raise UsageError(
                f"{name}= takes something like {example}; got {type(given).__name__} {given!r:.80}"
            )
    auth = options["auth"]
    if auth is not None and not isinstance(auth, Header | Query | Subprotocol | FirstMessage):
        # The value may be the token.
        raise UsageError(
            f"auth= takes Header(token), Query(token), Subprotocol(token) or FirstMessage(token); got {type(auth).__name__}"
        )
    for name in _SECONDS:
        check_seconds(options[name], f"{name}=")
    _check_count(options["max_attempts"], "max_attempts", 0, "None for no limit")
    _check_count(options["max_size"], "max_size", 1, "in bytes, such as 2**20")
    if options["compression"] not in (None, "deflate"):
        raise UsageError(
            f'compression= takes "deflate" or None; got {options["compression"]!r:.80}'
        )
    if isinstance(options["subprotocols"], str):
        raise UsageError(
            f"subprotocols= takes a list of names: write subprotocols=[{options['subprotocols']!r:.80}]"
        )
    for name in _FUNCTIONS:
        if options[name] is not None and not callable(options[name]):
            raise UsageError(f"{name}= takes a function; got {options[name]!r:.80}")


def _check_count(given: Any, name: str, least: int, advice: str) -> None:
    if given is None and name == "max_attempts":
        return
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise UsageError(f"{name}= takes a number, {least} or more, {advice}; got {given!r:.80}")
