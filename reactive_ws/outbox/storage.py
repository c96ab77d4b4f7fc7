"""Keeps the outbox and its journal in step: stores promised messages before they are sent, forgets finished ones, and queues
again what an earlier process left.

It decides nothing about order or delivery. `Sender` makes one when the outbox has a path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from ..engine import refuse_copy
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
        wall: Seconds since 1970.
        post: Runs a function in the service's loop, or at once when there is none.
        changed: Called after the outbox changed.
        failed: Called with what could not be stored or read.

    Raises:
        JournalError: the file cannot be used.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        outbox: Outbox,
        codec: Codec,
        now: Callable[[], float],
        wall: Callable[[], float],
        post: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._outbox = outbox
        self._codec = codec
        self._now = now
        self._wall = wall
        self._post = post
        self._changed = changed
        self._failed = failed
        self._is_ready = False
        self._unreadable: dict[str, MessageRejected] = {}
        self._unreported: list[Exception] = []
        self._journal = Journal(path, self._report)
        outbox.client = self._journal.client()
        self._restore(self._journal.entries())
        outbox.on_first = self.mark
        outbox.on_over = self.forget
        self._is_ready = True

    def open(self) -> None:
        """Takes the file again after `close`. What another process delivered meanwhile is not sent again.

        Reports what could not be read, because before the first connect no observer can be there.

        Raises:
            JournalError: the file cannot be used.
        """
        if not self._journal.is_open:
            self._journal.open()
            self._outbox.client = self._journal.client()
            stored = self._journal.entries()
            known = {one.id for one in stored}
            for waiting in self._outbox.view().entries:
                if self._outbox.is_durable(waiting.id) and waiting.id not in known:
                    reason = "lost this message: another process took it over"
                    self._outbox.reject(waiting.id, JournalError(self._journal.path, reason))
            for one in stored:
                self._outbox.learn(one.id, one.sent)
            self._restore(one for one in stored if not self._outbox.is_durable(one.id))
        unreported, self._unreported = self._unreported, []
        for error in (*unreported, *self._unreadable.values()):
            self._failed(error)

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

        sent = self._wall() if entry.is_marked else None
        expires = None
        if sent is None and entry.expires_at is not None:
            expires = self._wall() + entry.expires_at - self._now()
        self._journal.append(Stored(entry.delivery.id, entry.frame, sent, expires), done)

    def mark(self, entries: Sequence[Outgoing]) -> None:
        """Notes in the file that these entries may have left; they are sent when it is there.

        When the file takes no note, they are sent all the same: what is stored must not wait for room on a disk.
        """

        def done(error: JournalError | None) -> None:
            def announce() -> None:
                self._outbox.marked(entries)
                if error is not None:
                    self._failed(error)
                self._changed()

            self._post(announce)

        sent = self._wall()
        self._journal.mark([Stored(it.delivery.id, it.frame, sent) for it in entries], done)

    def forget(self, entry: Outgoing) -> None:
        """Forgets an entry that is over, also while the file is closed."""
        if entry.is_durable:
            self._journal.remove(entry.delivery.id)

    def discard(self, identities: Iterable[str]) -> None:
        """Deletes stored messages that could not be read; the outbox knows the others."""
        for identity in identities:
            if self._unreadable.pop(identity, None) is not None:
                self._journal.remove(identity)
        self._show_unreadable()

    def clear(self) -> int:
        """Deletes every stored message that could not be read; returns how many."""
        count = len(self._unreadable)
        self.discard(tuple(self._unreadable))
        return count

    def _report(self, error: Exception) -> None:
        """Hears of trouble on the journal's thread, or before anything runs."""
        if self._is_ready:
            self._post(lambda: self._failed(error))
        else:
            self._unreported.append(error)

    def _restore(self, stored: Iterable[Stored]) -> None:
        self._unreadable.clear()
        ahead = self._now() - self._wall()
        for one in stored:
            try:
                envelope = self._codec.decode(one.frame)
            except MessageRejected as error:
                # It stays in the file: a program that knows the type may read it one day.
                reason = f"{error.reason}; it stays in {self._journal.path} and is not sent"
                self._unreadable[one.id] = MessageRejected(reason, type=error.type, id=one.id)
                continue
            expires_at = None if one.expires is None else one.expires + ahead
            self._outbox.restore(envelope, one.frame, self._now(), one.sent, expires_at)
        self._show_unreadable()

    def _show_unreadable(self) -> None:
        self._outbox.unreadable = tuple(self._unreadable)
