"""The command `reactive-ws new NAME`: writes a small application with a test, as a start for your own.

It writes files and nothing else: it installs nothing and starts nothing. `program` finds the command.
"""

from __future__ import annotations

import argparse
import keyword
import sys
from pathlib import Path

from .command import Command, CommandFailed

__all__ = ["command", "files_of"]

_MESSAGES = '''"""The messages of the application: one class for each type on the wire."""

from attrs import frozen

from reactive_ws import Guarantee, protocol_v1

registry = protocol_v1()


@registry.message("todo.added", guarantee=Guarantee.AT_LEAST_ONCE)
@frozen
class TodoAdded:
    """A new task. The service keeps this message until the server acknowledges it."""

    id: str
    title: str


@registry.message("todo.done", guarantee=Guarantee.AT_LEAST_ONCE)
@frozen
class TodoDone:
    """A task that is finished."""

    id: str
'''

_APP = '''"""The application: a store of tasks, the handlers that fill it, and the actions of the user."""

from uuid import uuid4

from attrs import evolve, frozen

from reactive_ws import Delivery, KeyedStore, WebSocketService

from .messages import TodoAdded, TodoDone


@frozen
class Todo:
    """One task."""

    id: str
    title: str
    is_done: bool = False


class Todos:
    """All tasks, over one service."""

    def __init__(self, service: WebSocketService) -> None:
        self._service = service
        self.items = KeyedStore[str, Todo](name="todos", domain=service.domain)
        service.on(TodoAdded, self._added)
        service.on(TodoDone, self._done)

    def add(self, title: str) -> Delivery:
        """Adds a task. The delivery shows what becomes of the message."""
        return self._service.send(TodoAdded(uuid4().hex, title))

    def finish(self, todo: Todo) -> Delivery:
        """Finishes a task."""
        return self._service.send(TodoDone(todo.id))

    def _added(self, message: TodoAdded) -> None:
        self.items.upsert(message.id, Todo(message.id, message.title))

    def _done(self, message: TodoDone) -> None:
        todo = self.items.get(message.id)
        if todo is not None:
            self.items.upsert(todo.id, evolve(todo, is_done=True))
'''

_MAIN = '''"""The user interface: prints the list after each change, and adds the task from the command line."""

import asyncio
import sys
from collections.abc import Mapping

from reactive_ws import WebSocketService

from .app import Todo, Todos
from .messages import registry


def show(todos: Mapping[str, Todo]) -> None:
    """Prints the list."""
    print(", ".join(f"{'x' if todo.is_done else '-'} {todo.title}" for todo in todos.values()))


async def main(title: str) -> None:
    """Adds one task and finishes it."""
    async with WebSocketService("ws://127.0.0.1:8000/ws", registry=registry) as service:
        await service.wait_connected(10)
        todos = Todos(service)
        todos.items.select_all().subscribe(show)
        await todos.add(title)
        await todos.items.select_all().wait_for(lambda now: len(now) > 0, timeout=10)
        await todos.finish(next(iter(todos.items.get_all().values())))
        await todos.items.select_all().wait_for(
            lambda now: all(todo.is_done for todo in now.values()), timeout=10
        )


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or "milk"))
    except TimeoutError as error:
        sys.exit(f"NAME: {error}")  # is the server running?
'''

_TEST = '''"""Tests of the application, on virtual time and a network in memory."""

from reactive_ws.testing import World, simulate

from NAME.app import Todos
from NAME.messages import TodoAdded, registry


@simulate
async def test_a_task_survives_an_outage() -> None:
    async with World() as world:
        server = await world.server(registry=registry)
        service = world.service(registry=registry)
        todos = Todos(service)
        await service.connect()
        await service.wait_connected(10)

        world.network.black_hole()
        delivery = todos.add("milk")
        await world.advance(120)
        await world.heal()
        await delivery

        sent = (await server.expect(TodoAdded)).payload
        assert sent.title == "milk"


@simulate
async def test_the_list_shows_the_tasks_of_the_server() -> None:
    async with World() as world:
        server = await world.server(registry=registry)
        service = world.service(registry=registry)
        todos = Todos(service)
        await service.connect()
        await service.wait_connected(10)

        server.publish(TodoAdded("1", "tea"))
        await world.settle()
        assert [todo.title for todo in todos.items.get_all().values()] == ["tea"]
'''

_README = """# NAME

    reactive-ws hub --types NAME.messages:registry    # in one terminal: a server for the messages of this application
    python -m NAME.main milk                          # in another terminal
    pytest                                            # needs: pip install 'reactive-ws[testing]'

- `NAME/messages.py`: the messages on the wire
- `NAME/app.py`: the state and the actions
- `NAME/main.py`: the user interface
- `tests/test_app.py`: the tests
"""

_PYTEST = """[tool.pytest.ini_options]
pythonpath = ["."]
"""


def files_of(name: str) -> dict[str, str]:
    """Returns the files of an application by path, for a package of this name."""
    return {
        "README.md": _README.replace("NAME", name),
        "pyproject.toml": _PYTEST,
        f"{name}/__init__.py": f'"""The application {name}."""\n',
        f"{name}/messages.py": _MESSAGES,
        f"{name}/app.py": _APP,
        f"{name}/main.py": _MAIN.replace("NAME", name),
        "tests/test_app.py": _TEST.replace("NAME", name),
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the new folder and its package")


def _run(arguments: argparse.Namespace) -> int:
    name: str = arguments.name
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise CommandFailed(
            f"{name!r} cannot be the name of a package; use letters, digits and _", 2
        )
    if name in ("reactive_ws", "tests", *sys.stdlib_module_names):
        raise CommandFailed(f"the name {name!r} is taken; choose another one", 2)
    folder = Path(name)
    if folder.exists():
        raise CommandFailed(f"{name!r} exists already; choose another name or remove it")
    for path, text in files_of(name).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    print(f"wrote {name}/; {name}/README.md shows how to run and test it")
    return 0


command = Command(
    name="new",
    help="write a small application with a test",
    configure=_configure,
    run=_run,
)
