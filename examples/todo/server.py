"""The server: `uvicorn todo.server:app --app-dir examples`. `TODO_LOG` is a file, or postgresql://..."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from reactive_ws.server import Context, Refused, Server, SessionSettings, log_of

from .messages import (
    LIST,
    TodoAdd,
    TodoAdded,
    TodoList,
    TodoTick,
    TodoTicked,
    added,
    registry,
    ticked,
)

MOST = 10_000
server = Server(
    registry(),
    log=log_of(os.environ.get("TODO_LOG", "todo.db")),
    settings=SessionSettings(channels=(LIST,)),
    leave_after=2.0,
)
todos = server.state(LIST, TodoList(), {TodoAdded: added, TodoTicked: ticked})


@server.command(TodoAdd)
async def add(command: TodoAdd, context: Context) -> None:
    """Adds an entry, unless the list is full or the entry is there."""
    items = context.state(todos).items
    if not command.title.strip():
        raise Refused("empty", "an entry needs a title")
    if len(items) >= MOST:
        raise Refused("full", f"there are {MOST} entries already")
    if all(item.id != command.id for item in items):
        context.publish(LIST, TodoAdded(command.id, command.title.strip()))


@server.command(TodoTick)
async def tick(command: TodoTick, context: Context) -> None:
    """Ticks an entry off."""
    found = next((item for item in context.state(todos).items if item.id == command.id), None)
    if found is None:
        raise Refused("unknown", "there is no such entry")
    if found.is_done != command.is_done:
        context.publish(LIST, TodoTicked(command.id, command.is_done))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Opens the log before the first client comes, and says goodbye to the last."""
    await server.start()
    yield
    await server.stop()


app = FastAPI(lifespan=lifespan)


@app.get("/count")
async def count() -> dict[str, int]:
    """Returns how many entries there are: HTTP and WebSocket share the state."""
    return {"entries": len((await server.read(todos)).items)}


app.mount("/live", server)
