"""Servers, services and what they must keep, in one simulation: the table on which tests of whole programs are played.

`World` makes scripted servers and services whose clock, chance and ids come from the simulation. It watches the services'
streams, and checks the rules that hold whatever happens. Tests and the machines of `machines` use it.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from reactivex.abc import DisposableBase

from ...connection import ConnectionState, ErrorEvent, ErrorKind
from ...engine import Domain, ErrorReport
from ...errors import DeliveryError
from ...service import ServiceOptions, WebSocketService
from ..server import ScriptedServer, ServerOptions, Transcript
from ..simulation import Network, Simulation
from ..watching import History, Monitor
from .connection_watch import ConnectionWatch

__all__ = ["World"]

T = TypeVar("T")

_URL = "ws://server:80/ws"
_BURST = 0.01


class World:
    """Servers and services in a simulation. A context manager, in async tests with `async with`.

    In a test with `@simulate` it joins the simulation of the test; elsewhere, with a plain `with`, it opens its own, and
    `run` runs what is to be awaited. Leaving it checks the rules, stops everything, and checks that nothing is left over.

    Args:
        seed: Of the simulation that it opens.
        order: The same.

    Attributes:
        simulation: The simulation.
        network: Its network.
        servers: Every server that was made here.
        services: Every service that was made here.
        history: What became of messages; the servers write it, and `services` made here too.
        transcript: The frames of all servers.
        errors: Error events of the services.
        domain: For the stores under test: its observers run in the loop, and what they raise fails `check`.
    """

    def __init__(self, seed: int = 0, *, order: int | None = None) -> None:
        open_one = Simulation.current_or_none()
        self._is_own = open_one is None
        self.simulation = open_one or Simulation(seed, order=order)
        self.network: Network = self.simulation.network
        self.servers: list[ScriptedServer] = []
        self.services: list[WebSocketService] = []
        self.transcript = Transcript()
        self.history = History(self.simulation.loop.time)
        self.errors: list[ErrorEvent] = []
        self._reports: list[ErrorReport] = []
        self.domain = Domain("world", home=self.simulation.loop, on_error=self._reports.append)
        self._monitors: list[Monitor[Any]] = []
        self._watches: list[ConnectionWatch] = []
        self._subscriptions: list[DisposableBase] = []

    def __repr__(self) -> str:
        return f"<World at t={self.now:g} s: {len(self.servers)} servers, {len(self.services)} services>"

    # --- making -------------------------------------------------------------------------------------------------------

    async def server(self, url: str = _URL, **options: Unpack[ServerOptions]) -> ScriptedServer:
        """Makes a server and starts it. The options are those of `ScriptedServer`."""
        own: ServerOptions = {"transcript": self.transcript, "history": self.history}
        own.update(options)
        server = ScriptedServer(url, **own)
        self.servers.append(server)
        await server.start()
        return server

    def service(self, url: str = _URL, **options: Unpack[ServiceOptions]) -> WebSocketService:
        """Makes a service that takes everything from this world; it is not connected yet.

        The options are those of `WebSocketService`; its domain is the world's.
        """
        simulation = self.simulation
        own: ServiceOptions = {
            "domain": self.domain,
            "rng": simulation.random,
            "clock": simulation.wall_clock,
            "new_id": simulation.new_id,
            "suspended": lambda: 0.0,
            "proxy": None,
        }
        own.update(options)
        service = WebSocketService(url, **own)
        self.services.append(service)
        parameters = inspect.signature(WebSocketService).parameters
        self._watches.append(
            ConnectionWatch(
                service,
                stable_after=options.get("stable_after", parameters["stable_after"].default),
                is_awake="suspended" not in options,
            )
        )
        connection = service.connection
        self.watch(connection.select(), name="service.connection", current=connection.get)
        self._subscriptions.append(service.errors.subscribe(self.errors.append))
        return service

    def watch(self, stream: Any, **options: Any) -> Monitor[Any]:
        """Puts a monitor on a stream; `check` asks it. The options are those of `Monitor`."""
        monitor: Monitor[Any] = Monitor(stream, **options)
        self._monitors.append(monitor)
        return monitor

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.simulation.loop.time()

    async def advance(self, seconds: float) -> None:
        """Lets this much time pass."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """Waits until no task is ready and no byte is under way, 10 ms later too: services gather bursts for a moment."""
        await self.simulation.loop.quiet()
        await asyncio.sleep(_BURST)
        await self.simulation.loop.quiet()

    async def heal(self) -> None:
        """Ends all faults and mischief, and lets the servers listen again."""
        self.network.heal()
        for server in self.servers:
            server.behave()
            if not server.is_listening:
                await server.start()

    def run(self, awaitable: Awaitable[T]) -> T:
        """Runs what is to be awaited; for code that is not async."""
        return self.simulation.run(awaitable)

    def call(self, function: Callable[[], Any]) -> Any:
        """Calls a function inside of the loop, as a callback would, and returns its result; awaits it if it must be."""

        async def inside() -> Any:
            result = function()
            return await result if inspect.isawaitable(result) else result

        return self.simulation.run(inside())

    # --- rules --------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Checks what holds whenever nothing is ready to run; call `settle` before.

        Raises:
            AssertionError, ExceptionGroup: a rule is broken, or a handler, observer or task raised.
        """
        for monitor in self._monitors:
            monitor.check()
        for watch in self._watches:
            watch.check()
        raised = self._raised()
        self._reports.clear()
        if raised:
            raise ExceptionGroup(
                "observers or handlers raised", [_as_exception(error) for error in raised]
            )
        self.simulation.loop.check_background()
        open_ends = [link for link in self.network.links if not link.client.is_closing()]
        if len(open_ends) > len(self.services):
            raise AssertionError(
                f"{len(self.services)} services hold {len(open_ends)} connections: {open_ends}"
            )

    def _raised(self) -> list[BaseException]:
        """The exceptions of observers and handlers."""
        handlers = [
            event.exception
            for event in self.errors
            if event.kind is ErrorKind.APPLICATION
            and event.source is not None
            # A full outbox drops messages by design, and says so.
            and not isinstance(event.exception, DeliveryError)
        ]
        return [*(report.error for report in self._reports), *handlers]

    def check_at_rest(self) -> None:
        """Checks that the services, now that all of them are disconnected, hold nothing.

        Raises:
            AssertionError: a connection is open, or a timer is set.
        """
        links = [link for link in self.network.links if not link.client.is_lost]
        if self.services and links:
            raise AssertionError(f"after disconnect() these connections are open: {links}")
        timers = [timer for timer in self.simulation.loop.timers if _is_of_the_framework(timer)]
        if timers:
            raise AssertionError(f"after disconnect() these timers are set: {timers}")

    async def close(self) -> None:
        """Stops services and servers, and checks that they leave nothing behind.

        Raises:
            AssertionError: a connection stayed open, or a timer set.
        """
        for service in self.services:
            await service.disconnect()
        self.network.heal()
        await self.settle()
        self.check()
        self.check_at_rest()
        await self._end()

    async def _end(self) -> None:
        for subscription in self._subscriptions:
            subscription.dispose()
        for monitor in self._monitors:
            monitor.dispose()
        for server in self.servers:
            await server.stop()

    # --- contexts -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if not self._is_own:
            raise RuntimeError("inside of a simulation use `async with World()`")
        self.simulation.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self.run(self.close())
            except BaseException as failed:
                self._leave(failed)
                raise
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        try:
            self.explain(error)
        finally:
            trace = None if error is None else error.__traceback__
            self.simulation.__exit__(None if error is None else type(error), error, trace)

    async def __aenter__(self) -> Self:
        if self._is_own:
            raise RuntimeError(
                "no simulation is open: put @simulate above the test, or use `with World()`"
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.explain(error)
            await self._end()

    def explain(self, error: BaseException | None) -> None:
        """Adds to the error of a test: services without a connection, exceptions, and the file with the frames."""
        if error is None:
            return
        for service in self.services:
            why = self._why_not_connected(service)
            if why is not None:
                error.add_note(why)
        shown: tuple[object, ...] = getattr(error, "exceptions", ())
        for raised in self._raised():
            if raised is not error and raised not in shown:
                error.add_note(
                    f"meanwhile an observer or handler raised: {type(raised).__name__}: {raised}"
                )
        if not self.transcript.frames:
            return
        folder = Path(os.environ.get("REACTIVE_WS_TRANSCRIPTS", tempfile.gettempdir()))
        path = self.transcript.write(folder / f"reactive-ws-{self._name_of_run()}.jsonl")
        error.add_note(f"every frame of this run: {path}")

    def _why_not_connected(self, service: WebSocketService) -> str | None:
        now = service.connection.get()
        if now.is_connected or now.state is ConnectionState.CLOSED:
            return None
        why = now.cause or "the server has not answered yet"
        listening = ", ".join(server.url for server in self.servers if server.is_listening)
        return (
            f"the service for {now.url} is {now.state.name} at t={self.now:g} s: {why}; "
            f"servers that listen: {listening or 'none, await world.server() starts one'}"
        )

    def _name_of_run(self) -> str:
        """The test's name when pytest says it: a test that fails very often while it is shrunk keeps the last file only."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.rpartition("/")[2])[:150].strip("-")
        return name or hashlib.sha256(bytes(self.transcript)).hexdigest()[:12]


def _is_of_the_framework(timer: asyncio.TimerHandle) -> bool:
    module: str = getattr(getattr(timer, "_callback", None), "__module__", None) or ""
    if module.startswith(("reactive_ws.testing.", "reactive_ws.stores.")):
        return False
    return module.startswith("reactive_ws.")


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
