"""Acts of stores and services on much or little, each with the order of growth that it states.

An act is prepared for a size, such as a thousand observers, and then counted in operations (`benchmarks.operations`), never timed.
`growth.py` draws the counts, and `tests/unit/test_growth.py` compares them with the stated order.
"""

from __future__ import annotations

import enum
import json
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

import attrs

from benchmarks.fan_out import Crowd
from benchmarks.operations import operations
from reactive_ws import Domain, KeyedStore, Store, WebSocketService, batch, derived, derived_all
from reactive_ws.dialects import V1, Opening
from reactive_ws.outbox import OutboxOptions
from reactive_ws.stores.app import Application
from reactive_ws.stores.wire import SessionCreated, agent_chat
from reactive_ws.views import view
from reactive_ws.wire import JsonCodec

__all__ = ["CASES", "Act", "Case", "Make", "Order", "cost", "fill_while_keys_are_observed"]

Act = Callable[[], object]
Make = Callable[[int], Act]

_numbers = count(1_000_000)


def new() -> int:
    return next(_numbers)


@attrs.frozen
class Item:
    key: int
    value: int


def nothing(_: object) -> None:
    pass


def items(size: int) -> KeyedStore[int, Item]:
    return KeyedStore({key: Item(key, key) for key in range(size)}, domain=Domain())


# --- what grows -------------------------------------------------------------------------------------------------------


def write_beside_stores(size: int) -> Act:
    domain = Domain()
    kept = [Store(0, domain=domain) for _ in range(size)]
    for store in kept:
        store.select().subscribe(nothing)
    return lambda: kept[0].set(new())


def write_beside_derived(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]
    kept = [derived(store, lambda value: value + 1) for store in stores]
    for one in kept:
        one.select().subscribe(nothing)
    return lambda _kept=kept: stores[0].set(new())  # type: ignore[misc]


def write_to_observers(size: int) -> Act:
    store = Store(0, domain=Domain())
    for _ in range(size):
        store.select().subscribe(nothing)
    return lambda: store.set(new())


def write_past_selectors(size: int) -> Act:
    store = Store(Item(0, 0), domain=Domain())
    for _ in range(size):
        store.select(lambda item: item.value).subscribe(nothing)
    return lambda: store.set(Item(new(), 0))


def subscribe_and_dispose(size: int) -> Act:
    stream = Store(0, domain=Domain()).select()
    kept = [stream.subscribe(nothing) for _ in range(size)]
    return lambda _kept=kept: stream.subscribe(nothing).dispose()  # type: ignore[misc]


def upsert_old_key(size: int) -> Act:
    store = items(size)
    return lambda: store.upsert(size // 2, Item(0, new()))


def upsert_observed_key(size: int) -> Act:
    store = items(size)
    for key in range(size):
        store.select(key).subscribe(nothing)
    return lambda: store.upsert(size // 2, Item(0, new()))


def move_in_view(size: int) -> Act:
    store = items(size)
    it = view(store).where(lambda item: item.value >= 0).sorted_by(lambda item: item.value)
    it.select().subscribe(nothing)
    # Away from the ends, and beyond the leaf that the row is in.
    values = cycle((size * 3 // 4, size // 4))
    return lambda: store.upsert(size // 2, Item(size // 2, next(values)))


def upsert_new_key(size: int) -> Act:
    store = items(size)
    return lambda: store.upsert(new(), Item(0, 0))


def remove_and_insert(size: int) -> Act:
    store = items(size)

    def act() -> None:
        store.remove(0)
        store.upsert(0, Item(0, new()))

    return act


def count_of_keys(size: int) -> Act:
    store = items(size)
    store.select_count().subscribe(nothing)
    return lambda: store.upsert(new(), Item(0, 0))


def many_of_the_keys(size: int) -> Act:
    store = items(size)
    store.select_many(range(5)).subscribe(nothing)
    return lambda: store.upsert(2, Item(2, new()))


def chain_of_derived(size: int) -> Act:
    store = Store(0, domain=Domain())
    last = derived(store, lambda value: value)
    for _ in range(size):
        last = derived(last, lambda value: value + 1)
    last.select().subscribe(nothing)
    return lambda _kept=last: store.set(new())  # type: ignore[misc]


def derived_of_many(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]
    total = derived_all(stores, sum)
    total.select().subscribe(nothing)
    return lambda _kept=total: stores[size // 2].set(new())  # type: ignore[misc]


def batch_of_many(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]

    def act() -> None:
        value = new()
        with batch(domain):
            for store in stores:
                store.set(value)

    return act


def fill_while_keys_are_observed(size: int) -> Act:
    def act() -> None:
        store: KeyedStore[int, Item] = KeyedStore(domain=Domain())
        store.select_keys().subscribe(nothing)
        for key in range(size):
            store.upsert(key, Item(key, 0))

    return act


# --- a service and its stores ---------------------------------------------------------------------------------------------


class Incoming:
    """An application without a socket, and the frames of its server."""

    def __init__(self) -> None:
        self.app = Application.at("ws://127.0.0.1:1/", proxy=None)
        self._receiver = self.app.service._receiver
        session = V1(codec=JsonCodec(agent_chat(), subprotocol=None)).session()
        session.opened(Opening(), 0.0)
        self._receiver.begin(session)
        self._seq: dict[str, int] = {}
        self._numbers = count()

    def take(self, kind: str, payload: dict[str, Any], stream: str = "app") -> None:
        """Takes one message, in a burst of its own."""
        seq = self._seq[stream] = self._seq.get(stream, 0) + 1
        frame = {"type": kind, "stream": stream, "epoch": "e", "seq": seq, "payload": payload}
        self._receiver.burst(deque([json.dumps(frame)]))

    def response(self, session: str) -> None:
        """Takes an answer in a session."""
        number = next(self._numbers)
        message = {
            "id": f"m{number}",
            "sessionId": session,
            "role": "assistant",
            "content": "text",
            "timestamp": 1_767_225_600_000.0 + number,
            "sequence": self._seq.get(session, 0) + 1,
        }
        self.take("message.response", {"sessionId": session, "message": message}, session)

    def created(self, number: int) -> None:
        """Takes the news of a session."""
        payload = {"sessionId": f"s{number}", "title": "t", "createdAt": 1_767_225_600_000}
        self.take("session.created", payload)

    def closed(self, number: int) -> None:
        """Takes the news of the end of a session."""
        self.take("session.closed", {"sessionId": f"s{number}"})

    def load(self, size: int) -> None:
        """Takes the server's state, with so many sessions."""
        sessions = [
            {"id": f"s{number}", "title": "t", "createdAt": 1_767_225_600_000.0 + number}
            for number in range(size)
        ]
        state = {"stream": "app", "epoch": "e", "seq": 0, "sessions": sessions}
        self._receiver.burst(deque([json.dumps({"type": "snapshot", "payload": state})]))
        if len(self.app.sessions.state.get().sessions) != size:
            raise AssertionError("the sessions are not those of the state")
        # A user interface looks at the state, and reads the list in its own time.
        self.app.sessions.state.select().subscribe(nothing)
        self.app.sessions.active.subscribe(nothing)


def answer_in_a_long_session(size: int) -> Act:
    world = Incoming()
    for _ in range(size):
        world.response("s")
    return lambda: world.response("s")


def answer_beside_streams(size: int) -> Act:
    world = Incoming()
    for number in range(size):
        world.response(f"s{number}")
    return lambda: world.response("s0")


def session_beside_sessions(size: int) -> Act:
    world = Incoming()
    world.load(size)
    numbers = count(size)
    return lambda: world.created(next(numbers))


def session_closed_beside_sessions(size: int) -> Act:
    world = Incoming()
    world.load(size)
    numbers = count(size)

    def act() -> None:
        # The one that is looked at, from the middle of the list.
        number = next(numbers)
        world.created(number)
        world.app.sessions.activate(f"s{number - size // 2}")
        world.closed(number - size // 2)

    return act


def answer_beside_sessions(size: int) -> Act:
    world = Incoming()
    world.load(size)
    return lambda: world.response("s0")


def entry_behind_kept_ones(size: int) -> Act:
    # Its state is on its way, and it keeps all that comes.
    world = Incoming()
    numbers = count(size)
    for number in range(size):
        world.created(number)
    return lambda: world.created(next(numbers))


def send_behind_waiting(size: int) -> Act:
    options = OutboxOptions(limit=2_000_000)
    service = WebSocketService(
        "ws://127.0.0.1:1/", domain=Domain(), registry=agent_chat(), outbox=options
    )
    for number in range(size):
        service.send("note", number)
    return lambda: service.send("note", 0)


def message_beside_replicas(size: int) -> Act:
    service = WebSocketService("ws://127.0.0.1:1/", domain=Domain(), registry=agent_chat())
    kept = [
        service.replica(f"s{number}", (), {SessionCreated: lambda state, _: state})
        for number in range(size)
    ]
    receiver = service._receiver
    session = V1(codec=JsonCodec(agent_chat(), subprotocol=None)).session()
    session.opened(Opening(), 0.0)
    receiver.begin(session)
    if len(receiver.followers) != size:
        raise AssertionError("the receiver does not feed the replicas")
    numbers = count(1)

    def act(_kept: object = kept) -> None:
        payload = {"sessionId": "s", "title": "t", "createdAt": 1_767_225_600_000}
        place = {"stream": "s0", "epoch": "e", "seq": next(numbers)}
        frame = {"type": "session.created", **place, "payload": payload}
        receiver.burst(deque([json.dumps(frame)]))

    return act


def message_to_clients(size: int) -> Act:
    crowd = Crowd(size, has_clock=False)

    def act() -> None:
        crowd.tell()

    weakref.finalize(act, crowd.close)
    return act


def message_to_one_of_the_clients(size: int) -> Act:
    crowd = Crowd(size, is_apart=True, has_clock=False)

    def act() -> None:
        crowd.tell_first()

    weakref.finalize(act, crowd.close)
    return act


class Order(enum.Enum):
    """How the cost grows with the size."""

    CONSTANT = "constant"
    LOGARITHMIC = "logarithmic"
    LINEAR = "linear"


@dataclass(frozen=True)
class Case:
    """One act.

    Attributes:
        what: What there is much of, and what the act does.
        make: Prepares a size; returns the act.
        order: How the cost grows.
        most: The largest size that is worth its time and memory.
    """

    what: str
    make: Make
    order: Order
    most: int = 1_000_000


def cost(make: Make, size: int) -> int:
    """Returns the operations of an act on what it was prepared for; the least of two, after two that fill caches."""
    act = make(size)
    act()
    act()
    return min(operations(act) for _ in range(2))


_C, _LOG, _LIN = Order.CONSTANT, Order.LOGARITHMIC, Order.LINEAR
CASES: tuple[Case, ...] = (
    Case("stores: a write of one", write_beside_stores, _C),
    Case("derived values: a write that concerns one", write_beside_derived, _C),
    Case("observers: one comes and goes", subscribe_and_dispose, _C),
    Case("keys: a change, five are selected", many_of_the_keys, _C),
    Case("keys: an entity is replaced", upsert_old_key, _LOG),
    Case("observed keys: an entity is replaced", upsert_observed_key, _LOG),
    Case("keys: one more", upsert_new_key, _LOG),
    Case("keys: one goes and comes again", remove_and_insert, _LOG),
    Case("keys: one more, their count is observed", count_of_keys, _LOG),
    Case("observers: a write that all of them see", write_to_observers, _LIN),
    Case("selectors: a write that changes no part", write_past_selectors, _LIN),
    Case("a chain of derived values: a write", chain_of_derived, _LIN, 100_000),
    Case("a derived value of many stores: a write", derived_of_many, _LIN),
    Case("stores: a batch that writes all", batch_of_many, _LIN),
    Case("history entries: one answer more", answer_in_a_long_session, _LOG),
    Case("streams: a message in one", answer_beside_streams, _LOG, 100_000),
    Case("sessions: one more", session_beside_sessions, _LOG),
    Case("sessions: the active one is closed", session_closed_beside_sessions, _LOG),
    Case("sessions: an answer in one", answer_beside_sessions, _LOG),
    # The view has a reference for each 64 entries.
    Case("outbox entries: one more send", send_behind_waiting, _LIN),
    Case("replicas: an entry of one", message_beside_replicas, _LOG, 100_000),
    Case(
        "clients of a server: a message that one hears", message_to_one_of_the_clients, _C, 100_000
    ),
    Case("replicas: an entry more until the state comes", entry_behind_kept_ones, _LOG, 1_000),
    Case("clients of a server: a message to all", message_to_clients, _LIN, 100_000),
)
