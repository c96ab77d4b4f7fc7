"""docs/protocol.md says what the code does: the diagram, the wire tables, and what close codes and statuses mean."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec
import pytest

from reactive_ws.connection.close_policy import ClosePolicy, Verdict
from reactive_ws.connection.transitions import diagram
from reactive_ws.testing.conformance.connect_checks import ConnectRule
from reactive_ws.wire.envelope import protocol_v1

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
POLICY = ClosePolicy()
REST = "everything else"


def rows(head: str) -> list[list[str]]:
    """Returns the cells of the table that begins with this head."""
    _, found, rest = PAGE.partition(f"| {head} |")
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


def test_every_type_is_on_the_page_with_its_payload_and_its_guarantee() -> None:
    expected = [
        [f"`{row.name}`", f"`{{{payload_of(row.payload)}}}`", row.guarantee.value]
        for row in protocol_v1()
    ]
    written = [
        [name, payload, promise]
        for name, _, payload, promise in rows("Type | Direction | Payload | Guarantee")
    ]
    assert written == expected


def test_every_entity_is_on_the_page_with_its_fields() -> None:
    import reactive_ws.wire.control as payloads

    for name in (
        "Message",
        "Panel",
        "PanelChange",
        "Session",
        "Notification",
        "Position",
        "Recovery",
    ):
        assert f"`{name} {{{payload_of(getattr(payloads, name))}}}`" in PAGE


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
    assert len(named) == len(set(named)) == 10
