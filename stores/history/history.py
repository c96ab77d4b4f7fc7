"""The history store: what was said, session by session.

State and reducers of one session are in `conversation`, `own_messages` and `answers`; the server's messages are handled by
`incoming`, own ones sent by `outgoing`, older ones fetched by `older`. Here are the store of all sessions, what UI code may
see of it, and the actions. One new message wakes only the observers of its session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from reactive_ws.engine import Domain, refuse_copy, shallow
from reactive_ws.outbox import Delivery, Pending
from reactive_ws.state import KeyedStore, Selection, Store, derived

from ..outside import AskForState, Handlers, Report, Runs, Send
from ..wire import Message
from .conversation import Conversation, bounded, read_up_to
from .entry import Entry
from .incoming import Incoming
from .older import Loader, OlderLoads
from .outgoing import Outgoing, Post

__all__ = ["History"]

T = TypeVar("T")

_EMPTY = Conversation()


# --- store ------------------------------------------------------------------------------------------------------------


class History:
    """Messages per session. Made by `Application`.

    Args:
        domain: Of its stores.
        send, sync, report: See `ports`.
        new_id: Ids of own messages; the server acknowledges a message by its own id.
        clock: Wall clock, UTC.
        touch: Called with the session and the panel of every own message.
        post: Sends own messages instead of the socket, when no other way is given with the message.
        max_messages: Settled messages of a session that are held, besides older ones that were fetched; the oldest go.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        send: Send,
        sync: AskForState,
        report: Report,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
        touch: Callable[[str, str | None], None] | None = None,
        post: Post | None = None,
        max_messages: int = 1_000_000,
    ) -> None:
        self._conversations: KeyedStore[str, Conversation] = KeyedStore(
            name="stores.history", domain=domain
        )
        self._epoch: Store[str | None] = Store(None, name="stores.history.epoch", domain=domain)
        self._new_id = new_id
        self._clock = clock
        self._touch = touch
        self._post = post
        self._max_messages = max_messages
        self._outgoing = Outgoing(
            domain,
            get=self.get,
            change=self._change,
            send=send,
            report=report,
            epoch=self._epoch.get,
        )
        self._incoming = Incoming(
            get=self.get,
            known=lambda: self._conversations.get_all().keys(),
            change=self._change,
            received=self._outgoing.received,
            epoch=self._epoch,
            sync=sync,
            report=report,
            clock=clock,
        )
        self._older = OlderLoads(get=self.get, change=self._change, report=report)

    def __repr__(self) -> str:
        return f"<History of {len(self._conversations)} sessions>"

    def get(self, session_id: str) -> Conversation:
        """Returns what was said in a session; an empty conversation when nothing is known of it. Any thread."""
        return self._conversations.get(session_id) or _EMPTY

    def get_entries(self, session_id: str) -> tuple[Entry, ...]:
        """Returns all entries of a session in order. Linear; for what is on the screen use `get(...).timeline.last`."""
        return tuple(self.get(session_id).timeline)

    def select(self, session_id: str) -> Selection[Conversation | None]:
        """Returns the stream of one session's conversation; None while nothing is known of it."""
        return self._conversations.select(session_id)

    def select_session_ids(self) -> Selection[tuple[str, ...]]:
        """Returns the stream of the ids of all sessions in which something was said."""
        return self._conversations.select_keys()

    def select_window(
        self, session_id: str, start: int, count: int
    ) -> Selection[tuple[Entry, ...]]:
        """Returns the stream of at most `count` entries of a session from index `start` on."""
        return self._part(session_id, lambda now: now.timeline.window(start, count))

    def select_last(self, session_id: str, count: int) -> Selection[tuple[Entry, ...]]:
        """Returns the stream of the newest `count` entries of a session, oldest first."""
        return self._part(session_id, lambda now: now.timeline.last(count))

    def select_entry(self, session_id: str, message_id: str) -> Selection[Entry | None]:
        """Returns the stream of one entry: its growing text, its delivery; None while there is none."""
        return self._part(session_id, lambda now: now.timeline.find(message_id))

    def select_unread(self, session_id: str) -> Selection[int]:
        """Returns the stream of how many messages of a session were not read yet."""
        return self._part(session_id, lambda now: now.unread)

    def select_dropped(self, session_id: str) -> Selection[int]:
        """Returns the stream of how many of a session's oldest messages were removed."""
        return self._part(session_id, lambda now: now.dropped)

    @property
    def unread(self) -> Selection[int]:
        """How many messages of all sessions were not read yet."""
        return self._conversations.select_part(_all_unread)

    @property
    def store(self) -> KeyedStore[str, Conversation]:
        """The store itself; for the composition root, which keeps the read marks in a file."""
        return self._conversations

    def _part(self, session_id: str, part: Callable[[Conversation], T]) -> Selection[T]:
        def of(now: Conversation | None) -> T:
            return part(_EMPTY if now is None else now)

        return derived(self.select(session_id), of, equals=shallow).select()

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return self._incoming.handlers

    @property
    def runs(self) -> Runs:
        """Handlers for several messages of a type in a row; `Application` registers them."""
        return self._incoming.runs

    def _change(self, session_id: str, reducer: Callable[[Conversation], Conversation]) -> None:
        limit = self._max_messages

        def change(now: Conversation) -> Conversation:
            return bounded(reducer(now), limit)

        # Not `upsert`: an own message may be added from another thread while the burst's batch is open.
        self._conversations.update(session_id, change, default=_EMPTY)

    # --- actions --------------------------------------------------------------------------------------------------------

    def send(
        self,
        session_id: str,
        content: str,
        *,
        panel_id: str | None = None,
        role: str = "user",
        post: Post | None = None,
    ) -> Delivery:
        """Says something in a session. It is shown at once; its delivery status follows. Any thread, never blocks.

        Args:
            session_id, content, panel_id, role: Of the message.
            post: Sends it in its own way, such as a REST call; sync or async. Its echo arrives on the socket.

        Raises:
            ServiceClosed, MessageRejected: it cannot be sent, and is not shown.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        message = Message(self._new_id(), session_id, role, content, self._clock(), panel_id)
        return self.send_message(message, post=post)

    def send_message(self, message: Message, *, post: Post | None = None) -> Delivery:
        """Like `send`, with a message of your own making; its id must be new.

        Raises:
            ServiceClosed, MessageRejected: it cannot be sent, and is not shown.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        post = post or self._post
        if post is None:
            delivery = self._outgoing.send(message)
        else:
            delivery = self._outgoing.post(message, post)
        if self._touch is not None:
            self._touch(message.session_id, message.panel_id)
        return delivery

    def retry(self, session_id: str, message_id: str) -> Delivery:
        """Sends an own message again that failed, or whose fate is uncertain, with its old id and in the old way.

        Raises:
            KeyError: there is no such message.
            ValueError: it is not own, or it did not fail.
            ServiceClosed: it cannot be sent now; it stays as it was.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        return self._outgoing.retry(session_id, message_id)

    def adopt(self, message: Message, delivery: Delivery) -> None:
        """Shows an own message that an earlier process queued and that still waits; for the composition root."""
        self._outgoing.adopt(message, delivery)

    def load_older(self, session_id: str, loader: Loader, *, count: int = 50) -> Pending[int]:
        """Fetches a page of messages before the oldest one that is here. Any thread.

        One load a session at a time: a call during one returns that one. Whether there are more says
        `get(session_id).has_older`; after the last page nothing more is fetched.

        Args:
            session_id: The session.
            loader: Gets an `OlderRequest`; a plain function is called here and now, an async one is awaited in the
                running loop, or in a thread of its own where there is none.
            count: At most so many.

        Raises:
            ValueError: `count` is less than 1.

        Returns:
            How many messages came. An exception of the loader is raised for the caller that waits, and is in the error store.
        """
        return self._older.load(session_id, loader, count)

    def forget(self, session_id: str) -> None:
        """Drops the messages of a session, for one that was closed and is not shown. Any thread.

        What is on its way out is sent, and what is said in the session later is shown. While the session is open the server
        may show the rest again: on the next connection, or when a piece of an answer does not fit.
        """
        self._outgoing.forget(session_id)
        self._older.forget(session_id)
        self._conversations.remove(session_id)

    def mark_read(self, session_id: str) -> None:
        """Notes that everything in a session was read. Any thread."""
        if session_id in self._conversations:
            self._change(session_id, lambda now: read_up_to(now, now.timeline.last_place))


def _all_unread(conversations: Mapping[str, Conversation]) -> int:
    return sum(one.unread for one in conversations.values())
