"""Where to dial: the default URL, `http(s)` spelled as `ws(s)`, and the redacted form that may be shown.

It opens nothing. `service` resolves an address once and shows only `redact`ed URLs from then on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import BadAddress

__all__ = ["DEFAULT_URL", "redact", "resolve"]

DEFAULT_URL = "ws://localhost:8000/ws"
"""Dialled when neither the program nor `REACTIVE_WS_URL` names a URL."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


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
        raise BadAddress(
            redact(text), "the scheme must be ws, wss, http or https, as in ws://host:8000/ws"
        )
    if not host:
        raise BadAddress(redact(text), "the host is missing, write it as in ws://host:8000/ws")
    return urlunsplit(parts._replace(scheme=scheme, fragment=""))


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return None
    return parts


def redact(url: str) -> str:
    """Returns the URL without user, password, query and fragment, safe for logs and stores.

    What cannot even be parsed is replaced as a whole.
    """
    parts = _parts(url)
    if parts is None:
        return "***"
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    if "@" in parts.netloc:
        place = f"***@{place}"
    if not parts.netloc:
        # Without a host everything is in the path, and with it whatever was meant to be secret.
        return f"{parts.scheme}:***" if parts.scheme else "***"
    shown = SplitResult(parts.scheme, place, parts.path, "***" if parts.query else "", "")
    return urlunsplit(shown)
