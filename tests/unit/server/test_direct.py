"""A connection of a server that gives messages in the call of the transport, beside `websockets`: same messages, answers and close codes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wire_frames import MASK, MAX_SIZE, Transport, cases_of, frame, splits

from reactive_ws.server.direct import DirectConnection

CASES = cases_of(MASK)


def text(word: str, head: int = 0x81) -> bytes:
    return frame(head, word.encode(), mask=MASK)


class Pausing(Transport):
    """Says whether the peer has to wait."""

    is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Idle:
    """The server of a connection that no server accepted."""

    def __init__(self) -> None:
        self.handler_tasks: set[asyncio.Task[None]] = set()

    async def handler(self, _: ServerConnection) -> None:
        """Does nothing."""

    def is_serving(self) -> bool:
        return True


class Accepted:
    """A connection of a kind behind its handshake. `messages` has what it gave, in its order."""

    def __init__(self, kind: type[ServerConnection]) -> None:
        self.protocol = ServerProtocol(max_size=MAX_SIZE)
        self.transport = Pausing()
        self.messages: list[str | bytes] = []
        self.client = ClientProtocol(parse_uri("ws://home/"), max_size=None)
        self.connection = kind(self.protocol, Idle(), ping_interval=None)  # type: ignore[arg-type]
        self.connection.connection_made(self.transport)
        self.room = MAX_SIZE
        """How many messages are taken in the call of the transport."""

    def ask(self) -> bytes:
        self.client.send_request(self.client.connect())
        return b"".join(self.client.data_to_send())

    async def accept(self) -> asyncio.Task[ConnectionClosed]:
        """Answers the handshake, and reads from now on as a node does."""
        await self.connection.handshake()
        if isinstance(self.connection, DirectConnection):
            self.connection.listen(self._take)
        return asyncio.create_task(self._read())

    def _take(self, arrived: deque[str | bytes]) -> None:
        while arrived and self.room:
            self.room -= 1
            self.messages.append(arrived.popleft())

    async def _read(self) -> ConnectionClosed:
        next_one: Any = getattr(self.connection, "next", self.connection.recv)
        try:
            while True:
                self.messages.append(await next_one())
        except ConnectionClosed as error:
            return error


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def accepted() -> tuple[Accepted, asyncio.Task[ConnectionClosed]]:
    """Returns a connection that gives messages in the call of the transport, and what reads the others."""
    it = Accepted(DirectConnection)
    it.connection.data_received(it.ask())
    reader = await it.accept()
    await turns(5)
    return it, reader


def outcome(kind: type[ServerConnection], chunks: Sequence[bytes], *, before: bytes = b"") -> Any:
    """Returns the messages, the frames that were answered, and how the connection ended.

    Args:
        kind: The class of the connection.
        chunks: What arrives once it is accepted.
        before: What arrives together with the request.
    """

    async def run() -> Any:
        it = Accepted(kind)
        it.connection.data_received(it.ask() + before)
        reader = await it.accept()
        await turns(5)
        for chunk in chunks:
            it.connection.data_received(chunk)
            await turns(2)
        # `websockets` reads the text of a message when its turn comes.
        await turns(600)
        it.connection.eof_received()
        it.connection.connection_lost(None)
        error = await reader
        it.client.receive_data(it.transport.written)
        frames = [
            (one.opcode, bytes(one.data))
            for one in it.client.events_received()
            if isinstance(one, Frame)
        ]
        return it.messages, frames, error.rcvd, error.sent, error.rcvd_then_sent

    return asyncio.run(run())


@pytest.mark.parametrize("case", CASES)
def test_it_gives_what_websockets_gives(case: str) -> None:
    data = CASES[case]
    whole = outcome(ServerConnection, [data])
    for way, pieces in enumerate(splits(data)):
        assert outcome(DirectConnection, pieces) == whole, f"way {way} of cutting it"


@pytest.mark.parametrize("cut", [0, 1, 3, 9, 14])
def test_what_came_with_the_request_is_before_what_came_after_it(cut: int) -> None:
    data = text("one") + text("two") + text("three")
    found = outcome(DirectConnection, [data[cut:]], before=data[:cut])
    assert found[0] == ["one", "two", "three"]


def test_messages_are_given_in_the_call_of_the_transport_and_those_that_are_left_wait() -> None:
    async def run() -> None:
        it, reader = await accepted()
        assert isinstance(it.connection, DirectConnection)
        it.connection.data_received(text("a") + text("b"))
        assert it.messages == ["a", "b"]
        it.room = 1
        it.connection.data_received(text("c") + text("d") + text("e"))
        assert (it.messages[2:], it.transport.is_paused) == (["c"], True)
        # Bytes that were on their way already.
        it.connection.data_received(text("f"))
        it.room = 2
        it.connection.go_on()
        assert (it.messages[3:], it.transport.is_paused) == (["d", "e"], True)
        it.room = MAX_SIZE
        it.connection.go_on()
        assert (it.messages[5:], it.transport.is_paused) == (["f"], False)
        it.connection.go_on()
        it.connection.data_received(text("g"))
        assert it.messages[6:] == ["g"]
        it.connection.connection_lost(None)
        await reader

    asyncio.run(run())


def test_fragments_wait_behind_what_was_left_and_messages_behind_the_fragments() -> None:
    async def run() -> None:
        it, reader = await accepted()
        it.room = 0
        it.connection.data_received(
            text("a") + text("b") + text("c", 0x01) + text("d", 0x80) + text("e")
        )
        await turns(10)
        it.room = MAX_SIZE
        it.connection.data_received(text("f"))
        await turns(10)
        # All of them, in their order; then messages are given at once again.
        assert it.messages == ["a", "b", "cd", "e", "f"]
        it.connection.data_received(text("g"))
        assert it.messages[5:] == ["g"]
        it.connection.connection_lost(None)
        await reader

    asyncio.run(run())


def test_what_was_left_is_given_after_the_end() -> None:
    async def run() -> None:
        it, reader = await accepted()
        it.room = 0
        it.connection.data_received(text("a") + text("b") + CASES["close"])
        it.connection.connection_lost(None)
        await reader
        assert it.messages == ["a", "b", "grüße"]

    asyncio.run(run())
