"""`Client`: an application under the names that other WebSocket clients gave their methods.

It adds nothing: every method is one call of the service or of a store. Handlers are called on the service's thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

import attrs
from reactivex.abc import DisposableBase

from reactive_ws.connection import Connection, ConnectionState, ErrorEvent
from reactive_ws.errors import ConnectionLost
from reactive_ws.outbox import Delivery, Pending
from reactive_ws.wire import Envelope

from ..app import Application, application
from ..wire import MessageSend
from .status import FiveState, ThreeState, five_state, three_state

__all__ = ["Client", "ConnectionMetrics", "get_client"]

P = TypeVar("P")

_ABNORMAL = 1006
_NORMAL = 1000


@attrs.frozen
class ConnectionMetrics:
    """The connection in numbers.

    Attributes:
        state: One of the six states.
        connected: Whether messages can go out now.
        reconnects: Connections that became ready after the first one.
        queued_messages: Messages that wait to be sent or acknowledged.
        connection_duration_ms: Milliseconds since the connection became ready; 0 while there is none.
        url: Where to, redacted.
    """

    state: ConnectionState
    connected: bool
    reconnects: int
    queued_messages: int
    connection_duration_ms: float
    url: str


class Client:
    """One connection, under familiar names.

    Args:
        app: What it is a face of.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    def __repr__(self) -> str:
        return f"<Client of {self.app!r}>"

    # --- lifecycle ------------------------------------------------------------------------------------------------------

    def connect(self) -> Pending[None]:
        """Connects, or dials at once while a retry is waited for; see `WebSocketService.connect`."""
        return self.app.service.connect()

    def disconnect(self) -> Pending[None]:
        """Disconnects for good; see `WebSocketService.disconnect`."""
        return self.app.service.disconnect()

    # --- state ----------------------------------------------------------------------------------------------------------

    def is_connected(self) -> bool:
        """Whether messages can go out now."""
        return self.app.service.is_connected

    def get_state(self) -> FiveState:
        """Returns the state in five words."""
        return five_state(self.app.service.state)

    def get_status(self) -> ThreeState:
        """Returns the state in three words."""
        return three_state(self.app.service.state)

    def get_metrics(self) -> ConnectionMetrics:
        """Returns the connection in numbers, as of now."""
        service = self.app.service
        connection, metrics = service.connection.get(), service.metrics.get()
        return ConnectionMetrics(
            service.state,
            service.is_connected,
            metrics.reconnects,
            len(service.outbox.get()),
            1000.0 * (metrics.connected_for or 0.0),
            connection.url,
        )

    # --- messages -------------------------------------------------------------------------------------------------------

    @overload
    def send(self, message: str, payload: Any = None, /) -> Delivery: ...
    @overload
    def send(self, message: str, channel: str, payload: Any, /) -> Delivery: ...
    @overload
    def send(self, message: object, /) -> Delivery: ...

    def send(self, message: object, *rest: Any) -> Delivery:
        """Sends `(type, payload)`, `(type, channel, payload)`, or a payload of a registered class.

        A chat message is shown in the history, like one of `History.send`.

        Raises:
            TypeError: it is called in another way.
            ServiceClosed, MessageRejected, UnknownType: see `WebSocketService.send`.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        service = self.app.service
        if len(rest) > (2 if isinstance(message, str) else 0):
            raise TypeError("send takes (type, payload), (type, channel, payload) or a payload")
        if isinstance(message, MessageSend):
            return self.app.history.send_message(message.message)
        if not isinstance(message, str):
            return service.send(message)
        if len(rest) > 1:
            return service.send(message, rest[1], channel=rest[0])
        return service.send(message, *rest)

    def send_typing(self, conversation_id: str, user_id: str) -> None:
        """Says that a user types; most calls send nothing, see `TypingUsers.tell`."""
        self.app.typing.send_typing(conversation_id, user_id)

    @overload
    def on(self, key: type[P], handler: Callable[[P], Any]) -> DisposableBase: ...
    @overload
    def on(self, key: str, handler: Callable[[Envelope[Any]], Any]) -> DisposableBase: ...

    def on(self, key: type[Any] | str, handler: Callable[[Any], Any]) -> DisposableBase:
        """Calls `handler` for the messages of a type; see `WebSocketService.on`."""
        return self.app.service.on(key, handler)

    def off(self, key: type[Any] | str, handler: Callable[..., Any]) -> bool:
        """Removes a handler of `on`; False when it was none."""
        return self.app.service.off(key, handler)

    def on_message(self, handler: Callable[[Envelope[Any]], Any]) -> DisposableBase:
        """Calls `handler` with every message, whatever its type; after its effects. Not with pongs."""

        def all_but_pongs(envelope: Envelope[Any]) -> None:
            if envelope.type != "pong":
                handler(envelope)

        return self.app.service.messages("*").subscribe(all_but_pongs)

    def subscribe(
        self, channel: str, handler: Callable[[Any, Envelope[Any]], Any]
    ) -> DisposableBase:
        """Calls `handler(payload, envelope)` for a channel, for `a.*`, or for `*`."""
        return self.app.service.on_channel(channel, handler)

    def unsubscribe(self, channel: str, handler: Callable[[Any, Envelope[Any]], Any]) -> None:
        """Removes a handler of `subscribe`."""
        self.app.service.off(channel, handler)

    # --- what happens ---------------------------------------------------------------------------------------------------

    def on_open(self, handler: Callable[[], Any]) -> DisposableBase:
        """Calls `handler` whenever the connection becomes ready; at once when it is."""

        def turned(is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
            if is_connected:
                handler()

        return self.app.connection.is_connected.subscribe(turned)

    def on_close(self, handler: Callable[[int, str], Any]) -> DisposableBase:
        """Calls `handler(code, reason)` whenever an open connection ends: 1000 after `disconnect`, 1006 without a close frame."""
        was_open = False

        def turned(connection: Connection) -> None:
            nonlocal was_open
            ended, was_open = was_open and not connection.is_connected, connection.is_connected
            if ended:
                handler(*_closing(connection))

        return self.app.service.connection.select().subscribe(turned)

    def on_error(self, handler: Callable[[ErrorEvent], Any]) -> DisposableBase:
        """Calls `handler` with everything that goes wrong."""
        return self.app.service.errors.subscribe(handler)

    def on_state_change(self, handler: Callable[[FiveState], Any]) -> DisposableBase:
        """Calls `handler` with the current state at once, and with every later one."""
        return self.app.service.connection.select(lambda now: five_state(now.state)).subscribe(
            handler
        )

    def on_connection_change(self, handler: Callable[[bool], Any]) -> DisposableBase:
        """Calls `handler` with whether messages can go out: at once, and whenever that changes."""
        return self.app.connection.is_connected.subscribe(handler)

    # --- clearing -------------------------------------------------------------------------------------------------------

    def clear_error(self) -> None:
        """Forgets the last error."""
        self.app.connection.clear_error()

    def clear_message_queue(self) -> None:
        """Gives up on everything that waits to be sent or acknowledged."""
        self.app.connection.clear_message_queue()


def _closing(connection: Connection) -> tuple[int, str]:
    error = connection.error
    if isinstance(error, ConnectionLost):
        return error.code, error.reason
    if connection.state is ConnectionState.CLOSED or connection.cause is None:
        return _NORMAL, ""
    return _ABNORMAL, connection.cause


@functools.cache
def _client_of(app: Application) -> Client:
    return Client(app)


def get_client() -> Client:
    """Returns the client of the usual application; see `application`. Any thread.

    Raises:
        BadAddress: the address in `REACTIVE_WS_URL` cannot be dialled.
    """
    return _client_of(application())
