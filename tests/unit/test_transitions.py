from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reactive_ws
from reactive_ws.connection.transitions import TRANSITIONS, ConnectionState, Event, diagram, follow
from reactive_ws.errors import IllegalTransition


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(ConnectionState)


def test_an_event_that_the_row_does_not_name_raises() -> None:
    for state, row in TRANSITIONS.items():
        for event in Event:
            if event in row:
                assert follow(state, event) is row[event]
            else:
                with pytest.raises(IllegalTransition, match=state.name):
                    follow(state, event)


def test_every_state_can_be_left_and_reached() -> None:
    reached = {ConnectionState.CLOSED}
    for _ in ConnectionState:
        reached |= {target for state in reached for target in TRANSITIONS[state].values()}
    assert reached == set(ConnectionState)
    assert all(set(row.values()) != {state} for state, row in TRANSITIONS.items())


def test_the_diagram_has_one_arrow_for_each_entry() -> None:
    lines = diagram().splitlines()
    assert len(lines) == 2 + sum(len(row) for row in TRANSITIONS.values())
    assert "    CONNECTED --> DISCONNECTED: lost" in lines


def test_the_state_is_assigned_in_one_place_of_the_package() -> None:
    package = Path(reactive_ws.__file__).parent
    places: list[str] = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                # `state=connection.state` only shows it, in a view or in the metrics.
                places += [
                    path.name
                    for k in node.keywords
                    if k.arg == "state" and getattr(k.value, "attr", None) != "state"
                ]
    assert places == ["decisions.py"]
