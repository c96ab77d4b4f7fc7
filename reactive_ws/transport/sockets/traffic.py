"""Counts the bytes of one socket below its frames, and sets what the operating system may hold back.

A message of 1 MiB on a slow link takes minutes and no frame ends meanwhile. Only bytes show that the link lives. A count comes
from the first of these sources that the socket has: its own `bytes_received`, TCP_INFO of Linux, the frames that were read.

It decides nothing. `Line` owns one per socket; the rules about progress and heartbeat read it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Any

from ...engine import refuse_copy

__all__ = ["NOT_SENT_LIMIT", "Traffic"]

NOT_SENT_LIMIT = 128 * 1024
"""Bytes that the kernel takes from us beyond what it has sent. More would wait where no heartbeat can pass it."""

_IS_LINUX = sys.platform == "linux"
_TCP_NOTSENT_LOWAT = 25
_TCP_INFO = getattr(socket, "TCP_INFO", 11)
_RECEIVED_OFFSET = 128
"""Where `struct tcp_info` of linux/tcp.h has `tcpi_bytes_received`, an unsigned integer of 64 bits."""
_INFO_SIZE = _RECEIVED_OFFSET + 8
_UINT64 = struct.Struct("=Q")


class Traffic:
    """The byte counts of one socket. Loop only.

    Args:
        connection: The socket as its library gives it: it has `transport`, and may have `bytes_received`.

    Attributes:
        written: Bytes of frames that the socket library took from us, with their headers.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport: asyncio.Transport = connection.transport
        self._frames_received = 0
        self.written = 0
        found = self._transport.get_extra_info("socket")
        is_tcp = found is not None and found.family in (socket.AF_INET, socket.AF_INET6)
        self._tcp: socket.socket | None = found if is_tcp and _IS_LINUX else None
        self._has_own_count = isinstance(getattr(connection, "bytes_received", None), int)
        self._kernel_count = _received(self._tcp) if self._tcp is not None else None
        if self._tcp is not None:
            _limit_what_is_not_sent(self._tcp)

    def __repr__(self) -> str:
        return f"<Traffic {self.received} bytes in, {self.written} out>"

    @property
    def received(self) -> int:
        """Bytes that arrived. Grows while a message is under way, except where only whole frames can be counted."""
        if self._has_own_count:
            count: int = self._connection.bytes_received
            return count
        if self._kernel_count is None:
            return self._frames_received
        if self._tcp is not None:
            # A socket that is closed already keeps the last count.
            self._kernel_count = _received(self._tcp) or self._kernel_count
        return self._kernel_count

    @property
    def counts_bytes(self) -> bool:
        """Whether `received` grows within a message; False where the reader has to call `frame_received`."""
        return self._has_own_count or self._kernel_count is not None

    @property
    def waiting(self) -> int:
        """Bytes of `written` that the operating system has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def is_reading(self) -> bool:
        """Whether the socket reads now; False while our side is behind and makes the peer wait."""
        return self._transport.is_reading()

    def frame_received(self, frame: str | bytes) -> None:
        """Counts a frame that was read. Sockets that count bytes do not need it."""
        self._frames_received += _size_on_wire(frame, mask=0)

    def frame_written(self, frame: str | bytes) -> None:
        """Counts a frame that the socket library takes."""
        self.written += _size_on_wire(frame, mask=4)

    def payload_written(self, size: int) -> None:
        """Counts a frame that the socket library takes, by the bytes of its payload."""
        self.written += size + (6 if size < 126 else 8 if size < 65_536 else 14)


def _size_on_wire(frame: str | bytes, *, mask: int) -> int:
    size = len(frame)
    # Most text is ASCII, which a string knows of itself; then this is what its bytes are too.
    if isinstance(frame, str) and not frame.isascii():
        size = len(frame.encode("utf-8", "surrogatepass"))
    header = 2 if size < 126 else 4 if size < 65_536 else 10
    return size + header + mask


def _received(tcp: socket.socket) -> int | None:
    try:
        info = tcp.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_SIZE)
    except OSError:
        # The socket is closed already, or the kernel has another layout.
        return None
    if len(info) < _INFO_SIZE:
        return None
    (count,) = _UINT64.unpack_from(info, _RECEIVED_OFFSET)
    return int(count)


def _limit_what_is_not_sent(tcp: socket.socket) -> None:
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT_LIMIT)
    except OSError:
        # A sandbox may refuse it. Then a heartbeat waits behind what the kernel took.
        return
