"""Starting and ending a service, from every place a program may do it: each method twice, and the same end everywhere."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from reactive_ws.connection.record import ConnectionState, Phase
from reactive_ws.engine.domain import Domain
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.wire.control import MessageReceived

from .scripted_server import ScriptedServer

LONG = 60.0
"""Seconds that only bound a test that hangs."""

Act = Callable[[], None]
HOOK: list[Act] = []
"""The function that the domain's error hook calls once, at the next error of an observer."""


def a_service(server: ScriptedServer) -> WebSocketService:
    domain = Domain("test", on_error=lambda _: HOOK.pop()() if HOOK else None)
    return WebSocketService(server.url, domain=domain, proxy=None, registry=agent_chat())


@contextmanager
def a_server() -> Generator[ScriptedServer]:
    """A server in a thread of its own."""
    server = ScriptedServer()
    is_up, loop = threading.Event(), asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.start())
            is_up.set()
            loop.run_forever()
            runner.run(server.stop())

    thread = threading.Thread(target=run)
    thread.start()
    assert is_up.wait(LONG)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LONG)


def eventually(condition: Callable[[], bool]) -> bool:
    """Polls; the bound is for what never comes."""
    waiting = threading.Event()
    for _ in range(int(LONG / 0.005)):
        if condition():
            return True
        waiting.wait(0.005)
    return False


def in_a_plain_thread(service: WebSocketService, act: Act) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(LONG)


def in_this_thread(service: WebSocketService, act: Act) -> None:
    act()


def in_a_foreign_loop(service: WebSocketService, act: Act) -> None:
    async def go() -> None:
        act()

    asyncio.run(go())


def in_the_services_loop(service: WebSocketService, act: Act) -> None:
    assert service._place.shell is not None
    service._place.shell.loop.call_soon_threadsafe(act)


def in_a_handler(service: WebSocketService, act: Act) -> None:
    registration: list[Any] = []

    def handler(_: MessageReceived) -> None:
        registration[0].dispose()
        act()

    registration.append(service.on(MessageReceived, handler))
    service.send(MessageSend("s", Message("one", "s", "user", "x", 0)))


def in_an_async_handler(service: WebSocketService, act: Act) -> None:
    registration: list[Any] = []

    async def handler(_: MessageReceived) -> None:
        registration[0].dispose()
        act()

    registration.append(service.on_async(MessageReceived, handler))
    service.send(MessageSend("s", Message("one", "s", "user", "x", 0)))


def in_an_observer_of_the_connection(service: WebSocketService, act: Act) -> None:
    seen: list[ConnectionState] = []

    def observe(state: ConnectionState) -> None:
        seen.append(state)
        if len(seen) == 2:
            act()

    service.connection.select(lambda connection: connection.state).subscribe(observe)
    service.reconnect()


def in_an_observer_of_the_errors(service: WebSocketService, act: Act) -> None:
    subscription: list[Any] = []

    def observe(_: object) -> None:
        subscription[0].dispose()
        act()

    subscription.append(service.errors.subscribe(observe))
    in_a_handler(service, lambda: 1 / 0)  # type: ignore[arg-type, return-value]


def in_the_domains_error_hook(service: WebSocketService, act: Act) -> None:
    def fail(_: object) -> None:
        # Not for the first value, which comes at once and here.
        if threading.current_thread() is not threading.main_thread():
            raise LookupError

    HOOK.append(act)
    service.metrics.select().subscribe(fail)
    service.reconnect()


PLACES = [
    *(in_this_thread, in_a_plain_thread, in_a_foreign_loop, in_the_services_loop, in_a_handler),
    *(in_an_async_handler, in_an_observer_of_the_connection, in_an_observer_of_the_errors),
    in_the_domains_error_hook,
]
S = ConnectionState
METHODS: list[tuple[str, S]] = [
    ("start", S.CONNECTED),
    ("connect", S.CONNECTED),
    ("reconnect", S.CONNECTED),
    ("disconnect", S.CLOSED),
    ("stop", S.CLOSED),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize(("method", "end"), METHODS, ids=[name for name, _ in METHODS])
def test_every_method_may_be_called_twice_from_everywhere(
    method: str, end: S, place: Callable[[WebSocketService, Act], None]
) -> None:
    threads = threading.active_count()
    with a_server() as server:
        service = a_service(server)
        raised: list[BaseException] = []
        called = threading.Event()

        def act() -> None:
            try:
                getattr(service, method)()
                getattr(service, method)()
            except BaseException as error:
                raised.append(error)
            finally:
                called.set()

        service.start()
        assert eventually(lambda: service.is_connected)
        place(service, act)
        assert called.wait(LONG)
        assert raised == []
        assert eventually(lambda: service.state is end)
        if method == "stop":
            # The server's thread is left.
            assert eventually(lambda: threading.active_count() == threads + 1)
        if end is S.CONNECTED:
            assert eventually(lambda: len(server.sockets) == 1)
        # Whatever happened, it can start again, and ends without a trace.
        service.start()
        assert eventually(lambda: service.is_connected)
        assert eventually(lambda: len(server.sockets) == 1)
        service.stop()
        assert service.state is S.CLOSED
        service.stop()
        assert eventually(lambda: not server.sockets)
    assert threading.active_count() == threads


def test_many_threads_may_start_and_stop_at_once() -> None:
    threads = threading.active_count()
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with a_server() as server:
        service = a_service(server)
        for _ in range(10):
            service.start()
            workers = [
                threading.Thread(target=getattr(service, name))
                for name in ("stop", "disconnect", "stop", "stop", "disconnect")
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(LONG)
            assert not any(worker.is_alive() for worker in workers)
            assert service.state is S.CLOSED
        assert threading.active_count() == threads + 1
        assert eventually(lambda: not server.sockets)
    assert threading.active_count() == threads
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_connect_after_a_stop_in_one_handler_wins() -> None:
    threads = threading.active_count()
    with a_server() as server:
        service = a_service(server)
        service.start()
        assert eventually(lambda: service.is_connected)
        done = threading.Event()

        def act() -> None:
            service.stop()
            service.connect()
            done.set()

        in_a_handler(service, act)
        assert done.wait(LONG)
        assert eventually(lambda: service.is_connected and server.connections == 2)
        service.stop()
    assert threading.active_count() == threads


async def test_in_your_own_loop_stop_is_a_disconnect_from_this_loop_and_from_other_threads() -> (
    None
):
    async with ScriptedServer() as server:
        for is_own_thread in (True, False):
            service = a_service(server)
            await service.connect()
            await service.wait_connected()
            if is_own_thread:
                service.stop()
            else:
                await asyncio.to_thread(service.stop)
            await service.connection.select().wait_for(lambda c: c.state is S.CLOSED)
            await service.disconnect()
            service.stop()


def test_stop_returns_when_the_loop_of_the_service_ends_around_its_drain() -> None:
    service = WebSocketService(
        "ws://127.0.0.1:9/", domain=Domain("test"), proxy=None, registry=agent_chat()
    )
    delivery = service.send(MessageSend("s", Message("c1", "s", "user", "x", 0)))
    is_up, is_stopping = threading.Event(), threading.Event()

    async def main() -> None:
        await service.connect()
        is_up.set()
        while (
            service._decisions.connection.phase is not Phase.CLOSING
            and not service._runtime._closing
            # Without a connection there is nothing to wait for, and the drain ends at once.
            and service.state is not S.CLOSED
        ):
            await asyncio.sleep(0.005)
        is_stopping.set()

    loop = threading.Thread(target=lambda: asyncio.run(main()))
    loop.start()
    assert is_up.wait(LONG)
    stopping = threading.Thread(target=lambda: service.stop(drain=3600.0), daemon=True)
    stopping.start()
    loop.join(LONG)
    assert is_stopping.is_set()
    stopping.join(LONG)
    assert not stopping.is_alive()
    assert service.state is S.CLOSED
    assert delivery.status is DeliveryStatus.FAILED


def test_many_threads_that_start_at_once_start_one_thread() -> None:
    threads = threading.active_count()
    for _ in range(20):
        service = WebSocketService(
            "ws://127.0.0.1:9/", domain=Domain("test"), proxy=None, registry=agent_chat()
        )
        ready = threading.Barrier(4)

        def start(service: WebSocketService = service, ready: threading.Barrier = ready) -> None:
            ready.wait(LONG)
            service.start()

        starting = [threading.Thread(target=start) for _ in range(4)]
        for one in starting:
            one.start()
        for one in starting:
            one.join(LONG)
        service.stop()
        assert threading.active_count() == threads


def test_a_connect_on_a_thread_that_ends_already_wins_too() -> None:
    threads = threading.active_count()
    with a_server() as server:
        service = a_service(server)
        service.start()
        thread, is_idle = service._place.thread, service._place.is_idle
        late: list[Act] = [service.connect]

        def look() -> bool:
            if is_idle() and late:
                # In the turn after the one in which the end was decided.
                asyncio.get_running_loop().call_soon(late.pop())
            return is_idle()

        service._place.is_idle = look  # type: ignore[method-assign]
        service.stop()
        assert eventually(lambda: service.is_connected)
        assert service._place.thread is not thread
        service.stop()
    assert threading.active_count() == threads
