"""Writes the lines of a service into the logs `reactive_ws.connection`, `.service` and `.messages`: exact lines, never a payload.

    INFO      connecting to ..., connected to ..., state A -> B, reconnecting in 1.2 s (attempt 3 of 10), queued, flushed 7,
              handlers of over 50 ms
    WARNING   lost: why; not connected: why; what went wrong in messages; handlers of over half a second
    ERROR     gave up: why; handlers that raise, with their traceback
    DEBUG     Sent order.add c1, Received message.received m7: type and id only

A line that repeats itself is written five times a minute, and the next one says how many were left out: a peer with another
codec must not fill the disk. A text that a server chose cannot forge another line. It decides nothing. `service` and
`inbound` call it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..errors import one_line
from .record import Connection, ConnectionState, Phase

__all__ = ["Logbook"]

_connection_logger = logging.getLogger("reactive_ws.connection")
_service_logger = logging.getLogger("reactive_ws.service")
_message_logger = logging.getLogger("reactive_ws.messages")
# Outages are routine: without a handler of the program they must not reach stderr, where they spoil a terminal screen.
_connection_logger.addHandler(logging.NullHandler())

_MAX_LINES = 5
_WINDOW = 60.0
_MAX_KINDS = 256
"""Kinds of lines that are counted; a kind that is pushed out begins at zero again."""


class Logbook:
    """The log of one service.

    Args:
        clock: Seconds, for the limit of repeated lines.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shown = Connection()
        self._flushing = 0
        # By kind of line: when its window began, lines in it, lines left out.
        self._written: dict[object, tuple[float, int, int]] = {}

    @property
    def has_messages(self) -> bool:
        """Whether the log takes a line for every message."""
        return _message_logger.isEnabledFor(logging.DEBUG)

    def sent(self, kind: str, identity: str | None) -> None:
        """A message was written to the socket."""
        if self.has_messages:
            _message_logger.debug("Sent %s %s", one_line(kind), one_line(identity or "-"))

    def received(self, kind: str, identity: str | None) -> None:
        """A message came."""
        if self.has_messages:
            _message_logger.debug("Received %s %s", one_line(kind), one_line(identity or "-"))

    def queued(self, kind: str, waiting: int) -> None:
        """A message waits for the connection."""
        self._limited(
            _service_logger, logging.INFO, "queued", f"queued {kind}, {waiting} waiting", None
        )

    def unhandled(self, kind: str, meant: str | None) -> None:
        """The first message of a type came that no handler has; `meant` is the similar name of a handler, or None."""
        hint = "service.unhandled has them" if meant is None else f"one waits for {meant!r}"
        level = logging.INFO if meant is None else logging.WARNING
        text = f"no handler for messages of type {kind!r}; {hint}"
        self._limited(_service_logger, level, ("unhandled", kind), text, None)

    def given_up(self, count: int) -> None:
        """The service ended with this many at-least-once messages that no server acknowledged."""
        if count:
            messages, them = ("message", "it") if count == 1 else ("messages", "them")
            _service_logger.warning(
                "the service ended with %d unacknowledged at-least-once %s; OutboxOptions(path=...) would keep %s",
                count,
                messages,
                them,
            )

    def warning(self, kind: object, text: str) -> None:
        """Something went wrong and everything goes on."""
        self._limited(_service_logger, logging.WARNING, kind, text, None)

    def note(self, kind: object, text: str) -> None:
        """Something went wrong that a busy machine does to any program."""
        self._limited(_service_logger, logging.INFO, kind, text, None)

    def error(self, kind: object, text: str, error: BaseException) -> None:
        """Foreign code raised."""
        self._limited(_service_logger, logging.ERROR, kind, text, error)

    def connection(self, now: Connection, waiting: int) -> None:
        """The connection looks like this now, and so many messages wait."""
        before, self._shown = self._shown, now
        log = _connection_logger.info
        is_news = now.state is not before.state
        if now.state is ConnectionState.DISCONNECTED and is_news:
            if before.state is ConnectionState.CONNECTED:
                _connection_logger.warning("lost %s: %s", now.url, now.cause)
            else:
                _connection_logger.warning("not connected: %s", now.cause)
        if is_news:
            log("state %s -> %s", before.state.name, now.state.name)
        if now.phase is Phase.DIALING and before.generation != now.generation:
            log("connecting to %s", now.url)
        elif now.phase is Phase.BACKING_OFF and now.next_retry_at is not None:
            limit = "" if now.max_attempts is None else f" of {now.max_attempts}"
            why = "" if is_news else f": {now.cause}"
            seconds = now.next_retry_at - self._clock()
            log("reconnecting in %.1f s (attempt %d%s)%s", seconds, now.attempt, limit, why)
        elif now.state is ConnectionState.CONNECTED and is_news:
            log("connected to %s", now.url)
            self._flushing = waiting
        elif now.state is ConnectionState.ERROR and is_news:
            # The text of `GaveUp` begins with the same words.
            _connection_logger.error("gave up: %s", (now.cause or "").removeprefix("gave up "))
        if before.phase is Phase.FLUSHING and now.phase is Phase.LIVE:
            log("flushed %d", self._flushing)

    def _limited(
        self,
        logger: logging.Logger,
        level: int,
        kind: object,
        text: str,
        error: BaseException | None,
    ) -> None:
        now = self._clock()
        began, lines, left_out = self._written.get(kind, (now, 0, 0))
        if now - began >= _WINDOW:
            began, lines = now, 0
        if lines >= _MAX_LINES:
            self._written[kind] = began, lines, left_out + 1
            return
        if len(self._written) >= _MAX_KINDS:
            self._written.clear()
        self._written[kind] = began, lines + 1, 0
        more = f" ({left_out} more like it were left out)" if left_out else ""
        logger.log(level, "%s%s", one_line(text), more, exc_info=error)
