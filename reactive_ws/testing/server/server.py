"""A server that does what a test tells it: well-behaved by default, and wrong in every way on demand.

`ScriptedServer` is a real `websockets` server, in a simulation or on a real loop. Left alone it speaks protocol v1, by the sessions of
`reactive_ws.server`: says hello, answers pings, acknowledges, resumes and subscribes. It is not a hub: it knows no users, runs no
handlers, and sends what a test publishes to every client. What goes wrong below the messages is the network's business.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Self, TypedDict, TypeVar, overload

from websockets.asyncio.server import Server, ServerConnection
from websockets.typing import Subprotocol

from ...errors import MessageRejected
from ...server import listen, stop_listening
from ...wire import Codec, Envelope, Guarantee, JsonCodec, Registry, protocol_v1
from ..watching import History
from .conversation import Conversation
from .expectations import Inbox, What, noting_absence
from .handshakes import Handshakes
from .mischief import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
from .peer import Mischiefs, Peer
from .streams import Streams
from .transcript import Transcript

__all__ = ["NEVER", "ScriptedServer", "ServerOptions"]

_CLOSE_TIMEOUT = 1.0
NEVER = float("inf")
"""A delay that does not end."""

P = TypeVar("P")
Answer = Callable[[Envelope[Any]], list[Envelope[Any]]]

_ANSWERED: tuple[str, ...] = ("ping", "auth", "resume", "sync", "subscribe", "unsubscribe")
"""Types that the server answers by itself, besides the messages that it acknowledges."""


class ServerOptions(TypedDict, total=False):
    """The keyword arguments of `ScriptedServer`, which documents each of them."""

    registry: Registry | None
    codec: Codec | None
    is_plain: bool
    epoch: str
    acknowledge_after: float
    is_deduplicating: bool
    transcript: Transcript | None
    history: History | None


class ScriptedServer:
    """A server for tests; an async context manager that listens while it is open.

    Args:
        url: Where to listen; only host and port count. Port 0 picks a free one, see `url`.
        registry: The message types; protocol v1 when None.
        codec: The wire format; JSON of these types when None.
        is_plain: Whether it is a plain JSON server: no subprotocol, no hello, no answers of its own.
        epoch: The epoch of its streams.
        acknowledge_after: Seconds until an acknowledgement is sent; `NEVER` for none.
        is_deduplicating: Whether a message whose id it knows has no effect again; it is acknowledged in any case.
        transcript: Where to write frames; its own when None.
        history: Where to write which messages took effect; its own when None.

    Attributes:
        streams: What was published.
        connections: Every connection so far, oldest first.
        received: Every message of all connections, in order, control messages included.
        effects: The at-least-once messages that took effect.
        rejected: Frames that were not valid messages.
    """

    def __init__(
        self,
        url: str = "ws://server:80/ws",
        *,
        registry: Registry | None = None,
        codec: Codec | None = None,
        is_plain: bool = False,
        epoch: str = "epoch-1",
        acknowledge_after: float = 0.0,
        is_deduplicating: bool = True,
        transcript: Transcript | None = None,
        history: History | None = None,
    ) -> None:
        self.registry = registry or protocol_v1()
        self.acknowledge_after = acknowledge_after
        self.transcript = Transcript() if transcript is None else transcript
        self.history = History() if history is None else history
        self.connections: list[Peer] = []
        self.received: list[Envelope[Any]] = []
        self.effects: list[Envelope[Any]] = []
        self.rejected: list[str | bytes] = []
        self._url = urllib.parse.urlsplit(url)
        self._codec = codec or JsonCodec(self.registry)
        self.streams = Streams(epoch, self._codec, self._pass_over)
        self._conversations: dict[Peer, Conversation] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._is_plain = is_plain
        self._is_silent = False
        self._is_deduplicating = is_deduplicating
        self._known_ids: set[str] = set()
        self._answers: dict[str, Answer] = {}
        self._skipped: set[str] = set() if is_plain else {*_ANSWERED}
        self._mischiefs = Mischiefs()
        self._dies_after: int | None = None
        self._mute: Mute | None = None
        self._handshakes = Handshakes()
        self._is_reading = True
        self._inbox = Inbox(self._skipped)
        self._server: Server | None = None

    def __repr__(self) -> str:
        return f"<ScriptedServer {self.url}, {len(self.connections)} connections so far>"

    @property
    def url(self) -> str:
        """The URL of the server."""
        port = self._url.port or 80
        if self._server is not None and self._server.sockets:
            port = self._server.sockets[0].getsockname()[1]
        return f"ws://{self._url.hostname}:{port}{self._url.path}"

    @property
    def is_listening(self) -> bool:
        """Whether it can be dialled."""
        return self._server is not None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begins to listen; also again after `stop`, with the same streams and the same memory.

        Raises:
            ListenFailed: the port is in use or the host is not of this machine.
        """
        self._server = await listen(
            self._handle,
            self._url.hostname or "127.0.0.1",
            80 if self._url.port is None else self._url.port,
            process_request=self._handshakes.process,
            select_subprotocol=self._select_subprotocol,
            open_timeout=None,
            close_timeout=_CLOSE_TIMEOUT,
            ping_interval=None,
            max_size=None,
        )

    async def stop(self, code: int = 1001) -> None:
        """Closes every connection with this code, and listens no more."""
        if self._server is not None:
            self.hang_handshake(is_hanging=False)
            for peer in self.connections:
                peer.resume_reading()
            server, self._server = self._server, None
            await stop_listening(server, code)

    @property
    def requests(self) -> list[tuple[str, Mapping[str, str]]]:
        """Path and headers of every handshake, refused ones too."""
        return self._handshakes.requests

    def refuse_handshake(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        body: str = "refused by the script",
    ) -> None:
        """Answers the next `times` handshakes with an HTTP status, 200 to 999, instead of a WebSocket."""
        self._handshakes.refuse(status, headers or {}, times, body)

    def hang_handshake(self, *, is_hanging: bool = True) -> None:
        """Accepts connections but never answers their handshake; False ends it, for waiting ones too."""
        self._handshakes.hang(is_hanging=is_hanging)

    @property
    def peer(self) -> Peer:
        """The newest open connection.

        Raises:
            LookupError: none is open.
        """
        for peer in reversed(self.connections):
            if peer.is_open:
                return peer
        raise LookupError("no client is connected to this server")

    async def connected(self, count: int = 1, *, timeout: float = 60.0) -> Peer:
        """Waits until `count` connections were made since the server was made, and returns that one.

        Raises:
            AssertionError: not in time.
        """
        await self._inbox.until(
            lambda: len(self.connections) >= count,
            timeout,
            lambda: f"{count} connections were expected, there were {len(self.connections)}",
        )
        return self.connections[count - 1]

    @overload
    async def expect(self, what: type[P], *, timeout: float = 60.0) -> Envelope[P]: ...

    @overload
    async def expect(
        self, what: Callable[[Envelope[Any]], bool], *, timeout: float = 60.0
    ) -> Envelope[Any]: ...

    @overload
    async def expect(self, what: What = None, *, timeout: float = 60.0) -> Envelope[Any]: ...

    async def expect(self, what: What = None, *, timeout: float = 60.0) -> Envelope[Any]:
        """Returns the next message that no `expect` has returned, and asserts what it is.

        What the server answers by itself (pings, resume, subscribe, ...) is skipped, unless it is asked for.

        Args:
            what: A type name, a payload class, a payload, or a function of the envelope; None takes any message.
            timeout: Seconds.

        Raises:
            AssertionError: nothing came in time, or something else came first.
        """
        with noting_absence(self.url, self.connections):
            return await self._inbox.expect(what, timeout)

    async def expect_nothing(self, seconds: float) -> None:
        """Lets time pass, and asserts that the client sends nothing that the server does not answer by itself.

        Raises:
            AssertionError: it sent something, also before, that no `expect` has asked for.
        """
        await self._inbox.expect_nothing(seconds)

    def send(self, payload: object, **fields: Any) -> Envelope[Any]:
        """Sends a message to every open connection, without a position in a stream.

        Args:
            payload: A payload of a registered class, or an envelope.
            fields: More fields of the envelope: channel, id, stream, epoch, seq, timestamp.
        """
        message = self._envelope(payload, fields)
        for peer in self.connections:
            if peer.is_open:
                self._send_to(peer, message)
        return message

    def publish(self, payload: object, stream: str = "app", **fields: Any) -> Envelope[Any]:
        """Sends a message with the next number of a stream, and keeps it for clients that resume."""
        message = self.streams.append(stream, self._envelope(payload, fields))
        for peer in self.connections:
            if not peer.is_open:
                continue
            conversation = self._conversations.get(peer)
            if conversation is None:
                self._send_to(peer, message)
            else:
                conversation.changed(stream)
        return message

    def replay(self, count: int, stream: str = "app") -> None:
        """Sends the last `count` messages of a stream again, with their old numbers."""
        for message in self.streams.last(count, stream):
            self.send(message)

    def send_frame(self, frame: str | bytes) -> None:
        """Sends exactly this text or binary frame, however wrong it is."""
        for peer in self.connections:
            if peer.is_open:
                peer.send_raw(frame)

    def new_epoch(self, epoch: str) -> None:
        """Forgets all streams, as a server does that lost its memory."""
        self.streams.restart(epoch)

    def be_silent(self) -> None:
        """Stops all messages of its own: no hello, no answers, no acknowledgements."""
        self._is_silent = True
        self._answers.clear()
        self._skipped.clear()
        self.acknowledge_after = NEVER

    def answer(self, kind: str, answer: Answer | None) -> None:
        """Replaces what the server answers to a message type; None answers nothing."""
        self._answers[kind] = answer or (lambda _: [])
        self._skipped.add(kind)

    def usual_answers(self, message: Envelope[Any]) -> list[Envelope[Any]]:
        """Returns what the server answers by itself to a message of the newest client, and sends none of it.

        For a test that answers late, or in part.

        Raises:
            LookupError: no client is connected.
        """
        frames = self._conversations[self.peer].answers(message)
        return [self._codec.decode(frame) for frame in frames]

    def misbehave(self, mischief: Mischief) -> None:
        """Does something wrong with the next messages."""
        match mischief:
            case Mute():
                self._mute = mischief if mischief.seconds is None else None
                for peer in self.connections:
                    peer.mute(mischief)
            case DieAfter(messages):
                self._dies_after = messages
            case Drop() | Duplicate() | Delay() | Reorder():
                self._mischiefs.add(mischief)

    def behave(self) -> None:
        """Ends all mischief, refusals and hanging; acknowledges at once again."""
        self._mischiefs.clear()
        self._dies_after = self._mute = None
        self.acknowledge_after = 0.0
        self._is_reading = True
        for peer in self.connections:
            peer.speak()
            peer.resume_reading()
        self._handshakes.behave()

    def stop_reading(self) -> None:
        """Reads nothing more from any client, so that their writes have to wait."""
        self._is_reading = False
        for peer in self.connections:
            peer.stop_reading()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes every open connection with this code."""
        for peer in self.connections:
            if peer.is_open:
                try:
                    await asyncio.wait_for(peer.close(code, reason), 2 * _CLOSE_TIMEOUT)
                except TimeoutError:
                    peer.abort()

    def abort(self) -> None:
        """Drops every connection that is not closed yet, without a close frame."""
        for peer in self.connections:
            peer.abort()

    def _select_subprotocol(self, _: ServerConnection, offered: Any) -> Subprotocol | None:
        wanted = None if self._is_plain else self._codec.subprotocol
        return Subprotocol(wanted) if wanted is not None and wanted in offered else None

    async def _handle(self, connection: ServerConnection) -> None:
        peer = Peer(len(self.connections) + 1, connection, self.transcript, self._mischiefs)
        self.connections.append(peer)
        if self._mute is not None:
            peer.mute(self._mute)
        if not self._is_reading:
            peer.stop_reading()
        self._converse(peer)
        self._inbox.notify()
        try:
            await peer.run(lambda frame: self._receive(peer, frame))
        except Exception as error:  # noqa: BLE001 - websockets would log it, and the test would go on
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "scripted server", "exception": error})
        finally:
            conversation = self._conversations.pop(peer, None)
            if conversation is not None:
                conversation.end()

    def _converse(self, peer: Peer) -> None:
        """Begins the session of a connection; a plain server has none."""
        if self._is_plain:
            return
        loop = asyncio.get_running_loop()

        def close(code: int, reason: str) -> None:
            closing = loop.create_task(peer.close(code, reason))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

        conversation = Conversation(
            self.registry,
            self._codec,
            self.streams,
            self._known_ids,
            lambda frame: self._write_to(peer, frame),
            close,
        )
        self._conversations[peer] = conversation
        is_silent = self._is_silent or peer.connection.subprotocol is None
        conversation.open(loop.time(), is_silent=is_silent)

    def _pass_over(self, stream: str) -> None:
        for conversation in self._conversations.values():
            conversation.changed(stream, is_heard=False)

    def _receive(self, peer: Peer, frame: str | bytes) -> None:
        if peer.is_aborted:
            return  # read already, but a server that died would not have seen it
        try:
            message = self._codec.decode(frame)
        except MessageRejected:
            self.rejected.append(frame)
            return
        peer.received.append(message)
        self.received.append(message)
        self._inbox.add(message)
        is_last = self._count_down()
        self._take_effect(peer, message, is_silent=self._dies_after is not None or is_last)
        if is_last:
            peer.abort()

    def _count_down(self) -> bool:
        if self._dies_after is None:
            return False
        self._dies_after -= 1
        if self._dies_after:
            return False
        self._dies_after = None
        return True

    def _take_effect(self, peer: Peer, message: Envelope[Any], *, is_silent: bool) -> None:
        row = self.registry.get(message.type)
        is_sure = row is not None and row.guarantee is Guarantee.AT_LEAST_ONCE
        if is_sure and message.id is not None:
            if not (self._is_deduplicating and message.id in self._known_ids):
                self._known_ids.add(message.id)
                self.effects.append(message)
                self.history.received(message.id)
        elif not is_silent and message.type in self._answers:
            for answer in self._answers[message.type](message):
                self._send_to(peer, answer)
            return
        conversation = self._conversations.get(peer)
        if conversation is not None and not is_silent and not self._is_silent:
            conversation.take(message)

    def _write_to(self, peer: Peer, frame: str | bytes) -> None:
        """Writes a frame of a session; acknowledgements as late as the test wants them."""
        kind = self._codec.decode(frame).type
        if kind != "message.received" or self.acknowledge_after == 0.0:
            peer.send(frame, kind)
        elif self.acknowledge_after != NEVER:
            asyncio.get_running_loop().call_later(self.acknowledge_after, peer.send, frame, kind)

    def _envelope(self, payload: object, fields: Mapping[str, Any]) -> Envelope[Any]:
        if isinstance(payload, Envelope):
            return payload  # pyright: ignore[reportUnknownVariableType]
        return Envelope(self.registry.of(type(payload)).name, payload, **fields)

    def _send_to(self, peer: Peer, message: Envelope[Any]) -> None:
        peer.send(self._codec.encode(message), message.type)
