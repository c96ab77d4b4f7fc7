"""The words of the wire: envelopes, the registry of message types, control messages, codecs.

It knows no application and no connection, and does no I/O. Packages above it take from it the types of what they pass on.
An application registers its own types on a copy of `protocol_v1()`.

    envelope  `Envelope`: one message with its address and position
    control   payloads of the control messages of protocol v1
    registry  `Registry`: which payload class has which type, and how far its delivery is promised
    schema    `schema_of`: the JSON Schema of a registry's messages
    codec     frames to envelopes and back: the `Codec` protocol and `JsonCodec`
"""

from .codec import Codec, JsonCodec
from .control import (
    MAX_EPOCH_LENGTH,
    MAX_ID_LENGTH,
    MAX_STREAM_SIZE,
    Auth,
    AuthOk,
    GoAway,
    Hello,
    MessageReceived,
    Ping,
    Pong,
    Position,
    Recovery,
    Refusal,
    Resume,
    Resumed,
    ServerError,
    Snapshot,
    SnapshotPart,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
    Unsubscribed,
)
from .envelope import Envelope, id_text, moment
from .registry import Guarantee, MessageType, Registry, protocol_v1
from .schema import schema_of

__all__ = [
    "MAX_EPOCH_LENGTH",
    "MAX_ID_LENGTH",
    "MAX_STREAM_SIZE",
    "Auth",
    "AuthOk",
    "Codec",
    "Envelope",
    "GoAway",
    "Guarantee",
    "Hello",
    "JsonCodec",
    "MessageReceived",
    "MessageType",
    "Ping",
    "Pong",
    "Position",
    "Recovery",
    "Refusal",
    "Registry",
    "Resume",
    "Resumed",
    "ServerError",
    "Snapshot",
    "SnapshotPart",
    "Subscribe",
    "Subscribed",
    "Sync",
    "Unsubscribe",
    "Unsubscribed",
    "id_text",
    "moment",
    "protocol_v1",
    "schema_of",
]
