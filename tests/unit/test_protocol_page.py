"""docs/protocol.md says what the code does: the diagram, the wire tables, and what close codes and statuses mean."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from reactive_ws import wire
from reactive_ws.connection.close_policy import ClosePolicy, Verdict
from reactive_ws.connection.transitions import diagram
from reactive_ws.dialects import parts
from reactive_ws.inbound import entries, order
from reactive_ws.server.session import Ask, ServerSession, SessionSettings, session
from reactive_ws.stores.wire.chat import (
    Message,
    Notification,
    Panel,
    PanelChange,
    Session,
    agent_chat,
)
from reactive_ws.testing.conformance.connect_checks import ConnectRule
from reactive_ws.wire import Envelope, Guarantee, JsonCodec
from reactive_ws.wire.control import Hello, Position, Recovery, Refusal
from reactive_ws.wire.registry import MessageType, protocol_v1

SERVER = Path(__file__).parents[2] / "reactive_ws" / "server"
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text("utf-8")
CHAT_PAGE = (DOCS / "stores.md").read_text("utf-8")
POLICY = ClosePolicy()
REST = "everything else"


def rows(head: str, page: str = PAGE) -> list[list[str]]:
    """Returns the cells of the table that begins with this head."""
    _, found, rest = page.partition(f"| {head} |")
    assert found, f"the page has no table {head!r}"
    lines = rest.splitlines()[2:]
    end = next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[:end]]


def numbers(text: str) -> list[int]:
    """Returns what "1000, 4500-4502" names."""
    found: list[int] = []
    for piece in text.split(", "):
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def test_the_diagram_is_the_one_that_is_printed_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in PAGE


def payload_of(kind: type) -> str:
    fields = msgspec.structs.fields(kind)
    return ", ".join(f"{each.encode_name}{'' if each.required else '?'}" for each in fields)


def of(rows: Iterable[MessageType]) -> list[list[str]]:
    """Returns what the table of a page says about these types, without the direction."""
    return [
        [f"`{row.name}`", f"`{{{payload_of(row.payload)}}}`", row.guarantee.value] for row in rows
    ]


def written(page: str) -> list[list[str]]:
    table = rows("Type | Direction | Payload | Guarantee", page)
    return [[name, payload, promise] for name, _, payload, promise in table]


def test_every_control_message_is_on_the_page_with_its_payload_and_its_guarantee() -> None:
    assert written(PAGE) == of(protocol_v1())


def test_every_type_of_the_chat_is_on_its_page_with_its_payload_and_its_guarantee() -> None:
    control = {row.name for row in protocol_v1()} - {"snapshot"}
    chat = sorted(
        (row for row in agent_chat() if row.name not in control), key=lambda row: row.name
    )
    assert sorted(written(CHAT_PAGE)) == of(chat)


@pytest.mark.parametrize("entity", [Position, Recovery, Refusal])
def test_every_entity_is_on_the_page_with_its_fields(entity: type) -> None:
    assert f"`{entity.__name__} {{{payload_of(entity)}}}`" in PAGE


@pytest.mark.parametrize("entity", [Message, Notification, Panel, PanelChange, Session])
def test_every_entity_of_the_chat_is_on_its_page_with_its_fields(entity: type) -> None:
    assert f"`{entity.__name__} {{{payload_of(entity)}}}`" in CHAT_PAGE


@pytest.mark.parametrize(
    ("head", "judge", "everything"),
    [
        ("Close code | Verdict | Kind | Refusals | Met at", POLICY.for_code, range(1000, 5000)),
        ("HTTP status | Verdict | Kind | Refusals | Met at", POLICY.for_status, range(300, 600)),
    ],
    ids=["close codes", "statuses"],
)
def test_what_the_page_says_of_codes_is_what_the_policy_says(
    head: str, judge: object, everything: range
) -> None:
    assert callable(judge)
    written: dict[int, list[str]] = {}
    rest: list[str] = []
    for codes, *columns, _ in rows(head):
        if codes == REST:
            rest = columns
            continue
        for code in numbers(codes):
            assert code not in written, f"{code} is on the page twice"
            written[code] = columns
    for code in everything:
        meaning = judge(code)
        refusals = "all" if meaning.refusals == math.inf else f"{meaning.refusals:g}"
        expected = [meaning.verdict.value, meaning.kind.value, refusals]
        assert written.get(code, rest) == expected, f"the page is wrong about {code}"


def test_the_page_explains_every_verdict_that_the_policy_has_by_default() -> None:
    explained = set(re.findall(r"^- \*\*(.+?)\*\*", PAGE, re.MULTILINE))
    assert {verdict.value for verdict in Verdict} - explained == {Verdict.STOP.value}


def test_the_rules_that_picows_breaks_have_the_names_of_rules() -> None:
    named = [
        rule for cells in rows("Rule | In `picows.websockets`") for rule in cells[0].split(", ")
    ]
    assert set(named) <= {rule.name for rule in ConnectRule}
    assert len(named) == len(set(named)) == 12


def test_every_field_of_every_control_message_is_explained() -> None:
    explained: dict[str, set[str]] = {}
    for message, fields, value, meaning in rows("Message | Field | Value | Meaning"):
        assert value
        assert meaning
        names = re.findall(r"`(\w+)`", fields)
        assert names
        known = explained.setdefault(message.strip("`"), set())
        assert not known & set(names), f"{message} {fields} is on the page twice"
        known |= set(names)
    kinds = {row.name: row.payload for row in protocol_v1()}
    kinds |= {kind.__name__: kind for kind in (Position, Recovery, Refusal)}
    fields_of = {
        name: {each.encode_name for each in msgspec.structs.fields(kind)}
        for name, kind in kinds.items()
    }
    assert explained == {name: fields for name, fields in fields_of.items() if fields}


def test_the_page_has_every_field_of_the_envelope() -> None:
    named = {
        name
        for cells in rows("Field | Set by | Meaning")
        for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert named == {each.name for each in msgspec.structs.fields(Envelope)} - {"problems"}


def test_every_code_of_an_error_of_our_server_is_on_the_page() -> None:
    """The codes are literals in calls of `ServerError` and `Failure`, and in the refusals of channels."""
    codes: dict[str, set[bool]] = {}
    for path in SERVER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ServerError", "Failure"):
                is_retryable = any(
                    key.arg in ("retryable", "is_retryable") and ast.unparse(key.value) == "True"
                    for key in node.keywords
                )
                for constant in ast.walk(node.args[0]):
                    # The test of an `x if test else y` is not a code.
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        codes.setdefault(constant.value, set()).add(is_retryable)
            elif isinstance(node, ast.DictComp):
                value = ast.unparse(node.value)
                if value.startswith("'"):
                    codes.setdefault(value.strip("'"), set()).add(False)
    written = {
        cells[0].strip("`"): cells[2] == "yes"
        for cells in rows("Code | Answers | Retryable | Meaning")
    }
    assert {code: {is_retryable} for code, is_retryable in written.items()} == codes


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    settings = SessionSettings()
    written = {cells[0]: int(cells[1]) for cells in rows("Limit | Value | Whose")}
    assert written == {
        "bytes of a stream's name": wire.MAX_STREAM_SIZE,
        "characters of an `id`": 200,
        "characters of `client`": 200,
        "smallest `maxSize` of a client": 1024,
        "`positions` of one resume": session._MAX_PENDING,
        "`pending` of one resume": session._MAX_PENDING,
        "subscriptions of one client": settings.max_channels,
        "streams that wait for a client that takes nothing": settings.max_marked,
        "seconds in which a client must take something": settings.stuck_after,
        "streams with a position": order._MAX_STREAMS,
        "characters of an `epoch`": wire.MAX_EPOCH_LENGTH,
        "characters of a `mark`": wire.MAX_EPOCH_LENGTH,
        "messages of incomplete entries": entries._MAX_MESSAGES,
        "characters of frames of incomplete entries": entries._MAX_SIZE,
        "entries held for one that is missing": order._MAX_HELD,
        "characters of frames held for missing ones": order._MAX_HELD_SIZE,
        "seconds for which they are held": order._MAX_WAIT,
        "characters of states in parts that are not complete": parts._MAX_STATE,
    }


def test_the_limits_of_texts_and_frames_hold() -> None:
    """The session of the server takes texts and frames up to their limits."""
    types = protocol_v1()
    types.message("note", guarantee=Guarantee.AT_LEAST_ONCE)(msgspec.defstruct("Note", []))
    it = ServerSession(SessionSettings(), types, JsonCodec(types))
    it.opened(0.0)
    hello = {"client": "c" * 201, "maxSize": 7}
    it.received(msgspec.json.encode({"type": "hello", "payload": hello}).decode())
    assert (it.client, it._client_size) == ("c" * 200, 1024)
    asked = it.received(msgspec.json.encode({"type": "note", "id": "i" * 200}).decode())
    assert isinstance(asked[-1], Ask)
    it.answered(asked[-1].number, None)
    (refused,) = it.received(msgspec.json.encode({"type": "note", "id": "i" * 201}).decode())
    assert '"bad_id"' in repr(refused)


@pytest.mark.parametrize("value", ["0", "-1"])
@pytest.mark.parametrize("name", ["heartbeat", "maxSize", "window", "dedup"])
def test_the_numbers_of_a_hello_are_above_0_or_left_out(name: str, value: str) -> None:
    message = JsonCodec(protocol_v1()).decode(
        f'{{"type":"hello","payload":{{"{name}":{value},"resume":true}}}}'
    )
    assert message.payload == Hello(resume=True)
    assert name in message.problems[0]
