"""The composition root: builds the stores over one service, wires the server's messages to them, hands them out.

    async with Application.at("ws://localhost:8000/ws") as app:      inside your asyncio loop
        app.history.send(app.sessions.create("first").id, "hello")

    app = Application.at(); app.start(); ...; app.stop()             for GUI programs, in the service's own thread

Nothing is global: two roots share no state. `application()` gives the one that most programs need.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self, Unpack

from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from reactive_ws.engine import Domain, check_kind, refuse_copy
from reactive_ws.outbox import Delivery
from reactive_ws.service import ServiceOptions, WebSocketService
from reactive_ws.wire import Registry

from .carousel import Carousel
from .catching_up import CatchingUp
from .channels import Channels
from .connection import ConnectionStore
from .errors import Errors
from .history import History, Post
from .notifications import Notifications
from .offline import Offline
from .outside import Handlers, Later, Runs, clocks
from .sessions import Sessions
from .state_file import keep
from .typing import TypingUsers
from .wire import MessageSend, SessionCreate, command_center

__all__ = ["Application", "application"]


class Application:
    """All stores of an agent-chat application, kept up to date by one service.

    The stores belong to the service's domain, so that a position in a stream and what the message did there are one commit.

    Args:
        service: Not connected yet; `start` or `async with` connects it. `at` makes one that knows all event types.
        wraps: Whether the carousel goes round.
        post: Sends chat messages in its own way, such as a REST call; the socket when None.
        state_file: Where sessions, panels, notifications, read marks and failed messages survive the process, with the
            position in their stream. Loaded here, before anything is connected; None keeps all in memory.
        max_messages: Settled messages of a session that are held.
        idle_after: Seconds without activity after which a session is idle.
        clock: Wall clock, UTC.
        now: Seconds of the service's clock.
        later: Starts a timer.
        new_id: Ids of messages and sessions that are made here.

    Attributes:
        connection, history, sessions, carousel, notifications, channels, typing, offline, errors: The stores.
        service: The service.

    Raises:
        UsageError: this process has the state file open already.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        service: WebSocketService,
        *,
        wraps: bool = False,
        post: Post | None = None,
        state_file: str | os.PathLike[str] | None = None,
        max_messages: int = 1_000_000,
        idle_after: float = 300.0,
        clock: Callable[[], datetime] | None = None,
        now: Callable[[], float] | None = None,
        later: Later | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        check_kind(
            service, WebSocketService, "service", "the one that Application.at(url) makes for you"
        )
        domain = service.domain
        clock = clock or clocks.utc_now
        new_id = new_id or clocks.new_id
        now = now or clocks.seconds
        later = later or clocks.call_later
        send = service.send
        catching_up = CatchingUp(
            ask=service.sync,
            is_loaded=self._is_loaded,
            sessions=lambda: self.sessions.state.get(),
            now=now,
        )
        sync = catching_up.sync
        self.service = service
        self.errors = Errors(domain, clock=clock)
        report = self.errors.report
        self.connection = ConnectionStore(
            domain, service=service, clock=clock, now=now, later=later
        )
        self.sessions = Sessions(
            domain,
            follow=service.replica,
            new_id=new_id,
            clock=clock,
            sync=sync,
            report=report,
            later=later,
            idle_after=idle_after,
        )
        self.history = History(
            domain,
            send=send,
            sync=sync,
            report=report,
            new_id=new_id,
            clock=clock,
            touch=self.sessions.touch,
            post=post,
            max_messages=max_messages,
        )
        self.carousel = Carousel(
            domain, follow=service.replica, sync=sync, report=report, wraps=wraps
        )
        self.notifications = Notifications(follow=service.replica)
        self.channels = Channels(
            domain,
            messages=service.messages,
            follow=lambda name: service.messages(name, subscribe=True).subscribe(_unheard),
        )
        self.typing = TypingUsers(domain, send=send, now=now, later=later)
        self.offline = Offline(domain, service=service, report=report, resend=self._resend)
        self._file = None if state_file is None else keep(self, state_file, report)
        self._adopt()
        self._wiring = CompositeDisposable(
            self.connection.subscription,
            self.offline.subscription,
            self.carousel.subscription,
            service.errors.subscribe(self.errors.observe),
            self.connection.is_connected.subscribe(self._turned),
            self.connection.is_connected.subscribe(catching_up.connected),
        )
        self._wire(self.connection.handlers)
        self._wire(self.history.handlers, self.history.runs)
        self._wire(self.sessions.handlers, self.sessions.runs)
        self._wire(self.carousel.handlers)
        self._wire(self.channels.handlers)
        self._wire(self.typing.handlers)
        self._wire(self.offline.handlers)
        # After the stores, whose new state it looks at.
        self._wire(catching_up.handlers)

    @classmethod
    def at(
        cls,
        url: str | None = None,
        *,
        wraps: bool = False,
        post: Post | None = None,
        state_file: str | os.PathLike[str] | None = None,
        max_messages: int = 1_000_000,
        idle_after: float = 300.0,
        **options: Unpack[ServiceOptions],
    ) -> Self:
        """Returns an application with a service and a domain of its own; its registry knows all event types.

        Args:
            url: Where to; see `WebSocketService`.
            wraps, post, state_file, max_messages, idle_after: See `Application`.
            options: What `WebSocketService` takes.

        Raises:
            BadAddress: the URL cannot be dialled.
            JournalError: the durable outbox's file cannot be used.
            UsageError: this process has the state file open already, or an option has a wrong type or value.
        """
        options.setdefault("domain", Domain("stores"))
        if options.get("codec") is None:
            registry = options.get("registry")
            check_kind(registry, Registry, "registry=", "protocol_v1()")
            options["registry"] = command_center(registry)
        return cls(
            WebSocketService(url, **options),
            wraps=wraps,
            post=post,
            state_file=state_file,
            max_messages=max_messages,
            idle_after=idle_after,
        )

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
        self._rest()

    def start(self) -> None:
        """Connects in a thread of its own; see `WebSocketService.start`."""
        self.service.start()

    def stop(self) -> None:
        """Sends what waits for at most 5 s, disconnects and ends the thread; see `WebSocketService.stop`."""
        self.service.stop()
        self._rest()

    def close(self) -> None:
        """Takes the stores off the service; they keep their last state. The service goes on."""
        self._wiring.dispose()
        for replica in (self.sessions.replica, self.carousel.replica, self.notifications.replica):
            replica.close()
        self._rest()
        if self._file is not None:
            self._file.close()

    def _rest(self) -> None:
        """Ends the timers and writes what is not saved; the next connection starts them again."""
        self.typing.clear()
        self.sessions.stop_waiting()
        if self._file is not None:
            self._file.flush()

    # --- wiring ---------------------------------------------------------------------------------------------------------

    def _wire(self, handlers: Handlers, runs: Runs | None = None) -> None:
        for name, handler in handlers.items():
            run = None if runs is None else runs.get(name)
            registration: DisposableBase = self.service.on(name, handler, run=run)
            self._wiring.add(registration)

    def _turned(self, is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
        if not is_connected:
            self.typing.clear()

    def _is_loaded(self, session_id: str) -> bool:
        return self.history.get(session_id).is_loaded

    def _adopt(self) -> None:
        """Shows what an earlier process queued and the durable outbox still has."""
        for waiting in self.service.outbox.get().entries:
            payload = waiting.envelope.payload
            if isinstance(payload, SessionCreate):
                self.sessions.adopt(payload, waiting.delivery)
            elif isinstance(payload, MessageSend):
                self.history.adopt(payload.message, waiting.delivery)

    def _resend(self, payload: MessageSend) -> Delivery:
        return self.history.send_message(payload.message)


def _unheard(_: object) -> None:
    """Keeps a channel subscribed; its messages reach the stores as all others do."""


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
