"""Holds all options of a service in one frozen record. `WebSocketService` fills it; the parts of the service read it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from ..connection import DecisionOptions
from ..wire import Codec, Registry
from .credentials import AuthMethod, Provider

__all__ = ["Settings"]


@attrs.frozen
class Settings:
    """See the arguments of `WebSocketService`.

    Attributes:
        url: The URL, or a provider that every dial calls; secret, because it may hold a token.
        shown_url: The same, redacted; words for a provider.
        address: Returns the URL to dial, such as one with the version of the dialect in its query.
        codec: Writes messages for the outbox and its file.
        offered: The subprotocols of the dialect, offered first.
        sends_token: Whether the token goes out as the first message.
        redirects: Origins besides the URL's own to which a redirect may lead, as `address.origin` writes them.
        connect: Opens a socket, like `websockets.asyncio.client.connect`. It must not follow redirects.
        suspended: Seconds that the computer has slept so far, on some scale.
        suspend_limit: Seconds by which `suspended` must jump to count as a wake-up.
    """

    url: str | Provider = attrs.field(repr=False)
    shown_url: str
    address: Callable[[str], str]
    codec: Codec
    offered: tuple[str, ...]
    sends_token: bool
    registry: Registry
    decisions: DecisionOptions
    auth: AuthMethod | None
    connect: Callable[..., Any]
    connect_options: Mapping[str, Any] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    subprotocols: tuple[str, ...] = attrs.field(repr=False)
    rng: random.Random
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    close_timeout: float
    max_size: int
    suspended: Callable[[], float] | None
    suspend_limit: float
    redirects: frozenset[str] = frozenset()
