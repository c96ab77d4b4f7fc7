"""The splitter of frames beside the parser of `websockets`: same messages, same answers, same close codes, however bytes come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wire_frames import MAX_SIZE, Transport, cases_of, frame, splits

from reactive_ws.transport.sockets import masked
from reactive_ws.transport.websockets import Connection

CASES = cases_of(b"")
TEXT = frame(0x81, "grüße".encode())


def outcome(kind: type[ClientConnection], chunks: Any, *, deflate: bool = False) -> Any:
    """Returns the messages, the frames that were answered, and how the connection ended.

    `chunks` gets the answer to the handshake and returns the pieces to feed.
    """
    return asyncio.run(_outcome(kind, chunks, deflate=deflate))


async def _outcome(kind: type[ClientConnection], chunks: Any, *, deflate: bool) -> Any:
    offers = [ClientPerMessageDeflateFactory()] if deflate else None
    protocol = ClientProtocol(parse_uri("ws://home/"), max_size=MAX_SIZE, extensions=offers)
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()] if deflate else None)
    connection = kind(protocol, ping_interval=None)
    transport = Transport()
    connection.connection_made(transport)
    protocol.send_request(protocol.connect())
    server.receive_data(b"".join(protocol.data_to_send()))
    request: Any = server.events_received()[0]
    server.send_response(server.accept(request))
    messages: list[str | bytes] = []

    async def read() -> ConnectionClosed:
        try:
            while True:
                messages.append(await connection.recv())
        except ConnectionClosed as error:
            return error

    reader = asyncio.ensure_future(read())
    for chunk in chunks(b"".join(server.data_to_send())):
        connection.data_received(chunk)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    # `websockets` reads the text of a message when its turn comes.
    for _ in range(600):
        await asyncio.sleep(0)
    connection.eof_received()
    connection.connection_lost(None)
    error = await reader
    # What the connection wrote, as a server reads it: masks differ, frames must not.
    server.receive_data(transport.written)
    frames = [
        (it.opcode, bytes(it.data)) for it in server.events_received() if isinstance(it, Frame)
    ]
    return messages, frames, error.rcvd, error.sent, error.rcvd_then_sent


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("is_together", [True, False], ids=["with the handshake", "after it"])
def test_the_splitter_finds_what_websockets_finds(case: str, is_together: bool) -> None:
    data = CASES[case]
    whole = outcome(ClientConnection, lambda head: [head, data])
    way = 0

    def pieces(head: bytes) -> list[bytes]:
        return list(splits(head + data))[way] if is_together else [head, *list(splits(data))[way]]

    for way in range(len(list(splits(data)))):
        found = outcome(Connection, pieces)
        assert found == whole, f"way {way} of cutting it"


def test_compressed_messages_are_read_by_websockets() -> None:
    compressor = ServerPerMessageDeflateFactory().process_request_params([], [])[1]
    data = b"".join(
        Frame(Opcode.TEXT, text).serialize(mask=False, extensions=[compressor])
        for text in (b"x" * 1_000, b"y" * 1_000)
    )
    sent = TEXT + data + TEXT
    for cut in (0, 3, 9, 20):
        chunks = [sent[:cut], sent[cut:]]
        found = outcome(Connection, lambda head, c=chunks: [head, *c], deflate=True)
        assert found[0] == ["grüße", "x" * 1_000, "y" * 1_000, "grüße"]


def test_a_long_message_in_many_pieces_is_joined_once() -> None:
    data = frame(0x82, b"x" * MAX_SIZE)
    found = outcome(Connection, lambda head: [head, *splits_of_one(data)])
    assert found[0] == [b"x" * MAX_SIZE]


def splits_of_one(data: bytes) -> list[bytes]:
    return [data[at : at + 7] for at in range(0, len(data), 7)]


def test_a_message_of_too_many_fragments_fails_the_connection() -> None:
    data = frame(0x01, b"x") + frame(0x00, b"x") * 4_096 + frame(0x80)
    found = outcome(Connection, lambda head: [head, data])
    assert found[0] == []
    assert found[3].code == 1009


SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)


def test_masked_writes_frames_that_a_server_reads_each_with_a_mask_of_its_own() -> None:
    messages: list[str | bytes] = ["grüße", *["x" * size for size in SIZES]]
    messages += [b"\0\xff" * (size // 2) for size in SIZES]
    server = ServerProtocol(max_size=None, state=State.OPEN)
    data = masked(messages)
    server.receive_data(data)
    found: list[str | bytes] = []
    for it in server.events_received():
        assert isinstance(it, Frame)
        assert it.fin
        found.append(bytes(it.data).decode() if it.opcode is Opcode.TEXT else bytes(it.data))
    assert found == messages
    assert server.close_code is None
    # The same messages again have other masks.
    assert masked(messages) != data
    one, two = masked(["same"] * 2)[2:6], masked(["same"] * 2)[12:16]
    assert len({one, two, masked(["same"])[2:6]}) == 3


def test_half_of_a_surrogate_pair_is_refused_before_anything_is_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        masked(["good", "\ud800"])
