"""Opens one socket, reads and writes it, and translates foreign exceptions.

It does not know what messages mean and decides nothing about retries. The shell of `service` uses it. Programs name the ways
of a token (`Header`, `Query`, `Subprotocol`, `FirstMessage`) and, with the extra `fast`, `reactive_ws.transport.picows.connect`.

    provider        calls a function of the program that gives a token or a URL
    address         makes the URL to dial, its redacted form and its origin
    authentication  puts a token into a dial
    token_expiry    reads from a token when to replace it
    settings        all options of a service in one frozen record
    redirects       decides whether a redirect is followed, and what goes along
    redaction       a logger for `websockets` that shows no secrets
    failures        translates exceptions of `websockets`, TLS and the operating system
    traffic         counts the bytes of one socket
    racing          opens a TCP connection to the first address of a name that answers
    frames          cuts whole messages out of the bytes that arrived
    websockets      `connect` of the library `websockets`: messages in runs, counted bytes, no redirects
    browser         `connect` over the WebSocket of a browser, for Pyodide
    picows          `connect` of the library `picows`, in the shape that the service needs
    pulling         two tasks for a socket that has only `recv` and `send`
    line            one socket: takes messages where they arrive, writes them where they are sent
    dialing         opens sockets: URL, token, redirects; marks resends
"""

from . import address
from .address import resolve
from .authentication import AuthMethod, FirstMessage, Header, Query, Subprotocol
from .dialing import Dialer, frame_size
from .line import Line
from .provider import Provider
from .pulling import Socket
from .settings import Settings
from .token_expiry import TokenWatch
from .traffic import Traffic
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
    "Subprotocol",
    "TokenWatch",
    "Traffic",
    "address",
    "connect",
    "frame_size",
    "resolve",
]
