"""One socket: address, credentials, dialing, reading, writing, and foreign exceptions translated.

It does not know what messages mean. `service` uses it.

    address         where to dial
    authentication  how a token gets to the server
    dialing         how a socket is opened and what is written on it: token, headers, subprotocols, frames
    failures        the border to `websockets` and the operating system
    line            one socket with its two tasks
    picows          `connect` of the socket library picows, in the shape that the service needs
    redaction       A logger for `websockets` that shows no secrets
    settings        everything a service can be told, in one frozen record
    token_expiry    when a token should be replaced, read from the token itself
    traffic         the byte counts of one socket
    websockets      `connect` of the library `websockets`, with counted bytes and without redirects
"""

from . import address
from .address import resolve
from .authentication import Auth, FirstMessage, Header, Query, Subprotocol
from .dialing import Dialer
from .line import Line, Socket
from .settings import Settings
from .token_expiry import TokenWatch
from .traffic import Traffic
from .websockets import connect

__all__ = [
    "Auth",
    "Dialer",
    "FirstMessage",
    "Header",
    "Line",
    "Query",
    "Settings",
    "Socket",
    "Subprotocol",
    "TokenWatch",
    "Traffic",
    "address",
    "connect",
    "resolve",
]
