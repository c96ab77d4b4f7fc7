"""The connection in words, and a stream of them that goes on while somebody looks: "Connected (45s)".

It decides nothing about the connection; `connection` shows it. Its timer runs only while the stream has an observer and
the words change with time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from reactivex.abc import DisposableBase

from reactive_ws.connection import Connection, ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.state import ReadOnly, Selection, Store, derived

from .outside import Later

__all__ = ["StatusLine", "status_text"]

_ROUNDING = 1e-6
"""Seconds: a timer that fires this much early is on time, or 3.0000001 s would be shown as 4."""


# --- reducers ---------------------------------------------------------------------------------------------------------


def status_text(connection: Connection, now: float) -> str:
    """Returns the connection in words, such as "Connected (45s)".

    Args:
        connection: The connection.
        now: Seconds of the service's clock.
    """
    state = connection.state
    if state is ConnectionState.CONNECTED:
        return f"Connected ({max(0, math.floor(now - connection.since + _ROUNDING))}s)"
    if state is ConnectionState.RECONNECTING:
        attempt = f"attempt {connection.attempt}"
        if connection.max_attempts is not None:
            attempt += f" of {connection.max_attempts}"
        left = 0.0 if connection.next_retry_at is None else connection.next_retry_at - now
        seconds = math.ceil(left - _ROUNDING)
        return f"Reconnecting {f'in {seconds} s' if seconds > 0 else 'now'} ({attempt})..."
    if state is ConnectionState.ERROR:
        return f"Not connected: {connection.cause or 'gave up'}"
    return "Connecting..." if state is ConnectionState.CONNECTING else "Disconnected"


def next_change(connection: Connection, now: float) -> float | None:
    """Returns in how many seconds the words change by themselves; None when they do not."""
    if connection.state is ConnectionState.CONNECTED:
        return 1.0 - (max(0.0, now - connection.since) + _ROUNDING) % 1.0 + _ROUNDING
    if connection.next_retry_at is not None and connection.next_retry_at > now:
        return (connection.next_retry_at - now - _ROUNDING) % 1.0 + _ROUNDING
    return None


# --- store ------------------------------------------------------------------------------------------------------------


class StatusLine:
    """The words as a stream. Made by `ConnectionStore`.

    Args:
        domain: Of its store; the service's.
        connection: Whose words these are.
        now: Seconds of the service's clock.
        later: Starts a timer.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        connection: ReadOnly[Connection],
        now: Callable[[], float],
        later: Later,
    ) -> None:
        self._connection = connection
        self._now = now
        self._later = later
        self._cancel: Callable[[], None] | None = None
        self._watch: DisposableBase | None = None
        self._time = Store(
            now(),
            name="stores.connection.time",
            domain=domain,
            on_start=self._start,
            on_stop=self._stop,
        )
        self._text = derived(connection, self._time, _text_at, name="stores.connection.status_text")

    @property
    def text(self) -> Selection[str]:
        """The words, at least once a second anew while they change."""
        # Nobody looked since the last tick: the first value must not be an old one.
        self._time.set(self._now())
        return Selection(
            self._text.select()._audience, lambda: status_text(self._connection.get(), self._now())
        )

    def _start(self) -> None:
        self._watch = self._connection.select().subscribe(lambda _: self._tick())

    def _stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.dispose()
        self._end_timer()

    def _tick(self) -> None:
        self._end_timer()
        now = self._now()
        self._time.set(now)
        delay = next_change(self._connection.get(), now)
        if delay is not None:
            self._cancel = self._later(delay, self._tick)

    def _end_timer(self) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()


def _text_at(connection: Connection, time: float) -> str:
    # A new state begins between two ticks: its own beginning is later than the last one.
    return status_text(connection, max(time, connection.since))
