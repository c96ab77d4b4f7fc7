"""The composition root: builds the stores over one service, wires the server's messages to them, hands them out.

    async with Application.at("ws://localhost:8000/ws") as app:      inside your asyncio loop
        app.history.send(app.sessions.create("first").id, "hello")

    app = Application.at(); app.start(); ...; app.stop()             for GUI programs, in the service's own thread

Nothing is global: two roots share no state. `application()` gives the one that most programs need.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from reactive_ws.domain import Domain
from reactive_ws.messages import Envelope, Snapshot
from reactive_ws.service import WebSocketService

from .carousel import Carousel
from .connection import ConnectionStore
from .errors import Errors
from .history import History
from .notifications import Notifications
from .ports import Handlers, Runs
from .sessions import Sessions
from .typing import Later, TypingUsers

__all__ = ["Application", "application"]

_APP = "app"
"""The stream of sessions, panels and notifications."""


class Application:
    """All stores of an agent-chat application, kept up to date by one service.

    The stores belong to the service's domain, so that a position in a stream and what the message did there are one commit.

    Args:
        service: Not connected yet; `start` or `async with` connects it.
        wraps: Whether the carousel goes round.
        clock: Wall clock, UTC.
        now: Monotonic seconds.
        later: Starts a timer.
        new_id: Ids of messages and sessions that are made here.

    Attributes:
        connection, history, sessions, carousel, notifications, typing, errors: The stores.
        service: The service.
    """

    def __init__(
        self,
        service: WebSocketService,
        *,
        wraps: bool = False,
        clock: Callable[[], datetime] | None = None,
        now: Callable[[], float] = time.monotonic,
        later: Later | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        domain = service.domain
        clock = clock or _utc_now
        new_id = new_id or _new_id
        send = service.send
        self.service = service
        self.errors = Errors(domain, clock=clock)
        report = self.errors.report
        self.connection = ConnectionStore(domain, service=service, clock=clock)
        self.history = History(
            domain, send=send, sync=self._sync, report=report, new_id=new_id, clock=clock
        )
        self.sessions = Sessions(domain, send=send, new_id=new_id, clock=clock)
        self.carousel = Carousel(domain, sync=self._sync, report=report, wraps=wraps)
        self.notifications = Notifications(domain, send=send)
        self.typing = TypingUsers(domain, send=send, now=now, later=later or _later)
        self._asked: set[str] = set()
        self._wiring = CompositeDisposable(
            self.connection.subscription,
            service.errors.subscribe(self.errors.observe),
            service.connection.select(lambda it: it.is_connected).subscribe(self._turned),
        )
        self._wire(self.connection.handlers)
        self._wire(self.history.handlers, self.history.runs)
        self._wire(self.sessions.handlers, self.sessions.runs)
        self._wire(self.carousel.handlers)
        self._wire(self.notifications.handlers)
        self._wire(self.typing.handlers)
        self._wire({"snapshot": self._came_up_to_date})

    @classmethod
    def at(cls, url: str | None = None, *, wraps: bool = False, **options: Any) -> Self:
        """Returns an application with a service and a domain of its own.

        Args:
            url: Where to; see `WebSocketService`.
            wraps: Whether the carousel goes round.
            options: What `WebSocketService` takes.

        Raises:
            BadAddress: the URL cannot be dialled.
        """
        options.setdefault("domain", Domain("stores"))
        return cls(WebSocketService(url, **options), wraps=wraps)

    def __repr__(self) -> str:
        return f"<Application over {self.service!r}>"

    # --- starting and ending --------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.service.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.service.__aexit__(kind, error, traceback)

    def start(self) -> None:
        """Connects in a thread of its own; see `WebSocketService.start`."""
        self.service.start()

    def stop(self) -> None:
        """Sends what waits for at most 5 s, disconnects and ends the thread; see `WebSocketService.stop`."""
        self.service.stop()

    def close(self) -> None:
        """Takes the stores off the service; they keep their last state. The service goes on."""
        self.typing.clear()
        self._wiring.dispose()

    # --- wiring ---------------------------------------------------------------------------------------------------------

    def _wire(self, handlers: Handlers, runs: Runs | None = None) -> None:
        for name, handler in handlers.items():
            run = None if runs is None else runs.get(name)
            registration: DisposableBase = self.service.on(name, handler, run=run)
            self._wiring.add(registration)

    def _turned(self, is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
        """Asks for what is not known yet; what is known is resumed or fetched anew by the service."""
        self._asked.clear()
        if not is_connected:
            self.typing.clear()
            return
        positions = self.service.positions.get()
        if _APP not in positions:
            self._sync(_APP)
        for session in self.sessions.state.get().sessions:
            if session.id not in positions and not self.history.get(session.id).is_loaded:
                self._load(session.id)

    def _came_up_to_date(self, envelope: Envelope[Snapshot]) -> None:
        snapshot = envelope.payload
        self._asked.discard(snapshot.stream)
        for session in snapshot.sessions or ():
            self._load(session.id)

    def _load(self, session_id: str) -> None:
        if not self.history.get(session_id).is_loaded:
            self._sync(session_id)

    def _sync(self, stream: str) -> None:
        # Every piece of an answer whose beginning is missing would ask again until the snapshot is here.
        if stream not in self._asked:
            self._asked.add(stream)
            self.service.sync(stream)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


def _later(delay: float, function: Callable[[], None]) -> Callable[[], None]:
    """Starts a timer in the running loop, or a thread where there is none."""
    try:
        return asyncio.get_running_loop().call_later(delay, function).cancel
    except RuntimeError:
        timer = threading.Timer(delay, function)
        timer.daemon = True
        timer.start()
        return timer.cancel


_lock = threading.Lock()
_usual: list[Application] = []


def application() -> Application:
    """Returns the usual application, made on the first call, for the address in `REACTIVE_WS_URL`. Any thread.

    Raises:
        BadAddress: that address cannot be dialled.
    """
    with _lock:
        if not _usual:
            _usual.append(Application.at())
        return _usual[0]
