"""Messages between server and client, and the state that both fold from them."""

from __future__ import annotations

import attrs

from reactive_ws.wire import Guarantee, Registry, protocol_v1

LIST = "todos"
"""The stream that all clients follow."""


@attrs.frozen
class TodoAdd:
    """Put an entry on the list. The client makes its id."""

    id: str
    title: str


@attrs.frozen
class TodoTick:
    """Tick an entry off, or take the tick back."""

    id: str
    is_done: bool


@attrs.frozen
class TodoAdded:
    """An entry is on the list."""

    id: str
    title: str


@attrs.frozen
class TodoTicked:
    """An entry is done, or is not."""

    id: str
    is_done: bool


@attrs.frozen
class Todo:
    """One entry."""

    id: str
    title: str
    is_done: bool = False


@attrs.frozen
class TodoList:
    """The whole list, oldest entry first."""

    items: tuple[Todo, ...] = ()


def added(state: TodoList, message: TodoAdd | TodoAdded) -> TodoList:
    """Returns the list with the new entry."""
    return TodoList((*state.items, Todo(message.id, message.title)))


def ticked(state: TodoList, message: TodoTick | TodoTicked) -> TodoList:
    """Returns the list with the changed entry."""
    return TodoList(
        tuple(
            attrs.evolve(item, is_done=message.is_done) if item.id == message.id else item
            for item in state.items
        )
    )


def registry() -> Registry:
    """Returns the message types."""
    types = protocol_v1()
    types.message("todo.add", guarantee=Guarantee.AT_LEAST_ONCE)(TodoAdd)
    types.message("todo.tick", guarantee=Guarantee.AT_LEAST_ONCE)(TodoTick)
    types.message("todo.added")(TodoAdded)
    types.message("todo.ticked")(TodoTicked)
    return types
