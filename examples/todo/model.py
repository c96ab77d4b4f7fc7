"""The list as one client sees it, and what a user can do with it. Knows no toolkit; `client.py` and `client_qt.py` show it."""

from __future__ import annotations

import uuid
from typing import Any

import attrs

from reactive_ws import Domain, ReadOnly, WebSocketService, derived
from reactive_ws.outbox import Delivery
from reactive_ws.replicas import PendingCommand, Replica, ReplicaStatus
from reactive_ws.wire import JsonCodec

from .messages import (
    LIST,
    Todo,
    TodoAdd,
    TodoAdded,
    TodoList,
    TodoTick,
    TodoTicked,
    added,
    registry,
    ticked,
)


@attrs.frozen
class Row:
    """An entry on the screen, and whether a command of this client for it waits for the server."""

    todo: Todo
    is_pending: bool


class TodoClient:
    """The list as this client sees it, and what a user can do with it.

    Args:
        url: Where the server is.
        options: Passed to `WebSocketService`, such as `domain` or `backoff`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        options.setdefault("domain", Domain("todo"))
        self.service = WebSocketService(url, codec=JsonCodec(registry()), **options)
        self._todos = self.service.replica(
            LIST,
            TodoList(),
            {TodoAdded: added, TodoTicked: ticked},
            optimistic={TodoAdd: added, TodoTick: ticked},
        )
        self.rows = derived(self._todos, self._todos.pending, rows)

    @property
    def todos(self) -> Replica[TodoList]:
        """The list, with the commands that are under way."""
        return self._todos

    @property
    def status(self) -> ReadOnly[ReplicaStatus]:
        """How far the list is."""
        return self._todos.status

    def add(self, title: str) -> Delivery:
        """Adds an entry; it shows at once, and the delivery ends when the server has it."""
        return self._todos.send(TodoAdd(uuid.uuid4().hex, title))

    def tick(self, item: str, *, is_done: bool) -> Delivery:
        """Ticks an entry off."""
        return self._todos.send(TodoTick(item, is_done))


def rows(todos: TodoList, pending: tuple[PendingCommand, ...]) -> tuple[Row, ...]:
    """Returns the entries, with those marked that a pending command is about."""
    waiting = {command.payload.id for command in pending}
    return tuple(Row(item, item.id in waiting) for item in todos.items)
