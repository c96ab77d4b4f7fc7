"""Opens one socket, reads and writes it, and translates foreign exceptions.

It does not know what messages mean and decides nothing about retries. The shell of `service` uses it. Programs name the ways
of a token (`Header`, `Query`, `Subprotocol`, `FirstMessage`) and, with the extra `fast`, `reactive_ws.transport.picows.connect`.

    credentials  tokens: where a program says them, how a dial carries them, when they are replaced
    address      makes the URL to dial, its redacted form and its origin
    settings     all options of a service in one frozen record
    redirects    decides whether a redirect is followed, and what goes along
    redaction    a logger for `websockets` that shows no secrets
    failures     translates exceptions of `websockets`, TLS and the operating system
    sockets      one socket: bytes in, whole messages out, frames written in the call that sends them
    websockets   `connect` of the library `websockets`: messages in runs, counted bytes, no redirects
    browser      `connect` over the WebSocket of a browser, for Pyodide
    picows       `connect` of the library `picows`, in the shape that the service needs
    dialing      opens sockets: URL, token, redirects; marks resends
"""

from . import address
from .address import resolve
from .credentials import AuthMethod, FirstMessage, Header, Provider, Query, Subprotocol, TokenWatch
from .dialing import Dialer, frame_size
from .settings import Settings
from .sockets import Line, Socket, Splitter, Traffic, unmasked
from .websockets import connect

__all__ = [
    "AuthMethod",
    "Dialer",
    "FirstMessage",
    "Header",
    "Line",
    "Provider",
    "Query",
    "Settings",
    "Socket",
    "Splitter",
    "Subprotocol",
    "TokenWatch",
    "Traffic",
    "address",
    "connect",
    "frame_size",
    "resolve",
    "unmasked",
]
