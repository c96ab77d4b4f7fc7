"""Starts, stops, connects and disconnects a service, in the caller's loop or in a thread of its own.

It makes the shell of the moment, listens to it, and lets everything go when the shell has ended. What another thread
asks for is posted to the loop. Only `stop` blocks. `service` documents the public methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from ..connection import Connection, Counters, Decisions, ErrorKind, Logbook
from ..engine import Domain, LoopHome
from ..errors import UsageError
from ..inbound import Dispatcher, Receiver, Subscriptions
from ..outbox import Outbox, Pending
from ..transport import Settings
from ..wire import Envelope
from .conversation import Conversation
from .handlers import Handlers
from .loop import BackgroundThread
from .place import ServicePlace
from .sender import Sender
from .shell import Shell
from .status import Reports, Status

__all__ = ["Runtime"]

_LOOK = 0.2
"""Seconds between looks whether the loop that is waited for still lives."""


class Runtime:
    """The life of a service. It is the `Listener` of the shell.

    Args:
        settings: The options of the service.
        conversation: Has the session of the dialect.
        domain: Whose home is the service's loop while the service runs.
        place: Where the service runs; this class fills it.
        decisions, outbox, receiver, subscriptions, dispatcher, counters, log: The parts that a shell needs.
        handlers: Has async handlers, which a disconnect cancels.
        sender: Takes messages, or refuses them after a disconnect.
        status: Shows what happens.
        reports: Takes the errors.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        conversation: Conversation,
        domain: Domain,
        place: ServicePlace,
        decisions: Decisions,
        outbox: Outbox,
        receiver: Receiver,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
        counters: Counters,
        log: Logbook,
        handlers: Handlers,
        sender: Sender,
        status: Status,
        reports: Reports,
    ) -> None:
        self._settings = settings
        self._conversation = conversation
        self._domain = domain
        self._place = place
        self._decisions = decisions
        self._outbox = outbox
        self._receiver = receiver
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._counters = counters
        self._log = log
        self._handlers = handlers
        self._sender = sender
        self._status = status
        self._reports = reports
        self._starting = threading.Lock()
        self._closing: list[Pending[None]] = []
        self._refresh: asyncio.Task[None] | None = None

    # --- what programs call -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Runs in a thread of its own, and connects."""
        self._place.check_process()
        begun: Pending[None] = Pending()
        while True:
            thread = self._own_thread()
            if thread.is_current:
                self._begin(begun)
                return
            if thread.post(lambda: self._begin(begun)):
                return

    def stop(self, drain: float) -> None:
        """Disconnects and ends the thread of `start`. In a forked child there is nothing to end."""
        place = self._place
        if place.is_forked:
            return
        thread, shell = place.thread, place.shell
        if shell is not None and not (shell.loop.is_running() or shell.loop.is_closed()):
            raise UsageError("the service's event loop does not run; `await disconnect()` in it")
        over = self.disconnect(drain)
        if thread is None:
            if shell is None or asyncio._get_running_loop() is not shell.loop:
                self._wait_for(over, shell)
        elif thread.is_current:
            over.then(lambda: thread.stop(place.is_idle))
        else:
            over.result()
            thread.stop(place.is_idle)
            with self._starting:
                if thread.is_over and place.thread is thread:
                    place.thread = None

    def connect(self) -> Pending[None]:
        """Starts to connect."""
        self._place.check_process()
        begun: Pending[None] = Pending()

        def begin() -> None:
            self._begin(begun)

        thread = self._place.thread
        if thread is not None and thread.is_over and thread.is_current:
            # This thread is ending and cannot be used again; another one connects.
            thread = self._own_thread()
        if thread is not None and not thread.is_current and thread.post(begin):
            return begun
        if self._place.shell is not None:
            self._place.post(begin)
        else:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                raise UsageError(
                    "no event loop is running here: use `async with service:` in one, or service.start()"
                ) from None
            begin()
        return begun

    def disconnect(self, drain: float) -> Pending[None]:
        """Closes for good."""
        over: Pending[None] = Pending()
        if self._place.is_forked:
            over.settle(None)
            return over

        def end() -> None:
            shell = self._place.shell
            if shell is None:
                self._sender.settle()
                self._sender.close()
                over.settle(None)
                return
            self._closing.append(over)
            shell.disconnect(drain)

        self._refuse()
        self._place.post(end)
        return over

    def reconnect(self) -> None:
        """Drops the socket and dials at once."""
        self._place.check_process()

        def again() -> None:
            self._accept()
            if self._place.shell is not None:
                self._place.shell.reconnect()

        if self._place.shell is None:
            self.connect()
        else:
            self._place.post(again)

    def refresh_token(self) -> None:
        """Asks the token provider again and sends the token to the server."""
        self._place.check_process()

        def refresh() -> None:
            shell = self._place.shell
            if shell is not None:
                self._refresh = shell.loop.create_task(
                    self._refresh_with(shell), name="reactive_ws-refresh"
                )

        self._place.post(refresh)

    def sync(self, streams: tuple[str, ...]) -> None:
        """Asks the server for snapshots."""
        self._place.check_process()

        def ask() -> None:
            if self._place.shell is not None:
                self._place.shell.sync(streams)

        self._place.post(ask)

    def forget(self, streams: tuple[str, ...]) -> None:
        """Forgets the positions of streams."""
        self._place.check_process()

        def forget() -> None:
            if self._place.shell is not None:
                self._place.shell.forget(streams)
            else:
                self._receiver.forget(streams)

        self._place.post(forget)

    # --- what the shell reports -------------------------------------------------------------------------------------------

    def published(self, connection: Connection) -> None:
        """Shows a new record of the connection."""
        self._status.publish(connection)

    def reported(self, kind: ErrorKind, error: Exception, *, is_retryable: bool) -> None:
        """Reports an error."""
        self._reports.error(kind, error, is_retryable=is_retryable)

    def outbox_changed(self) -> None:
        """Shows the outbox."""
        self._status.outbox_changed()

    def counted(self) -> None:
        """Shows the metrics."""
        self._status.counted()

    def settled(self) -> None:
        """A disconnect on purpose has decided what becomes of every message: takes no more."""
        self._refuse()
        self._sender.fail_requests()

    def asked(self, message: Envelope[Any]) -> Any:
        """Asks the program for the answer to a request of the server."""
        return self._handlers.answer(message)

    def token_expires(self) -> None:
        """Replaces the token."""
        self.refresh_token()

    def ended(self) -> None:
        """Everything is closed: lets the loop go, and resolves the disconnects when no task of the service is left."""
        place = self._place
        shell = place.shell
        if shell is None:
            return
        place.shell = None
        tasks: set[asyncio.Task[None]] = set()
        # Tasks of a closed loop cannot even be cancelled.
        with contextlib.suppress(RuntimeError):
            tasks |= self._handlers.cancel()
            if self._refresh is not None:
                self._refresh.cancel()
                tasks.add(self._refresh)
        self._dispatcher.clock = self._receiver.clock = place.now
        if shell.loop.is_closed():
            tasks.clear()
            # A closed loop delivers nothing.
            self._leave_home(shell)
            self._status.connection.set(self._decisions.connection)
        self._status.end()
        self._sender.close()
        self._leave_home(shell)
        if not tasks:
            self._settle_closing()
        for task in tasks:

            def ended(done: asyncio.Task[None]) -> None:
                tasks.discard(done)
                if not tasks:
                    self._settle_closing()

            task.add_done_callback(ended)

    # --- how ------------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        self._sender.accept()
        self._status.accepting(is_accepting=True)

    def _refuse(self) -> None:
        self._sender.refuse()
        self._status.accepting(is_accepting=False)

    def _own_thread(self) -> BackgroundThread:
        place = self._place
        with self._starting:
            if place.thread is None or place.thread.is_over:
                if place.shell is not None:
                    raise UsageError("the service runs in your event loop; use connect() there")
                place.thread = BackgroundThread(f"reactive_ws {self._settings.shown_url}")
            return place.thread

    def _begin(self, begun: Pending[None]) -> None:
        try:
            self._accept()
            self._bind().connect()
            # connect() cancelled the disconnects that were under way; this resolves their waiters.
            self._settle_closing()
        except Exception as error:  # noqa: BLE001 - raised where `begun` is awaited
            begun.fail(error)
            self._reports.error(ErrorKind.APPLICATION, error, is_retryable=False)
        else:
            begun.settle(None)

    def _bind(self) -> Shell:
        """Returns the shell in the running loop; makes it when there is none."""
        place = self._place
        loop = asyncio.get_running_loop()
        if place.shell is not None and place.shell.loop.is_closed():
            place.shell.leave_closed_loop()
        if place.shell is None:
            self._sender.open()
            place.shell = Shell(
                self._settings,
                conversation=self._conversation,
                decisions=self._decisions,
                outbox=self._outbox,
                receiver=self._receiver,
                counters=self._counters,
                subscriptions=self._subscriptions,
                log=self._log,
                listener=self,
            )
            self._dispatcher.clock = self._receiver.clock = loop.time
            if self._domain.home is None:
                self._domain.set_home(loop)
        elif place.shell.loop is not loop:
            raise UsageError("the service runs in another event loop; disconnect it there first")
        return place.shell

    def _leave_home(self, shell: Shell) -> None:
        home = self._domain.home
        if isinstance(home, LoopHome) and home.loop is shell.loop:
            self._domain.set_home(None)

    def _wait_for(self, over: Pending[None], shell: Shell | None) -> None:
        while True:
            try:
                return over.result(_LOOK)
            except TimeoutError:
                if shell is not None and shell.loop.is_closed():
                    # It was closed around the disconnect, which can no longer end by itself.
                    if self._place.shell is shell:
                        shell.leave_closed_loop()
                    self._settle_closing()
                    over.settle(None)

    def _settle_closing(self) -> None:
        closing, self._closing = self._closing, []
        for over in closing:
            over.settle(None)

    async def _refresh_with(self, shell: Shell) -> None:
        try:
            await shell.refresh_token()
        except Exception as error:  # noqa: BLE001 - a provider is foreign code; the next dial asks it again
            self._reports.error(ErrorKind.AUTH, error, is_retryable=True)
        finally:
            self._refresh = None
