"""Decides whether a redirect of the handshake is followed, and whether the credentials may go along.

    * Within the origin a redirect is followed. `ws://host` to `wss://host` on default ports stays within it.
    * Another origin is refused, unless the program allows it by name.
    * Tokens, own headers, cookies and own subprotocols never cross an origin, also not on the way back.
    * `wss` never becomes `ws`.

Pure functions. `Dialer` asks.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit, urlunsplit

import attrs

from ..errors import BadAddress, RedirectRefused
from .address import origin, redact, resolve

__all__ = ["MAX_REDIRECTS", "REDIRECTS", "DialTarget", "follow", "too_many"]

REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})
"""Statuses that are a redirect when the answer has a `Location`."""
MAX_REDIRECTS = 5
"""Redirects of one dial; more are a loop."""


@attrs.frozen
class DialTarget:
    """Where a dial is now.

    Attributes:
        url: What to dial next; secret.
        is_home: Whether no redirect left the origin of the dial. Only there the credentials go along.
    """

    url: str = attrs.field(repr=False)
    is_home: bool = True


def follow(place: DialTarget, status: int, location: str, allowed: Collection[str]) -> DialTarget:
    """Returns where a redirect leads.

    Args:
        place: Where the answer came from.
        status: The HTTP status.
        location: The `Location` header; may be relative, may be `http(s)`.
        allowed: Other origins that the program allows, as `origin` writes them.

    Raises:
        RedirectRefused: the redirect must not be followed.
    """
    target = _target(place, location)
    if target is None:
        raise RedirectRefused(status, "a place that is not a URL", "there is nothing to dial")
    here, there = origin(place.url), origin(target)
    shown = redact(target)
    if here.startswith("wss:") and there.startswith("ws:"):
        raise RedirectRefused(status, shown, "that connection would not be encrypted")
    if not _is_same(here, there):
        if there not in allowed:
            advice = f"it is another origin; pass redirects=[{there!r}] if that is meant"
            raise RedirectRefused(status, shown, advice)
        return DialTarget(target, is_home=False)
    return DialTarget(_with_user_of(place.url, target), is_home=place.is_home)


def _target(place: DialTarget, location: str) -> str | None:
    """Returns the URL, or None; an exception would keep the location, which may quote a token."""
    try:
        return resolve(urljoin(place.url, location.strip()))
    except (BadAddress, ValueError):
        return None


def too_many(place: DialTarget, status: int) -> RedirectRefused:
    """Returns the error of a loop of redirects."""
    return RedirectRefused(
        status, redact(place.url), f"it was redirect {MAX_REDIRECTS + 1} of one dial, a loop"
    )


def _is_same(here: str, there: str) -> bool:
    upgraded = here.removesuffix(":80").replace("ws:", "wss:", 1) + ":443"
    return here == there or (here.startswith("ws:") and here.endswith(":80") and upgraded == there)


def _with_user_of(url: str, target: str) -> str:
    """Returns the target with user and password of the URL, which a `Location` of the same origin leaves out."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    parts = urlsplit(target)
    if not at or "@" in parts.netloc:
        return target
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))
