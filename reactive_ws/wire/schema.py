"""JSON Schema of the messages of a registry, for servers and clients in other languages."""

from __future__ import annotations

from typing import Any

import msgspec

from .control import Snapshot, SnapshotPart
from .envelope import Envelope
from .registry import Registry

__all__ = ["schema_of"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIELDS = (
    "channel",
    "id",
    "cause",
    "stream",
    "epoch",
    "seq",
    "more",
    "timestamp",
    "redelivered",
)
_WORDS = {
    "channel": "Routing name; equals `type` when absent.",
    "id": "Set by the client on every message, and kept on every resend.",
    "stream": "Name of an ordered stream; set by the server.",
    "epoch": "A new epoch begins new numbers.",
    "seq": "Number in the stream, from 1 in each epoch.",
    "timestamp": "ISO 8601 in UTC; a number is milliseconds since 1970.",
    "cause": "Id of the command of this client that led to the message.",
    "more": "True when the entry goes on in the next message, with the same position.",
    "redelivered": "True when the client sent the message before.",
}


def schema_of(registry: Registry) -> dict[str, Any]:
    """Returns a JSON Schema (draft 2020-12) that holds for every message of these types, and for no other type.

    Each type is an entry of `oneOf`, with its name as title and its guarantee as comment. Unknown fields are allowed.

    Args:
        registry: The message types. Its payload classes are described as they are written on the wire.
    """
    rows = list(registry)
    kinds = [row.payload for row in rows]
    (part, *references), definitions = msgspec.json.schema_components(
        [SnapshotPart, *kinds], ref_template="#/$defs/{name}"
    )
    whole_part = {"allOf": [part], "required": ["part", "parts", "state"]}
    states = [_is_state(kind) for kind in kinds]
    if not any(states):
        del definitions[SnapshotPart.__name__]
    # A server sends a state in parts, or the fields of a state beside its position.
    references = [
        {"anyOf": [whole_part, reference]} if is_state else reference
        for reference, is_state in zip(references, states, strict=True)
    ]
    (_, envelopes) = msgspec.json.schema_components([Envelope[Any]], ref_template="{name}")
    (envelope,) = (known for name, known in envelopes.items() if name.startswith("Envelope"))
    shared = {
        name: {**_without_default(envelope["properties"][name]), "description": _WORDS[name]}
        for name in _FIELDS
    }
    shared["seq"] = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]} | {
        "description": _WORDS["seq"]
    }
    messages = [
        {
            "title": row.name,
            "$comment": f"guarantee: {row.guarantee.value}",
            "type": "object",
            "properties": {"type": {"const": row.name}, "payload": reference, **shared},
            "required": ["type", "payload"] if row.required else ["type"],
        }
        for row, reference in zip(rows, references, strict=True)
    ]
    return {"$schema": _DIALECT, "title": "messages", "oneOf": messages, "$defs": definitions}


def _is_state(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Snapshot)


def _without_default(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "default"}
