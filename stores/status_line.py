"""The connection in words, and a stream of them that ticks while it has an observer: "Connected (45s)".

It decides nothing about the connection. The words follow the rules of `reactive_ws.gui.status`. The timer runs only while the
stream has an observer and the words change with time.
"""

from __future__ import annotations

from collections.abc import Callable

from reactivex.abc import DisposableBase

from reactive_ws.connection import Connection
from reactive_ws.engine import Domain
from reactive_ws.gui.status import Words, connection_text, next_text_change
from reactive_ws.state import ReadOnly, Selection, Store, derived

from .outside import Later

__all__ = ["StatusLine", "status_text"]

_WORDS = Words(
    connecting="Connecting...",
    waiting="Reconnecting in {seconds} s ({attempt})...",
    dialing="Reconnecting now ({attempt})...",
    failed="Not connected: {cause}",
    closed="Disconnected",
)
"""A line of text has no animation: the dots say that something is under way."""


# --- reducers ---------------------------------------------------------------------------------------------------------


def status_text(connection: Connection, now: float) -> str:
    """Returns the connection in words, such as "Connected (45s)".

    Args:
        connection: The connection.
        now: Seconds of the service's clock.
    """
    return connection_text(connection, now=now, words=_WORDS)


# --- store ------------------------------------------------------------------------------------------------------------


class StatusLine:
    """The words as a stream; `ConnectionStore` makes it.

    Args:
        domain: The service's domain.
        connection: The connection.
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
        """The words, and new ones as they change with time."""
        # Without an observer there was no tick: the first value must not be an old one.
        self._time.set(self._now())
        return Selection(self._text, lambda: status_text(self._connection.get(), self._now()))

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
        delay = next_text_change(self._connection.get(), now=now)
        if delay is not None:
            self._cancel = self._later(delay, self._tick)

    def _end_timer(self) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()


def _text_at(connection: Connection, time: float) -> str:
    # A new state begins between two ticks: its own beginning is later than the last one.
    return status_text(connection, max(time, connection.since))
