"""A logger for `websockets` that shows no secrets. Its DEBUG output has the request line, the headers and the frames.

It only rewrites text; `service` gives it to every socket and tells it the secrets of each dial.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable
from typing import Any

from ..errors import one_line

__all__ = ["RedactingLogger"]

_QUERY = re.compile(r"\?[^\s\"']+")
_USER = re.compile(r"//[^/@\s]+@")
_HEADERS = re.compile(
    r"^([<>] (?:authorization|proxy-authorization|cookie|set-cookie|sec-websocket-protocol)):.*$",
    re.IGNORECASE,
)
_FRAME = re.compile(r"^([<>] (?:TEXT|BINARY|CONT)) .*?(\[[^\[\]]*\])?$", re.DOTALL)
"""A frame in the log of `websockets`. Long ones are cut in their middle, so that a secret in them can start anywhere."""


class RedactingLogger(logging.LoggerAdapter[logging.Logger]):
    """Replaces known secrets, queries, users in URLs, what is in frames, and the values of headers that carry tokens by
    `***`. Tracebacks become text: the frames of foreign code have URLs and headers among their locals.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger, {})
        self._secrets: tuple[str, ...] = ()
        self._headers: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str], headers: Iterable[str] = ()) -> None:
        """Sets what must not be shown from now on: texts, and the values of these headers."""
        # Longest first: a secret that contains another one is replaced as a whole.
        self._secrets = tuple(sorted({*self._secrets, *secrets}, key=len, reverse=True))[:64]
        self._headers = tuple(header.lower() for header in headers)

    def log(self, level: int, msg: object, *args: Any, **keywords: Any) -> None:
        """Logs the redacted text."""
        if self.isEnabledFor(level):
            try:
                text = str(msg) % args if args else str(msg)
            except (TypeError, ValueError):
                text = str(msg)
            # A close reason or a header is the server's text, which must not forge a line.
            text = one_line(self.redact(text))
            error = keywords.pop("exc_info", None)
            if error is not None and error is not False:
                raised = error if isinstance(error, BaseException) else sys.exception()
                lines = self.redact("".join(traceback.format_exception(raised))).split("\n")
                text = "\n  ".join([text, *map(one_line, lines)]).rstrip(" ")
            keywords.setdefault("stacklevel", 3)
            self.logger.log(level, "%s", text, **keywords)

    def redact(self, text: str) -> str:
        """Returns the text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        name, colon, _ = text[2:].partition(":")
        if colon and name.lower() in self._headers:
            return f"{text[:2]}{name}: ***"
        text = _HEADERS.sub(r"\1: ***", text)
        text = _FRAME.sub(r"\1 *** \2", text)
        return _QUERY.sub("?***", _USER.sub("//***@", text))
