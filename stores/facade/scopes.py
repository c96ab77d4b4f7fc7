"""Subscriptions that end with their owner: what hooks are for components, as context managers.

    with use_websocket(app) as socket:          a `with` block is the owner
        socket.subscribe("activity.*", show)

    use_channel(app, "ai.*", show, owner=view)  an object is the owner: it ends when the object is gone

They count the uses of a service: the first use connects it, the end of the last one disconnects it. A connection that other
code made is left as it is.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from reactivex.abc import DisposableBase

from reactive_ws.connection import ConnectionState
from reactive_ws.errors import UsageError
from reactive_ws.outbox import Delivery
from reactive_ws.service import WebSocketService
from reactive_ws.state import Selection
from reactive_ws.wire import Envelope

from ..app import Application
from .client import Client
from .status import FiveState, five_state

__all__ = ["ChannelScope", "WebSocketScope", "use_channel", "use_websocket"]

ChannelHandler = Callable[[Any, Envelope[Any]], Any]

_users: weakref.WeakKeyDictionary[WebSocketService, set[object]] = weakref.WeakKeyDictionary()
"""Which scopes hold the connections that a scope made."""
_lock = threading.RLock()
"""Taken twice when the collector runs inside of it and ends the scopes of an owner that is gone."""
_UNUSED = (ConnectionState.CLOSED, ConnectionState.ERROR)


class WebSocketScope:
    """A use of a connection; a context manager. Made by `use_websocket`."""

    def __init__(self, service: WebSocketService, *, auto_connect: bool) -> None:
        self._service = service
        # Names this scope among the users; not the scope itself, which would then never be gone.
        self._hold = object()
        self._holds = False
        self._subscriptions: list[tuple[str, ChannelHandler, DisposableBase]] = []
        self._is_over = False
        if auto_connect:
            self._take_hold()

    def __repr__(self) -> str:
        state = "ended" if self._is_over else f"{len(self._subscriptions)} subscriptions"
        return f"<WebSocketScope of {self._service!r}, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.dispose()

    @property
    def connection_state(self) -> Selection[FiveState]:
        """The state in five words: the current one and every later one."""
        return self._service.connection.select(lambda now: five_state(now.state))

    @property
    def is_connected(self) -> bool:
        """Whether messages can go out now."""
        return self._service.is_connected

    def send(self, message_type: str, channel: str, payload: Any) -> Delivery:
        """Sends a message; see `WebSocketService.send`."""
        return self._service.send(message_type, payload, channel=channel)

    def subscribe(self, channel: str, handler: ChannelHandler) -> None:
        """Calls `handler(payload, envelope)` for a channel, for `a.*` or for `*`, until this scope ends.

        Raises:
            UsageError: it has ended.
        """
        if self._is_over:
            raise UsageError("this use of the connection is over; call use_websocket() again")
        registration = self._service.on_channel(channel, handler)
        self._subscriptions.append((channel, handler, registration))

    def unsubscribe(self, channel: str, handler: ChannelHandler) -> None:
        """Ends a subscription of this scope earlier."""
        for one in self._subscriptions:
            if one[0] == channel and one[1] == handler:
                one[2].dispose()
                self._subscriptions.remove(one)
                return

    def connect(self) -> None:
        """Connects, or dials at once while a retry is waited for."""
        self._service.connect()

    def disconnect(self) -> None:
        """Disconnects for all uses of the connection; it stays closed."""
        self._service.disconnect()

    def dispose(self) -> None:
        """Ends all subscriptions of this scope; the last scope that holds a connection disconnects it."""
        if self._is_over:
            return
        self._is_over = True
        for _, _, registration in self._subscriptions:
            registration.dispose()
        self._subscriptions.clear()
        if self._holds:
            self._let_go()

    def _take_hold(self) -> None:
        with _lock:
            users = _users.setdefault(self._service, set())
            self._holds = bool(users) or self._service.state in _UNUSED
            if self._holds:
                users.add(self._hold)
                if len(users) == 1:
                    try:
                        self._service.connect()
                    except BaseException:
                        users.discard(self._hold)
                        raise

    def _let_go(self) -> None:
        with _lock:
            users = _users[self._service]
            users.discard(self._hold)
            if not users:
                self._service.disconnect()


class ChannelScope:
    """One subscription whose handler may be exchanged; a context manager. Made by `use_channel`.

    Attributes:
        handler: What is called; assign another one at any time.
    """

    def __init__(self, service: WebSocketService, channel: str, handler: ChannelHandler) -> None:
        self.handler = handler
        self._channel = channel
        # The service must not hold the scope, or an owner that holds it would never be gone.
        this = weakref.ref(self)

        def forward(payload: Any, envelope: Envelope[Any]) -> None:
            scope = this()
            if scope is not None:
                scope.handler(payload, envelope)

        self._registration = service.on_channel(channel, forward)
        self._finalizer = weakref.finalize(self, self._registration.dispose)

    def __repr__(self) -> str:
        return f"<ChannelScope of {self._channel!r}{'' if self._finalizer.alive else ', ended'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Ends the subscription."""
        self._finalizer()


def use_websocket(
    source: Application | Client | WebSocketService,
    *,
    auto_connect: bool = True,
    owner: object = None,
) -> WebSocketScope:
    """Returns a use of a connection that ends with a `with` block, with `dispose`, or with its owner.

    Args:
        source: The application or client with the connection.
        auto_connect: Whether the first use connects it and the end of the last use disconnects it.
        owner: When this object is gone the use ends; it must allow weak references, and handlers must not hold it.
    """
    scope = WebSocketScope(_service_of(source), auto_connect=auto_connect)
    if owner is not None:
        weakref.finalize(owner, scope.dispose)
    return scope


def use_channel(
    source: Application | Client | WebSocketService,
    channel: str,
    handler: ChannelHandler,
    *,
    owner: object = None,
) -> ChannelScope:
    """Calls `handler(payload, envelope)` for a channel until the returned scope, or its owner, ends.

    Args:
        source: The application or client with the connection.
        channel: A channel, `a.*`, or `*`.
        handler: Short and synchronous.
        owner: When this object is gone the subscription ends; the handler must not hold it. Without an owner, keep the
            scope: it ends when no reference to it is left.
    """
    scope = ChannelScope(_service_of(source), channel, handler)
    if owner is not None:
        weakref.finalize(owner, scope.dispose)
    return scope


def _service_of(source: object) -> WebSocketService:
    app = source.app if isinstance(source, Client) else source
    service = app.service if isinstance(app, Application) else app
    if not isinstance(service, WebSocketService):
        raise TypeError(f"an application, a client or a service is needed, not {source!r}")
    return service
