"""One socket: bytes in, whole messages out, frames written in the call that sends them.

It knows no URL and no credentials, and does not dial. `transport` uses it for each library of sockets.

    traffic   counts the bytes of one socket
    racing    opens a TCP connection to the first address of a name that answers
    frames    cuts whole messages out of the bytes that arrived, and writes messages as frames
    pulling   two tasks for a socket that has only `recv` and `send`
    line      one socket: takes messages where they arrive, writes them where they are sent
"""

from .frames import Splitter, masked, unmasked
from .line import Line
from .pulling import Socket
from .racing import open_socket
from .traffic import Traffic

__all__ = ["Line", "Socket", "Splitter", "Traffic", "masked", "open_socket", "unmasked"]
