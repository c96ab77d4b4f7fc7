"""The channels store: the last event of each type and how many there were, and the streams by type and by family.

It keeps events and draws no conclusions from them: what `ai.*` means is the business of `history`, what `notification.*`
means that of `notifications`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from reactivex.abc import DisposableBase

from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.state import EventStream, Map, ReadOnly, Selection, Store
from reactive_ws.wire import Envelope

from .outside import Handlers
from .wire import CHANNEL_EVENTS

__all__ = ["Channels", "ChannelsState"]


# --- state ------------------------------------------------------------------------------------------------------------


def _no_events() -> Map[str, Envelope[Any]]:
    return Map()


def _no_counts() -> Map[str, int]:
    return Map()


@attrs.frozen
class ChannelsState:
    """The last events of the channels.

    Attributes:
        latest: The last event by type.
        counts: How many there were by type.
    """

    latest: Map[str, Envelope[Any]] = attrs.field(factory=_no_events)
    counts: Map[str, int] = attrs.field(factory=_no_counts)


# --- reducers ---------------------------------------------------------------------------------------------------------


def happened(state: ChannelsState, event: Envelope[Any]) -> ChannelsState:
    """An event arrived."""
    counts = state.counts.set(event.type, state.counts.get(event.type, 0) + 1)
    return ChannelsState(state.latest.set(event.type, event), counts)


# --- store ------------------------------------------------------------------------------------------------------------


class Channels:
    """The events of the channels, as state and as streams; `Application` makes it.

    Args:
        domain: Of its store.
        messages: Returns the messages whose channels match a pattern; see `WebSocketService.messages`.
        follow: Asks the server for a channel; see `WebSocketService.channel`.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        messages: Callable[[str], EventStream[Envelope[Any]]],
        follow: Callable[[str], DisposableBase],
    ) -> None:
        self._store = Store(ChannelsState(), name="stores.channels", domain=domain)
        self._messages = messages
        self._follow = follow

    def __repr__(self) -> str:
        return f"<Channels, {len(self._store.get().latest)} event types seen>"

    @property
    def state(self) -> ReadOnly[ChannelsState]:
        """The last event of each type, and how many there were."""
        return self._store.read_only

    def latest(self, event_type: str) -> Selection[Envelope[Any] | None]:
        """Returns the stream of the last event of a type; None before the first."""
        return self._store.select(lambda state: state.latest.get(event_type))

    def count(self, event_type: str) -> Selection[int]:
        """Returns the stream of how many events of a type there were."""
        return self._store.select(lambda state: state.counts.get(event_type, 0))

    def stream(self, event_type: str) -> EventStream[Envelope[Any]]:
        """Returns the events of a type, such as "activity.created". Replays: nothing. Thread: the service's."""
        return self._messages(event_type)

    def family(self, name: str) -> EventStream[Envelope[Any]]:
        """Returns the events of a family, such as "activity" or "activity.*". Replays: nothing. Thread: the service's."""
        return self._messages(f"{name.removesuffix('.*')}.*")

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return dict.fromkeys(CHANNEL_EVENTS, self._happened)

    def _happened(self, envelope: Envelope[Any]) -> None:
        self._store.update(lambda state: happened(state, envelope))

    # --- actions --------------------------------------------------------------------------------------------------------

    def follow(self, channel: str) -> DisposableBase:
        """Asks the server for a channel until the returned disposable is disposed, and again on every connection."""
        return self._follow(channel)
