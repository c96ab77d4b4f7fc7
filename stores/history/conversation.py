"""The state of one session, and the pure functions that apply each message to it.

One entry per id, whatever arrives first: the own message when it is sent, its acknowledgement, the server's copy, pieces of
an answer, the whole answer, a snapshot. Sequences of different epochs of the server are kept apart: what was said before
a new epoch stays before what is said in it.

It owns no store and sends nothing; `history` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import msgspec

from reactive_ws.outbox import DeliveryStatus
from reactive_ws.wire import Envelope

from ..collections import GrowingText
from ..wire import ChatSnapshot, Message, MessageResponse
from .entry import Entry, Place
from .timeline import Timeline

__all__ = [
    "Conversation",
    "all_answered",
    "answered",
    "at_epoch",
    "began",
    "bounded",
    "complete",
    "continued",
    "copied",
    "end_of",
    "ended",
    "merged",
    "place_for",
    "put",
    "read_up_to",
]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Conversation:
    """The state of one session.

    Attributes:
        timeline: The entries in order.
        epoch: The server's epoch in which the newest sequences were given; None before the first.
        era: Number of that epoch, counted here.
        is_loaded: Whether messages from before the first contact are here too, as far as the server shows them.
        read: The last place that was read; None before anything is known of that.
        has_older: Whether there are older messages than these; None while that is unknown.
        is_loading_older: Whether older ones are being fetched.
        loaded_older: How many older ones were fetched; the bound on the length grows by them.
        is_over: Whether the session was closed: the user cannot open it, so nothing in it counts as unread.
    """

    timeline: Timeline = attrs.field(factory=Timeline)
    epoch: str | None = None
    era: int = 0
    is_loaded: bool = False
    read: Place | None = None
    has_older: bool | None = None
    is_loading_older: bool = False
    loaded_older: int = 0
    is_over: bool = False

    @property
    def unread(self) -> int:
        """How many settled entries come after the last one that was read; none when the session is over."""
        if self.read is None or self.is_over:
            return 0
        last = self.timeline.last_place
        if last is None or last <= self.read:
            return 0
        return len(self.timeline.settled) - self.timeline.index_after(self.read)

    @property
    def newest_sequence(self) -> int:
        """The newest sequence of the epoch; what comes after it belongs at the end. 0 when there is none."""
        last = self.timeline.last_place
        return last[1] if last is not None and last[0] == self.era else 0

    @property
    def dropped(self) -> int:
        """How many of the oldest entries were removed."""
        return self.timeline.dropped


# --- reducers ---------------------------------------------------------------------------------------------------------


def at_epoch(state: Conversation, epoch: str | None) -> Conversation:
    """The server speaks in this epoch. In a new one nothing continues what was growing."""
    if epoch is None or epoch == state.epoch:
        return state
    if state.epoch is None:
        return attrs.evolve(state, epoch=epoch)
    for entry in state.timeline.waiting:
        if entry.is_growing:
            state = put(state, complete(entry), end_of(state))
    return attrs.evolve(state, epoch=epoch, era=state.era + 1)


def began(state: Conversation) -> Conversation:
    """The session was created while we listened, or while we were away: all that was said in it is news."""
    if state.read is not None and not state.is_over:
        return state
    return attrs.evolve(state, read=state.read or (state.era, 0, 0), is_over=False)


def ended(state: Conversation) -> Conversation:
    """The session was closed. Answers that were on their way are shown, and do not count as unread."""
    return attrs.evolve(read_up_to(state, state.timeline.last_place), is_over=True)


def read_up_to(state: Conversation, place: Place | None) -> Conversation:
    """Everything up to a place was read."""
    if place is None or (state.read is not None and place <= state.read):
        return state
    return attrs.evolve(state, read=place)


def bounded(state: Conversation, limit: int) -> Conversation:
    """At most so many settled entries are held, and those that were fetched on purpose; the oldest go."""
    timeline = state.timeline.cut(limit + state.loaded_older)
    if timeline is state.timeline:
        return state
    return attrs.evolve(state, timeline=timeline, has_older=True)


def answered(state: Conversation, response: MessageResponse, epoch: str | None) -> Conversation:
    """A whole message: an answer, another user's message, or the server's copy of an own one."""
    return copied(at_epoch(state, epoch), response.message)


def all_answered(
    state: Conversation, responses: Iterable[tuple[MessageResponse, str | None]]
) -> Conversation:
    """Applies several responses as `answered` does one by one; those that only add to the end are added together.

    Args:
        state: What was.
        responses: Each with its epoch, in order.
    """
    new: dict[str, Entry] = {}
    epoch, era, newest = state.epoch, state.era, state.newest_sequence
    for response, said_in in responses:
        message = response.message
        sequence = message.sequence
        if (
            sequence
            and sequence > newest
            and (said_in == epoch or said_in is None)
            and message.id not in new
        ):
            new[message.id] = Entry(message, era)
            newest = sequence
            continue
        state = answered(_extended(state, new), response, said_in)
        epoch, era, newest = state.epoch, state.era, state.newest_sequence
        new = {}
    return _extended(state, new)


def continued(
    state: Conversation,
    session_id: str,
    said: Sequence[Envelope[MessageResponse]],
    usual: str | None,
    latest: float,
) -> Conversation | None:
    """Applies responses as `all_answered` does, if all only add to the end and `doubts` has no question about any; else None.

    In a flood nearly all runs are so, and this looks at each message once.

    Args:
        state: What was.
        session_id: The session of the responses.
        said: The responses, in order.
        usual: The epoch of those that name none.
        latest: The latest date that is not strange; see `doubts.latest_likely`.
    """
    new: dict[str, Entry] = {}
    era, newest, current = state.era, state.newest_sequence, state.epoch
    for envelope in said:
        message = envelope.payload.message
        sequence, date = message.sequence, message.timestamp
        if (
            not sequence
            or sequence <= newest
            or not isinstance(date, float)
            or not 0.0 <= date <= latest
            or message.session_id != session_id
            or ((epoch := envelope.epoch or usual) != current and epoch is not None)
        ):
            return None
        new[message.id] = Entry(message, era)
        newest = sequence
    if len(new) != len(said) or state.timeline.knows_any(new.keys()):
        return None
    return _with_new(state, new)


def _with_new(state: Conversation, new: dict[str, Entry]) -> Conversation:
    """Adds entries whose places are after all others, none of them known."""
    read = state.read
    if read is None and (first := next(iter(new.values())).place) is not None:
        read = (first[0], first[1], first[2] - 1)
    # `attrs.evolve` takes ten times as long.
    return Conversation(
        state.timeline.extended(new),
        state.epoch,
        state.era,
        state.is_loaded,
        read,
        state.has_older,
        state.is_loading_older,
        state.loaded_older,
        state.is_over,
    )


def _extended(state: Conversation, new: dict[str, Entry]) -> Conversation:
    """Adds entries whose places are after all others; one that is known is taken as the server's word about it."""
    if not new:
        return state
    if state.timeline.knows_any(new.keys()):
        fresh: dict[str, Entry] = {}
        for identity, entry in new.items():
            if state.timeline.knows(identity):
                state = copied(_extended(state, fresh), entry.head)
                fresh = {}
            else:
                fresh[identity] = entry
        return _extended(state, fresh)
    return _with_new(state, new)


def merged(state: Conversation, snapshot: ChatSnapshot) -> Conversation:
    """The newest messages of the session, as the server has them. One without a sequence is an answer that still grows."""
    state = at_epoch(state, snapshot.epoch)
    for message in snapshot.messages or ():
        old = state.timeline.find(message.id)
        if message.sequence is not None:
            state = copied(state, message)
        elif old is None or old.is_growing:
            text = GrowingText().extended(message.content)
            head = msgspec.structs.replace(message, content="")
            calls = old.tool_calls if old else ()
            entry = Entry(head, growing=text, tool_calls=calls)
            state = put(state, entry, old.place if old else None)
    if state.read is None:
        # Messages from before the first contact do not count as unread.
        state = attrs.evolve(state, read=state.timeline.last_place or (state.era, 0, 0))
    return attrs.evolve(state, is_loaded=True)


def copied(state: Conversation, message: Message) -> Conversation:
    """The server's word about a message: its text and place hold, the delivery of an own one is settled."""
    place = None if message.sequence is None else (state.era, message.sequence, 0)
    old = state.timeline.find(message.id, place)
    if old is None:
        return put(state, Entry(message), place or end_of(state))
    status = DeliveryStatus.ACKNOWLEDGED if old.is_own else None
    entry = Entry(message, status=status, tool_calls=old.tool_calls)
    return put(state, entry, place_for(state, message.sequence, old))


def place_for(state: Conversation, sequence: int | None, entry: Entry) -> Place | None:
    """Returns the place for a sequence; without one the entry's own, or the end."""
    if sequence is not None:
        if entry.place is not None and entry.place[:2] == (state.era, sequence):
            return entry.place
        return (state.era, sequence, 0)
    return end_of(state) if entry.is_waiting else entry.place


def end_of(state: Conversation) -> Place:
    """Returns the place after everything that has one."""
    last = state.timeline.last_place
    if last is None or last[0] != state.era:
        return (state.era, 0, 1)
    return (last[0], last[1], last[2] + 1)


def complete(entry: Entry) -> Entry:
    """Returns an entry whose text is complete."""
    return msgspec.structs.replace(entry, head=entry.message, growing=None)


def put(state: Conversation, entry: Entry, place: Place | None) -> Conversation:
    """Returns a conversation with this entry in this place, or waiting when it has none.

    What is said from here counts as read, with all before it; the first that is heard of others counts as news. The
    last entry that was read stays read when the server's word moves it to a later place.
    """
    entry = entry.placed(place)
    timeline = state.timeline.put(entry)
    read = state.read
    if entry.is_waiting or place is None:
        return attrs.evolve(state, timeline=timeline)
    if entry.is_own or _was_last_read(state, entry.id, place):
        read = place if read is None else max(read, place)
    elif read is None:
        read = (place[0], place[1], place[2] - 1)
    return attrs.evolve(state, timeline=timeline, read=read)


def _was_last_read(state: Conversation, identity: str, place: Place) -> bool:
    """Whether an entry that was read comes to a later place, with nothing unread between the two."""
    read = state.read
    if read is None or place <= read:
        return False
    old = state.timeline.find(identity, place)
    if old is None or old.place is None or old.place > read:
        return False
    return state.timeline.index_after(read) == state.timeline.index_after(place)
