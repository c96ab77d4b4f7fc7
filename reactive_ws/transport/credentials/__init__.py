"""Tokens: where a program says them, how a dial carries them, when they are replaced.

It opens no socket and knows no message. `transport` uses it when it dials.

    provider        calls a function of the program that gives a token or a URL
    authentication  puts a token into a dial
    token_expiry    reads from a token when to replace it
"""

from .authentication import AuthMethod, FirstMessage, Header, Query, Subprotocol, Tokens, spellings
from .provider import Provider, ask
from .token_expiry import TokenWatch

__all__ = [
    "AuthMethod",
    "FirstMessage",
    "Header",
    "Provider",
    "Query",
    "Subprotocol",
    "TokenWatch",
    "Tokens",
    "ask",
    "spellings",
]
