"""What joins the outbox and its journal: new at-least-once messages are stored before they are sent, finished ones are
forgotten, and what an earlier process left behind is queued again.

It decides nothing about order or delivery. `service` makes one when the outbox has a path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ..errors import JournalError, MessageRejected
from ..wire import Codec
from .journal import Journal, Stored
from .outgoing import Outgoing
from .queue import Outbox

__all__ = ["Storage"]


class Storage:
    """The journal of one outbox.

    Args:
        path: The file.
        outbox: Filled with what the file holds.
        codec: Reads the stored frames.
        now: Seconds of the service's clock.
        post: Runs a function in the service's loop, or at once when there is none.
        changed: Called after the outbox changed.
        failed: Called with what could not be stored or read.

    Raises:
        JournalError: the file cannot be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        outbox: Outbox,
        codec: Codec,
        now: Callable[[], float],
        post: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._outbox = outbox
        self._codec = codec
        self._now = now
        self._post = post
        self._changed = changed
        self._failed = failed
        self._journal = Journal(path)
        self._restore(self._journal.entries())

    def open(self) -> None:
        """Takes the file again after `close`. What another process delivered meanwhile is not sent again.

        Raises:
            JournalError: the file cannot be used.
        """
        if self._journal.is_open:
            return
        self._journal.open()
        stored = self._journal.entries()
        known = {one.id for one in stored}
        for waiting in self._outbox.view().entries:
            if self._outbox.is_durable(waiting.id) and waiting.id not in known:
                reason = "another process took this message over"
                self._outbox.reject(waiting.id, JournalError(self._journal.path, reason))
        self._restore(one for one in stored if not self._outbox.is_durable(one.id))

    def close(self) -> None:
        """Writes what waits and lets the file go; the thread ends."""
        self._journal.close()

    def store(self, entry: Outgoing) -> None:
        """Puts a new entry on disk; it is sent when it is there."""

        def done(error: JournalError | None) -> None:
            def announce() -> None:
                self._outbox.stored(entry, error)
                if error is not None:
                    self._failed(error)
                self._changed()

            self._post(announce)

        self._journal.append(entry.delivery.id, entry.frame, done)

    def forget(self, entry: Outgoing) -> None:
        """The outbox is done with an entry."""
        if entry.is_durable:
            self._journal.remove(entry.delivery.id)

    def _restore(self, stored: Iterable[Stored]) -> None:
        for one in stored:
            try:
                envelope = self._codec.decode(one.frame)
            except MessageRejected as error:
                # Kept in the file: a program that knows the type may read it one day.
                self._failed(error)
                continue
            self._outbox.restore(envelope, one.frame, self._now())
