"""Frames <-> typed messages. Replace it to speak a foreign protocol; nothing above this room knows JSON.

`JsonCodec` decodes a message of a known type in one pass, straight into its classes. Whatever does not go that way is decoded
in two steps: the envelope with the payload left raw, then the payload. What fails validation is repaired where that loses
nothing required, and rejected otherwise; a codec raises nothing but `MessageRejected` for what arrives. What a codec keeps between frames is only a faster way to the same result, so any thread may use it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol, cast, runtime_checkable

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import force_setattr

from ..errors import MessageRejected
from .envelope import Envelope, id_text
from .registry import MessageType, Registry, protocol_v1

__all__ = ["Codec", "JsonCodec"]

_PATH_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]")
_MAX_DIGITS = 4_000
"""Python reads no integer of more than 4 300."""
_MAX_REPAIRS = 32
"""Bad optional fields per message; a message with more is noise, not a message."""


@runtime_checkable
class Codec(Protocol):
    """The wire format that a service speaks.

    Attributes:
        subprotocol: Offered in the handshake; None offers nothing and the connection is in plain mode.
    """

    @property
    def subprotocol(self) -> str | None: ...

    def encode(self, envelope: Envelope[Any]) -> str | bytes:
        """Returns the frame of a message: text for a text frame, bytes for a binary one.

        Raises:
            MessageRejected: the payload cannot be written in this format.
        """
        ...

    def decode(self, frame: str | bytes) -> Envelope[Any]:
        """Returns the message of a frame.

        Raises:
            MessageRejected: it is not a valid message. No input raises another exception.
        """
        ...


class _Incoming(Struct, frozen=True, gc=False):
    type: str
    payload: Raw = Raw(b"")
    channel: str | None = None
    id: str | int | float | bool | None = None
    stream: str | None = None
    epoch: str | None = None
    seq: int | None = None
    timestamp: datetime | float | None = None
    redelivered: bool | None = None
    cause: str | None = None
    more: bool | None = None


class _Outgoing(Struct, frozen=True, gc=False, omit_defaults=True):
    type: str
    id: str | None = None
    channel: str | None = None
    stream: str | None = None
    epoch: str | None = None
    seq: int | None = None
    timestamp: datetime | float | None = None
    redelivered: bool = False
    payload: Any = UNSET
    cause: str | None = None
    more: bool = False


class JsonCodec:
    """JSON text frames of wire protocol v1, or of any JSON server that names its types in a `type` field.

    Args:
        registry: The known types; `protocol_v1()` when None. Types that are added to it later are seen.
        subprotocol: What to offer in the handshake; None for plain mode.
    """

    def __init__(
        self, registry: Registry | None = None, *, subprotocol: str | None = "reactive-ws.v1"
    ) -> None:
        self.registry = protocol_v1() if registry is None else registry
        self._subprotocol = subprotocol
        self._encoder = msgspec.json.Encoder()
        self._envelopes = msgspec.json.Decoder(_Incoming)
        self._anything = msgspec.json.Decoder()
        self._payloads: dict[str, tuple[MessageType, msgspec.json.Decoder[Any]]] = {}
        self._whole: dict[str, Callable[[str], Envelope[Any]]] = {}
        # How the last message of a known type began, its type and its decoder. Replaced as one, so any thread may do it.
        self._last: tuple[str, str, Callable[[str], Envelope[Any]] | None] = ("\0", "", None)

    def __repr__(self) -> str:
        return f"JsonCodec({self.registry!r}, subprotocol={self._subprotocol!r})"

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the service offers in the handshake, or None."""
        return self._subprotocol

    def encode(self, envelope: Envelope[Any]) -> str:
        """Returns the JSON text of a message. A channel that equals the type is left out, and so is an empty payload.

        Raises:
            MessageRejected: the payload holds something that JSON cannot express.
        """
        payload = envelope.payload
        if payload is None or (isinstance(payload, Struct) and not payload.__struct_fields__):
            payload = UNSET
        outgoing = _Outgoing(
            envelope.type,
            envelope.id,
            envelope.channel if envelope.channel and envelope.channel != envelope.type else None,
            envelope.stream,
            envelope.epoch,
            envelope.seq,
            envelope.timestamp,
            envelope.redelivered,
            payload,
            envelope.cause,
            envelope.more,
        )
        try:
            return self._encoder.encode(outgoing).decode()
        except (TypeError, ValueError, RecursionError) as error:
            raise MessageRejected(
                f"it cannot be written as JSON: {error}", type=envelope.type
            ) from error

    def decode(self, frame: str | bytes) -> Envelope[Any]:
        """Returns the message of a text frame, its payload validated and typed.

        Raises:
            MessageRejected: not JSON, not an object with a `type`, a binary frame, or a bad required field.
        """
        if not isinstance(frame, str):
            raise MessageRejected(
                f"a binary frame of {len(frame)} bytes where JSON text was expected"
            )
        # Most encoders write the type first. Its class is then known before the frame is parsed, which halves the time.
        # Messages of one type come in a row, so the beginning of the last one is tried first.
        head, name, decode = self._last
        if not frame.startswith(head):
            start = (
                9 if frame.startswith('{"type":"') else 10 if frame.startswith('{"type": "') else 0
            )
            end = frame.find('"', start) if start else -1
            name = frame[start:end]
            decode = self._whole.get(name) if end > 0 else None
            if decode is not None:
                self._last = frame[: end + 1], name, decode
        if decode is not None:
            try:
                envelope = decode(frame)
            except (ValueError, RecursionError):
                # What is wrong, and whether it can be repaired, the long way below finds out.
                pass
            else:
                if envelope.type == name and not envelope.problems:
                    if not envelope.channel:
                        force_setattr(envelope, "channel", name)
                    return envelope
        problems: tuple[str, ...] = ()
        try:
            incoming = self._envelopes.decode(frame)
        except msgspec.ValidationError as error:
            incoming, problems = self._repair_envelope(frame, error)
        except (ValueError, RecursionError) as error:
            mended = _mended(frame)
            if mended is None:
                raise MessageRejected(f"it is not JSON: {_say(error)}") from error
            return self._with_problems(*mended)
        payload, more = self._payload(incoming)
        return Envelope(
            incoming.type,
            payload,
            incoming.channel or incoming.type,
            id_text(incoming.id),
            incoming.stream,
            incoming.epoch,
            incoming.seq,
            incoming.timestamp,
            incoming.redelivered is True,
            problems + more if more else problems,
            incoming.cause,
            incoming.more is True,
        )

    def decode_run(self, frames: Iterable[str | bytes]) -> list[Envelope[Any]]:
        """Returns the messages of the first frames that begin as the newest message of a known type did.

        It ends at the first frame that one pass does not read; give that one to `decode`. The messages are those that
        `decode` returns. A call for each frame would cost a third of the decoding.
        """
        head, name, decode = self._last
        found: list[Envelope[Any]] = []
        if decode is None:
            return found
        begins, append = str.startswith, found.append
        try:
            for frame in frames:
                if not begins(frame, head):  # type: ignore[arg-type]
                    break
                envelope = decode(frame)  # type: ignore[arg-type]
                if envelope.type != name or envelope.problems:
                    break
                if not envelope.channel:
                    force_setattr(envelope, "channel", name)
                append(envelope)
        except (TypeError, ValueError, RecursionError):
            # A binary frame, or one that `decode` reads in another way or rejects.
            pass
        return found

    def _with_problems(self, frame: str, problems: tuple[str, ...]) -> Envelope[Any]:
        """Returns the message of a frame that was mended."""
        envelope = self.decode(frame)
        return msgspec.structs.replace(envelope, problems=(*problems, *envelope.problems))

    def _payload(self, incoming: _Incoming) -> tuple[Any, tuple[str, ...]]:
        known = self._payloads.get(incoming.type)
        if known is None:
            row = self.registry.get(incoming.type)
            if row is None:
                return self._untyped(incoming)
            known = row, msgspec.json.Decoder(row.payload)
            self._payloads[incoming.type] = known
            self._whole[incoming.type] = msgspec.json.Decoder(Envelope[row.payload]).decode  # type: ignore[name-defined]
        row, decoder = known
        raw = incoming.payload
        if not row.required and bytes(raw) in (b"", b"null"):
            return row.payload(), ()
        try:
            return decoder.decode(raw or b"null"), ()
        except msgspec.ValidationError as error:
            try:
                return _repair(self._anything.decode(raw or b"null"), row.payload, error, "payload")
            except msgspec.ValidationError as final:
                return self._payload_without_numbers(incoming, final)
        except (ValueError, RecursionError) as error:
            return self._payload_without_numbers(incoming, error)

    def _payload_without_numbers(
        self, incoming: _Incoming, error: Exception
    ) -> tuple[Any, tuple[str, ...]]:
        """Decodes a payload again, with null for its numbers that no float holds."""
        mended = _mended(bytes(incoming.payload).decode())
        if mended is None:
            raise _rejected(_say(error), incoming) from error
        text, problems = mended
        changed = msgspec.structs.replace(incoming, payload=Raw(text.encode()))
        payload, more = self._payload(changed)
        return payload, (*problems, *more)

    def _untyped(self, incoming: _Incoming) -> tuple[Any, tuple[str, ...]]:
        if not incoming.payload:
            return None, ()
        try:
            return self._anything.decode(incoming.payload), ()
        except (ValueError, RecursionError) as error:
            return self._payload_without_numbers(incoming, error)

    def _repair_envelope(
        self, frame: str, error: msgspec.ValidationError
    ) -> tuple[_Incoming, tuple[str, ...]]:
        """Drops bad optional fields of the envelope; the payload is left as it is."""
        notes: tuple[str, ...] = ()
        try:
            try:
                fields = self._anything.decode(frame)
            except (ValueError, RecursionError):
                mended = _mended(frame)
                if mended is None:
                    raise
                text, notes = mended
                fields = self._anything.decode(text)
            if not isinstance(fields, dict):
                kind = type(fields).__name__
                raise MessageRejected(f"it is {kind}, not an object with a type") from error
            fields = cast("dict[str, Any]", fields)
            payload = fields.pop("payload", UNSET)
            repaired, problems = _repair(fields, _Incoming, error, "envelope")
        except msgspec.ValidationError as final:
            raise MessageRejected(_say(final)) from error
        except (ValueError, RecursionError) as other:
            raise MessageRejected(f"it is not JSON: {_say(other)}") from other
        raw = Raw(b"") if payload is UNSET else Raw(self._encoder.encode(payload))
        return msgspec.structs.replace(repaired, payload=raw), (*notes, *problems)


def _rejected(reason: str, incoming: _Incoming) -> MessageRejected:
    return MessageRejected(
        reason,
        type=incoming.type,
        stream=incoming.stream,
        epoch=incoming.epoch,
        seq=incoming.seq,
        id=id_text(incoming.id),
        more=incoming.more is True,
    )


def _mended(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Returns JSON text with null for numbers that JSON or a float cannot hold, and a line about each.

    Python, for one, writes `NaN` and `Infinity`. None: something else is wrong with the text.
    """
    problems: list[str] = []

    def note(problem: str) -> None:
        if len(problems) < _MAX_REPAIRS:
            problems.append(problem)

    def constant(word: str) -> None:
        note(f"{word} is not JSON; it counts as null")

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        note(f"the number {digits:.20} is too large; it counts as null")
        return None

    def integer(digits: str) -> int | None:
        if len(digits) <= _MAX_DIGITS:
            return int(digits)
        note(f"the number {digits:.20} is too large; it counts as null")
        return None

    try:
        value = json.loads(text, parse_constant=constant, parse_float=number, parse_int=integer)
        if not problems:
            return None
        return msgspec.json.encode(value).decode(), tuple(problems)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _repair(
    value: Any, target: type[Any], error: msgspec.ValidationError, where: str
) -> tuple[Any, tuple[str, ...]]:
    """Converts JSON values to `target`, dropping optional fields that are bad.

    The field that the validator names is deleted and the conversion tried again; when the validator then misses that
    field, it was required, so its whole object is bad and goes the same way, up to the root.

    Raises:
        msgspec.ValidationError: the first complaint about a field that cannot be dropped.
    """
    problems: list[str] = []
    current = error
    for _ in range(_MAX_REPAIRS):
        steps = _steps(str(current))
        while True:
            if not _delete(value, steps):
                raise current
            try:
                return msgspec.convert(value, target), (*problems, f"{where}: {current}")
            except msgspec.ValidationError as next_error:
                parent = steps[:-1]
                if (
                    "missing required field" not in str(next_error)
                    or _steps(str(next_error)) != parent
                ):
                    problems.append(f"{where}: {current}")
                    current = next_error
                    break
                steps = parent
    raise current


def _steps(text: str) -> list[str | int]:
    """Returns the path in a validator's message, such as ["message", "sequence"] for `$.message.sequence`."""
    _, _, path = text.rpartition(" - at `$")
    return [
        field or (int(index) if index != "..." else index)
        for field, index in _PATH_STEP.findall(path.removesuffix("`"))
    ]


def _delete(value: Any, steps: list[str | int]) -> bool:
    """Deletes the innermost object field on the path, and cuts the path to it; False when there is none."""
    while steps and not isinstance(steps[-1], str):
        steps.pop()
    if not steps or "..." in steps:
        return False
    for step in steps[:-1]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return value.__class__ is dict and value.pop(steps[-1], UNSET) is not UNSET
