"""Reads from a token when to replace it: the `exp` of a JWT. It verifies nothing; the server does that.

The service replaces a token max(30 s, 10 % of its lifetime) before it expires, but never in the first half of its lifetime.
Chance makes that earlier by up to a tenth of that margin, so that clients that started together do not ask together.

This module asks for no token and owns no timer: `service.shell` does both.
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Callable

import msgspec

from ...engine import refuse_copy

__all__ = ["TokenWatch", "expires_at", "refresh_delay"]

_PATIENCE = 10.0
"""Seconds until a provider that failed is asked again."""


class _Claims(msgspec.Struct):
    exp: float | None = None


def expires_at(token: str | None) -> float | None:
    """Returns when a token expires, in seconds since 1970; None when it is not a JWT or does not say."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(_unpadded(parts[1]), type=_Claims)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
    return claims.exp


def refresh_delay(expiry: float, now: float, rng: random.Random) -> float | None:
    """Returns in how many seconds to replace a token; None when it is over already: then the server will say so.

    Args:
        expiry: When it expires, in seconds since 1970.
        now: The same for this moment.
        rng: For the jitter.
    """
    lifetime = expiry - now
    if lifetime <= 0:
        return None
    margin = min(max(30.0, 0.1 * lifetime), lifetime / 2)
    return lifetime - margin * rng.uniform(1.0, 1.1)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TokenWatch:
    """When to replace the token of the moment. It owns no timer.

    Args:
        wall_clock: Seconds since 1970.
        rng: For the jitter.

    Attributes:
        deadline: When to replace it, in seconds of the loop's clock; None when there is no need.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, wall_clock: Callable[[], float], rng: random.Random) -> None:
        self.deadline: float | None = None
        self._wall_clock = wall_clock
        self._rng = rng
        self._replaced: float | None = None

    def start(self, token: str | None, now: float) -> None:
        """The connection uses this token now."""
        expiry = expires_at(token)
        self.deadline = None
        # A provider that gave the same token again would be asked faster and faster.
        if expiry is not None and expiry != self._replaced:
            delay = refresh_delay(expiry, self._wall_clock(), self._rng)
            self.deadline = None if delay is None else now + delay
        self._replaced = expiry

    def again(self, now: float) -> None:
        """The provider failed; the token still lives, so there is time to ask again."""
        self.deadline = now + _PATIENCE

    def stop(self) -> None:
        """Nothing uses the token from now on."""
        self.deadline = self._replaced = None

    def is_due(self, now: float) -> bool:
        """Whether to replace it now; True once."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True
