"""When and where a service runs: start and stop, connect and disconnect, the loop, the thread, and what is published.

Base of `WebSocketService`. What is asked from another thread is posted to the loop; nothing here blocks except `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping

from ..connection import ConnectionState, ErrorKind
from ..engine import Domain, LoopHome
from ..errors import ServiceClosed, UsageError
from ..inbound import AsyncHandler, Dispatcher, Subscriptions
from ..outbox import Delivery, DeliveryStatus, Pending, Storage
from ..wire import Position
from .background_thread import BackgroundThread
from .shell import ConnectionLoop
from .status import Publishing, reason_of

__all__ = ["Running"]

_logger = logging.getLogger("reactive_ws.service")

_DRAIN = 5.0
# Seconds between looks whether the loop that is waited for still lives.
_LOOK = 0.2


class Running(Publishing):
    """The life of a service."""

    _domain: Domain
    _dispatcher: Dispatcher
    _storage: Storage | None
    _async_handlers: dict[AsyncHandler, None]
    _subscriptions: Subscriptions

    def __init__(self) -> None:
        Publishing.__init__(self)
        self._thread: BackgroundThread | None = None
        self._starting = threading.Lock()
        self._storage = None
        self._is_accepting = True
        self._closing: list[Pending[None]] = []
        self._refresh: asyncio.Task[None] | None = None

    # --- starting and ending --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Runs in an own daemon thread with an own loop, and connects. Does nothing when that is so already.

        Raises:
            UsageError: it runs in a loop already.
        """
        begun: Pending[None] = Pending()
        while True:
            thread = self._own_thread()
            if thread.is_current:
                self._begin(begun)
                return
            if thread.post(lambda: self._begin(begun)):
                return

    def _own_thread(self) -> BackgroundThread:
        with self._starting:
            if self._thread is None or self._thread.is_over:
                if self._runner is not None:
                    raise UsageError("the service runs in your event loop; use connect() there")
                self._thread = BackgroundThread(f"reactive_ws {self._settings.shown_url}")
            return self._thread

    def stop(self, drain: float = _DRAIN) -> None:
        """Disconnects after at most `drain` seconds and ends the thread of `start`. Any thread, any number of times.

        Blocks until nothing is left. On the thread of the service's loop, such as in a handler, it cannot wait for
        itself: there it begins to stop and returns at once. A `connect()` or `start()` meanwhile wins over it.

        Raises:
            UsageError: the service was connected in a loop of yours that does not run now.
        """
        thread, runner = self._thread, self._runner
        if runner is not None and not (runner.loop.is_running() or runner.loop.is_closed()):
            raise UsageError("the service's event loop does not run; `await disconnect()` in it")
        over = self.disconnect(drain)
        if thread is None:
            if runner is None or asyncio._get_running_loop() is not runner.loop:
                self._wait_for(over, runner)
        elif thread.is_current:
            over.then(lambda: thread.stop(self._is_idle))
        else:
            over.result()
            thread.stop(self._is_idle)
            with self._starting:
                if thread.is_over and self._thread is thread:
                    self._thread = None

    def _wait_for(self, over: Pending[None], runner: ConnectionLoop | None) -> None:
        while True:
            try:
                return over.result(_LOOK)
            except TimeoutError:
                if runner is not None and runner.loop.is_closed():
                    # It was closed around the disconnect, which ends no more by itself.
                    if self._runner is runner:
                        self._leave_dead_loop()
                    self._settle_closing()
                    over.settle(None)

    def connect(self) -> Pending[None]:
        """Starts to connect; while a retry is waited for, dials at once. Any thread, if the service has one of its own.

        Returns:
            Something to await or not: done when dialing has begun. See `wait_connected` for the connection itself.

        Raises:
            UsageError: there is no running loop, and `start()` was not called.
        """
        begun: Pending[None] = Pending()

        def begin() -> None:
            self._begin(begun)

        thread = self._thread
        if thread is not None and thread.is_over and thread.is_current:
            # It cannot be had back; who asks on it for a connection gets another one.
            thread = self._own_thread()
        if thread is not None and not thread.is_current and thread.post(begin):
            return begun
        if self._runner is not None:
            self._in_loop(begin)
        else:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                raise UsageError(
                    "no event loop is running here: use `async with service:` in one, or service.start()"
                ) from None
            begin()
        return begun

    def _begin(self, begun: Pending[None]) -> None:
        try:
            self._is_accepting = True
            self._bind().connect()
            # Whoever waited for the end of a disconnect: there is none any more.
            self._settle_closing()
        except Exception as error:  # noqa: BLE001 - for whoever waits
            begun.fail(error)
            self._report(ErrorKind.APPLICATION, error, False)
        else:
            begun.settle(None)

    def disconnect(self, drain: float = 0.0) -> Pending[None]:
        """Closes for good: no retries, and `send` raises until the next `connect()`. Any thread.

        Messages that were never sent fail, those in flight become uncertain.

        Args:
            drain: Seconds to wait for what is queued and in flight.

        Returns:
            Something to await or not: done when socket, tasks and timers are gone.
        """
        over: Pending[None] = Pending()

        def end() -> None:
            runner = self._runner
            if runner is None:
                self._outbox.settle()
                self._poke()
                if self._storage is not None:
                    self._storage.close()
                over.settle(None)
                return
            self._closing.append(over)
            runner.disconnect(drain)

        self._is_accepting = False
        self._in_loop(end)
        return over

    def reconnect(self) -> None:
        """Drops the socket and dials at once. Nothing that waits is lost. Any thread.

        Raises:
            UsageError: the service does not run.
        """

        def again() -> None:
            self._is_accepting = True
            if self._runner is not None:
                self._runner.reconnect()

        if self._runner is None:
            self.connect()
        else:
            self._in_loop(again)

    def refresh_token(self) -> None:
        """Asks the token provider anew and tells the server: in place with `FirstMessage`, else by reconnecting."""

        def refresh() -> None:
            runner = self._runner
            if runner is not None:
                self._refresh = runner.loop.create_task(
                    self._refresh_with(runner), name="reactive_ws-refresh"
                )

        self._in_loop(refresh)

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Waits until the connection is ready. Any loop.

        Raises:
            TimeoutError: it is not within `timeout` seconds.
            ConnectionFailed: the service gave up.
            ServiceClosed: somebody disconnected.
        """
        connection = self._protocol.connection
        if connection.is_connected:
            return
        if connection.state is ConnectionState.ERROR:
            raise reason_of(connection)
        waiter: Pending[None] = Pending()
        self._waiting.append(waiter)
        if self._protocol.connection is not connection:
            # It changed between the look and the registration, on the service's thread.
            self._serve_waiting(self._protocol.connection)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def sync(self, *streams: str) -> None:
        """Asks the server for snapshots of these streams, now or when connected. Any thread.

        In plain mode nothing is sent: such a server knows no snapshots.
        """

        def ask() -> None:
            if self._runner is not None:
                self._runner.sync(streams)

        self._in_loop(ask)

    # --- the loop -------------------------------------------------------------------------------------------------------

    def _positions(self) -> Mapping[str, Position]:
        positions = self._receiver.positions.get()
        self._receiver.inbound.adopt(positions)
        return positions

    def _in_loop(self, function: Callable[[], None]) -> None:
        """Calls a function in the loop: at once when this is it, or when there is none."""
        thread = self._thread
        if thread is not None and not thread.is_current and thread.post(function):
            # What it takes it runs, however near its end is.
            return
        runner = self._runner
        if runner is not None and runner.loop.is_closed():
            self._leave_dead_loop()
            runner = None
        if runner is None or asyncio._get_running_loop() is runner.loop:
            function()
        else:
            try:
                runner.loop.call_soon_threadsafe(function)
            except RuntimeError:
                # The loop was closed between the look and the call.
                self._in_loop(function)

    def _is_idle(self) -> bool:
        return self._runner is None

    def _bind(self) -> ConnectionLoop:
        loop = asyncio.get_running_loop()
        if self._runner is not None and self._runner.loop.is_closed():
            self._leave_dead_loop()
        if self._runner is None:
            if self._storage is not None:
                self._storage.open()
            self._runner = ConnectionLoop(
                self._settings,
                protocol=self._protocol,
                outbox=self._outbox,
                receiver=self._receiver,
                counters=self._counters,
                subscriptions=self._subscriptions,
                publish=self._publish,
                report=self._report,
                changed=self._poke,
                counted=self._touch_metrics,
                settled=self._settled,
                refresh=self.refresh_token,
                log=self._log,
                over=self._release,
            )
            self._dispatcher.clock = self._receiver.clock = loop.time
            if self._domain.home is None:
                self._domain.set_home(loop)
        elif self._runner.loop is not loop:
            raise UsageError("the service runs in another event loop; disconnect it there first")
        return self._runner

    def _release(self) -> None:
        """Everything is closed: let the loop go, when the tasks of others in it are over too."""
        runner = self._runner
        if runner is None:
            return
        self._runner = None
        tasks: set[asyncio.Task[None]] = set()
        for handler in list(self._async_handlers):
            handler.close()
            if handler.task is not None:
                tasks.add(handler.task)
        if self._refresh is not None:
            self._refresh.cancel()
            tasks.add(self._refresh)
        self._end_publishing()
        if self._storage is not None:
            # Waits for the thread's last commit, some milliseconds: after a disconnect no thread may be left.
            self._storage.close()
        home = self._domain.home
        if isinstance(home, LoopHome) and home.loop is runner.loop:
            self._domain.set_home(None)
        self._dispatcher.clock = self._receiver.clock = self._now
        if not tasks:
            self._settle_closing()
        for task in tasks:

            def ended(done: asyncio.Task[None]) -> None:
                tasks.discard(done)
                if not tasks:
                    self._settle_closing()

            task.add_done_callback(ended)

    def _settle_closing(self) -> None:
        closing, self._closing = self._closing, []
        for over in closing:
            over.settle(None)

    def _leave_dead_loop(self) -> None:
        """The loop was closed around a running service, without a disconnect: what was in it is gone."""
        self._protocol.disconnect(self._now())
        self._outbox.settle()
        # Tasks of a closed loop cannot even be cancelled.
        with contextlib.suppress(RuntimeError):
            self._release()
        self._connection.set(self._protocol.connection)

    async def _refresh_with(self, runner: ConnectionLoop) -> None:
        try:
            await runner.refresh_token()
        except Exception as error:  # noqa: BLE001 - a provider is foreign code; the next dial asks it again
            self._report(ErrorKind.AUTH, error, True)
        finally:
            self._refresh = None

    def _settled(self) -> None:
        self._is_accepting = False
        self._receiver.requests.fail_all(ServiceClosed())

    # --- what `sending` and `routing` need ------------------------------------------------------------------------------

    def _subscriptions_changed(self) -> None:
        """Somebody began or ceased to want a channel; what is to be said about it is looked up in the next turn."""

        def look() -> None:
            if self._runner is not None:
                self._runner.say_subscriptions()

        def soon() -> None:
            if self._runner is not None:
                self._runner.loop.call_soon(look)

        self._in_loop(soon)

    def _send_frame(self, frame: str | bytes, delivery: Delivery) -> None:
        def go() -> None:
            if self._runner is not None and self._runner.send_frame(frame):
                delivery.advance(DeliveryStatus.SENT)
            else:
                delivery.advance(
                    DeliveryStatus.FAILED, "not connected, and control messages do not wait"
                )

        self._in_loop(go)
