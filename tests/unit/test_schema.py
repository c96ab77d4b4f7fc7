"""The JSON Schema of a registry holds for every message that the codec takes, and for no wrong one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from reactive_ws.commands import main
from reactive_ws.stores.wire import agent_chat
from reactive_ws.testing.generating import strategies, wrong_types
from reactive_ws.wire import Registry, Snapshot, protocol_v1, schema_of

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is missing; see the Makefile")
CHAT = agent_chat()


def validator(registry: Registry) -> Any:
    schema = schema_of(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


CHECK = validator(CHAT)


@given(strategies.wire_objects(registry=CHAT))
@settings(max_examples=300, deadline=None)
def test_a_valid_message_fits(message: dict[str, Any]) -> None:
    CHECK.validate(message)


def test_a_message_with_a_field_of_another_type_does_not_fit() -> None:
    missed = [
        wrong.detail
        for wrong in wrong_types(CHAT)
        if ": payload" in wrong.detail and CHECK.is_valid(json.loads(wrong.frame))
    ]
    # In JSON Schema the format of a text is a note, which validators need not check.
    times = ("timestamp is 'text'", "createdAt is 'text'")
    assert [detail for detail in missed if not detail.endswith(times)] == []


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "no.such.type"},
        {"type": "subscribe"},
        {"type": "subscribe", "payload": {}},
        {"type": "ping", "seq": 0},
        {"type": "ping", "id": 7},
    ],
)
def test_what_is_no_message_of_these_types_does_not_fit(message: dict[str, Any]) -> None:
    check = validator(protocol_v1())
    assert not check.is_valid(message)
    assert check.is_valid({"type": "ping", "seq": 1, "id": "7", "further": "fields"})


def test_a_state_fits_with_its_fields_in_the_payload_and_in_parts() -> None:
    registry = protocol_v1()

    @registry.snapshot
    class Todos(Snapshot, frozen=True, kw_only=True):
        titles: tuple[str, ...]

    check = validator(registry)
    place = {"stream": "todos", "epoch": "e", "seq": 3}
    for payload in (
        {**place, "titles": ["tea"]},
        {**place, "part": 1, "parts": 1, "state": {"titles": ["tea"]}},
        {**place, "part": 2, "parts": 3, "state": '"tea'},
    ):
        assert check.is_valid({"type": "snapshot", "payload": payload})
    for payload in (
        place,
        {**place, "titles": [7]},
        {**place, "part": "1", "parts": 1, "state": 7},
    ):
        assert not check.is_valid({"type": "snapshot", "payload": payload})


def test_the_command_prints_the_schema_of_a_registry(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema_of(protocol_v1())))
    assert main(["schema", "reactive_ws.stores.wire:agent_chat"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema_of(CHAT)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_messages.py").write_text(
        "from reactive_ws import Registry\ntypes = Registry()\n"
    )
    before = list(sys.path)
    assert main(["schema", "my_messages:types"]) == 0
    assert json.loads(capsys.readouterr().out)["oneOf"] == []
    assert sys.path == before


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("types", 2, "'types' is not MODULE:NAME; write it as shop.messages:types"),
        ("no_such_module:types", 1, "'no_such_module:types' cannot be loaded: No module named"),
        ("json:nothing", 1, "'json:nothing' cannot be loaded"),
        ("json:__name__", 1, "'json:__name__' is not a Registry, but str"),
    ],
)
def test_a_wrong_place_is_one_line(
    place: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", place]) == code
    assert said in capsys.readouterr().err
