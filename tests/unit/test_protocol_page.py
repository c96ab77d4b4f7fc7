"""docs/protocol.md says what the code does: the diagram, the wire tables, and what close codes and statuses mean."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from reactive_ws.connection.close_policy import ClosePolicy, Verdict
from reactive_ws.connection.transitions import diagram
from reactive_ws.stores.wire.chat import (
    Message,
    Notification,
    Panel,
    PanelChange,
    Session,
    agent_chat,
)
from reactive_ws.testing.conformance.connect_checks import ConnectRule
from reactive_ws.wire.control import Position, Recovery
from reactive_ws.wire.registry import MessageType, protocol_v1

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


@pytest.mark.parametrize("entity", [Position, Recovery])
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
