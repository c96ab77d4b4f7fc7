"""Turns a record into JSON for viewers: what is new since the last look, what stores hold, a whole document to keep.

A `Feed` belongs to one viewer. It shows values through `Shows`, so that no secret leaves the program. `server` sends what it makes;
the screen and the page draw it. Documents are what export writes and import reads.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from ..errors import UsageError
from .recorder import (
    CommitMade,
    ConnectionChanged,
    DeliveryChanged,
    ErrorHappened,
    MessageHandled,
    MessageSent,
    ProgramRecorder,
    RecordedEvent,
)
from .values import Shown, Shows

__all__ = ["Document", "Feed", "read_document", "render"]

Document = dict[str, Any]

_FORMAT = "reactive-ws record"
_VERSION = 1
_MOST = 500
"""Events of one look; of a flood, the newest are shown and the others are counted."""
_MAX_DOCUMENT = 64 * 2**20


class _Head(msgspec.Struct):
    """The fields that tell a record from other files."""

    format: Literal["reactive-ws record"]
    version: int


class _Row(msgspec.Struct):
    """The fields that each event of a document has."""

    number: int
    at: float
    kind: Literal["commit", "in", "out", "delivery", "connection", "error"]
    title: str
    cause: dict[str, Any] | None = None
    changes: list[dict[str, Any]] = []


class _StoreRow(msgspec.Struct):
    """The fields that each store of a document has."""

    store: int
    name: str
    value: dict[str, Any]


class _Body(msgspec.Struct):
    """The lists of a document."""

    events: list[_Row]
    stores: list[_StoreRow]


def render(event: RecordedEvent, shows: Shows) -> Shown:
    """Returns an event as JSON: number, at, kind, title, and what its kind has."""
    what = event.what
    shown: Shown = {"number": event.number, "at": event.at}
    if isinstance(what, CommitMade):
        cause = what.cause
        names = dict.fromkeys([change.name for change in what.changes] + list(what.closed))
        shown |= {
            "kind": "commit",
            "title": ", ".join(names),
            "commit": what.number,
            "depth": what.depth,
            "closed": list(what.closed),
            "changes": [
                {
                    "store": change.store,
                    "name": change.name,
                    "difference": shows.difference(change.old, change.new, change.name),
                }
                for change in what.changes
            ],
        }
        if cause is not None:
            shown["cause"] = {
                "action": cause.action,
                "messages": list(cause.messages),
                "thread": cause.thread,
                "parent": cause.parent,
                "call_site": cause.call_site,
            }
    elif isinstance(what, MessageHandled | MessageSent):
        is_in = isinstance(what, MessageHandled)
        envelope = what.envelope if isinstance(what, MessageHandled) else what.sending.envelope
        shown |= {
            "kind": "in" if is_in else "out",
            "title": shows.text(envelope.type),
            "id": envelope.id and shows.text(envelope.id),
            "channel": shows.text(envelope.channel),
            "value": shows.show(envelope.payload, envelope.type),
        }
        if isinstance(what, MessageSent):
            shown["guarantee"] = what.sending.guarantee.name.lower().replace("_", "-")
    elif isinstance(what, DeliveryChanged):
        title = f"{shows.text(what.type)}: {what.status.value}"
        shown |= {"kind": "delivery", "title": title, "id": shows.text(what.id)}
    elif isinstance(what, ConnectionChanged):
        cause_text = "" if what.connection.cause is None else f": {what.connection.cause}"
        title = f"{what.connection.state.value}{cause_text}"
        shown |= {
            "kind": "connection",
            "title": shows.text(title),
            "value": shows.show(what.connection),
        }
    else:
        shown |= _error(what, shows)
    return shown


def _error(what: ErrorHappened, shows: Shows) -> Shown:
    error = what.error
    return {
        "kind": "error",
        "title": shows.text(f"{type(error.exception).__name__}: {error.exception}"),
        "source": error.source and shows.text(error.source),
        "of": error.kind.value,
    }


class Feed:
    """The difference between the record and what one viewer has. One thread.

    Args:
        recorder: What to show.
        shows: How values are shown.
    """

    def __init__(self, recorder: ProgramRecorder, shows: Shows) -> None:
        self._recorder = recorder
        self._shows = shows
        self._seen = 0
        self._values: dict[int, Any] = {}

    def hello(self) -> Shown:
        """Returns the first message for a viewer."""
        return {
            "type": "hello",
            "domain": self._recorder.domain.name,
            "services": [repr(service) for service in self._recorder.services],
        }

    def news(self) -> Shown | None:
        """Returns what is new since the last call; None for nothing."""
        events = self._recorder.events(self._seen)
        stores, gone = self._stores()
        if not (events or stores or gone):
            return None
        missed = max(0, self._recorder_missed(events)) + max(0, len(events) - _MOST)
        self._seen = events[-1].number if events else self._seen
        return {
            "type": "news",
            "missed": missed,
            "events": [render(event, self._shows) for event in events[-_MOST:]],
            "stores": stores,
            "gone": gone,
            "commit": self._recorder.domain.number,
            "leftAt": self._recorder.left_at,
            "services": [self._service(it) for it in self._recorder.services],
        }

    def _recorder_missed(self, events: tuple[RecordedEvent, ...]) -> int:
        return events[0].number - self._seen - 1 if events else 0

    def _stores(self) -> tuple[list[Shown], list[int]]:
        """Returns the stores whose values are new, and the numbers of those that are gone."""
        found = {number: cell for number, cell in self._recorder.stores() if not cell.is_closed}
        gone = [number for number in self._values if number not in found]
        for number in gone:
            del self._values[number]
        rows: list[Shown] = []
        for number, cell in found.items():
            value = cell.committed
            if number in self._values and self._values[number] is value:
                continue
            self._values[number] = value
            shown = self._shows.show(value, cell.name)
            rows.append({"store": number, "name": self._shows.text(cell.name), "value": shown})
        return rows, gone

    def _service(self, service: Any) -> Shown:
        connection, outbox = service.connection.get(), service.outbox.get()
        return {
            "url": connection.url,
            "state": connection.state.value,
            "waiting": len(outbox),
            "outbox": [
                {"id": it.id, "type": it.type, "status": it.status.value, "attempts": it.attempts}
                for it in outbox.entries[:100]
            ],
        }

    def document(self) -> Document:
        """Returns the whole record and the stores of this moment, to export."""
        whole = Feed(self._recorder, self._shows)
        stores, _ = whole._stores()
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "domain": self._recorder.domain.name,
            "events": [render(event, self._shows) for event in self._recorder.events()],
            "stores": stores,
        }


def read_document(text: str) -> Document:
    """Reads an exported record.

    Raises:
        UsageError: it is not one, or one of a newer version.
    """
    if len(text) > _MAX_DOCUMENT:
        raise UsageError(f"a record has at most {_MAX_DOCUMENT // 2**20} MiB")
    try:
        found: Any = json.loads(text)
        msgspec.convert(found, _Head)
    except (ValueError, RecursionError):
        raise UsageError("the file is not a record of reactive-ws: export writes one") from None
    if found["version"] != _VERSION:
        raise UsageError(f"the record has version {found['version']}; this tool reads {_VERSION}")
    try:
        msgspec.convert(found, _Body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the record is damaged: {error}") from None
    document: Document = found
    return document
