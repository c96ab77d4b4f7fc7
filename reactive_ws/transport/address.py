"""Makes the URL to dial: the default, `http(s)` spelled as `ws(s)`, the redacted form that may be shown, the origin.

It opens nothing. `WebSocketService` resolves an address once, `Dialer` resolves what a URL provider or a redirect says.
Everything else shows `redact`ed URLs only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import BadAddress, UsageError
from .credentials import Provider

__all__ = ["DEFAULT_URL", "origin", "origins", "redact", "resolve", "target"]

DEFAULT_URL = "ws://localhost:8000/ws"
"""Dialled when neither the program nor `REACTIVE_WS_URL` names a URL."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PORTS = {"ws": 80, "wss": 443}
_SLIP = re.compile(
    # A scheme whose `://` is incomplete, or no scheme.
    r"(?:(?P<scheme>wss?|https?)[:/]{1,3})?"
    # A host that cannot be a token: with a port, or a name as the domain name system has them.
    r"(?P<place>[A-Za-z0-9.-]{1,253}:[0-9]{1,5}"
    r"|(?:localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,12}))"
    r"(?:[/?#].*)?",
    re.DOTALL,
)
"""A URL with an incomplete scheme: the usual slip of the pen, and nothing secret before the path."""


def resolve(url: str | None = None, *, environment: Mapping[str, str] | None = None) -> str:
    """Returns the URL to dial: `url`, else `REACTIVE_WS_URL` from the environment, else `DEFAULT_URL`.

    `http` becomes `ws` and `https` becomes `wss`. A fragment is dropped, RFC 6455 section 3 forbids it.

    Raises:
        BadAddress: no WebSocket URL can be made of it; the text is redacted.
    """
    where = os.environ if environment is None else environment
    text = (url if url is not None else where.get("REACTIVE_WS_URL") or DEFAULT_URL).strip()
    parts = _parts(text)
    if parts is None:
        # Not chained to the ValueError: its text quotes what it could not read.
        raise BadAddress(redact(text), "host or port cannot be read")
    host = parts.hostname
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        if (slip := _slip(text)) is not None:
            raise slip
        raise BadAddress(
            redact(text), "the scheme must be ws, wss, http or https, as in ws://host:8000/ws"
        )
    if not host:
        if (slip := _slip(text)) is not None:
            raise slip
        raise BadAddress(redact(text), "the host is missing, write it as in ws://host:8000/ws")
    if not _is_name(host):
        reason = f"the host {host!r:.200} has an empty part between dots, or one of more than 63 characters"
        raise BadAddress(redact(text), reason)
    return urlunsplit(parts._replace(scheme=scheme, fragment=""))


def target(url: str | Provider | None) -> tuple[str | Provider, str]:
    """Returns what a service dials and how it may be shown: a URL and its redacted form, or a provider and words for it.

    Raises:
        BadAddress: a WebSocket URL cannot be made of it.
    """
    if callable(url):
        return url, "(a URL of the provider)"
    found = resolve(url)
    return found, redact(found)


def origins(urls: Iterable[str]) -> frozenset[str]:
    """Returns the origins of URLs such as `wss://eu.example.com`.

    Raises:
        BadAddress: one is not a URL.
        UsageError: `urls` is one string.
    """
    if isinstance(urls, str):
        raise UsageError(f"redirects= takes a list of origins: write redirects=[{redact(urls)!r}]")
    return frozenset(origin(resolve(url)) for url in urls)


def origin(url: str) -> str:
    """Returns scheme, host and port of a resolved URL, as in `wss://host:443`."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}"


def _slip(text: str) -> BadAddress | None:
    """Returns the error for a URL that lacks only its scheme, or a part of `://`; None for another one."""
    found = _SLIP.fullmatch(text)
    if found is None:
        return None
    place, written = found["place"], found["scheme"]
    scheme = "ws" if written is None else _SCHEMES[written]
    what = "the scheme" if written is None else "a part of ://"
    shown, rest = text[: found.end("place")], text[found.end("place") :]
    # What follows may hold a secret.
    path = "/..." if len(rest) > 1 and rest.startswith("/") else ""
    return BadAddress(shown, f"{what} is missing; did you mean {scheme}://{place}{path}?")


def _is_name(host: str) -> bool:
    """Whether the operating system can look up a host."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return None
    return parts


def redact(url: str) -> str:
    """Returns the URL without user, password, query and fragment, safe for logs and stores.

    A text that is not a URL becomes `***` as a whole.
    """
    parts = _parts(url)
    if parts is None:
        return "***"
    if not url:
        return ""
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    if "@" in parts.netloc:
        place = f"***@{place}"
    if not parts.netloc:
        # Without a host everything is in the path, a secret too. What is not a scheme of ours may be one.
        return f"{parts.scheme}:***" if parts.scheme in _SCHEMES else "***"
    shown = SplitResult(parts.scheme, place, parts.path, "***" if parts.query else "", "")
    return urlunsplit(shown)
