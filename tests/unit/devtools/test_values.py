"""How the developer tools show values and differences: whole, within bounds, and without secrets."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest

from reactive_ws.devtools.values import Shows


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Login:
    user: str
    token: str
    pin: str = attrs.field(default="4711", repr=False)


class Panel(msgspec.Struct, frozen=True):
    title: str
    rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    note: str = dataclasses.field(default="quiet", repr=False)


class Pair(NamedTuple):
    left: int
    right: int


class Loud:
    def __repr__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, {"text": "1"}),
        ("a", {"text": "'a'"}),
        (Colour.RED, {"text": "Colour.RED"}),
        ({}, {"text": "dict of 0"}),
        ((1, "b"), {"text": "tuple of 2", "parts": [["0", {"text": "1"}], ["1", {"text": "'b'"}]]}),
        (
            Panel("t", ()),
            {
                "text": "Panel",
                "parts": [["title", {"text": "'t'"}], ["rows", {"text": "tuple of 0"}]],
            },
        ),
        (
            Pair(1, 2),
            {"text": "Pair of 2", "parts": [["left", {"text": "1"}], ["right", {"text": "2"}]]},
        ),
        (Point(3), {"text": "Point", "parts": [["x", {"text": "3"}], ["note", {"text": "***"}]]}),
        (int, {"text": "<class 'int'>"}),
    ],
)
def test_values_are_trees_of_texts(value: Any, shown: Any) -> None:
    assert Shows().show(value) == shown


def test_what_has_the_name_of_a_secret_is_hidden_everywhere() -> None:
    shows = Shows(hide=["iban"])
    value = {
        "login": Login("ann", "S1"),
        "password": "S2",
        "headers": {"Authorization": "S3", "Set-Cookie": "S4"},
        "api_key": "S5",
        "IBAN of ann": "S6",
        "text": "Bearer S7 at wss://ann:S8@host/x?key=S9 with eyJhbGciOi.eyJzdWIi.S10",
    }
    for given in (value, [value], (value, {"inner": value})):
        text = json.dumps(shows.show(given))
        assert "ann" in text
        assert not any(f"S{n}" in text for n in range(1, 11)), text
        assert "4711" not in text
    assert shows.show("S11", "app.tokens") == {"text": "***"}
    other = {**value, "login": Login("bob", "S21", "S22"), "password": "S23", "iban": "S24"}
    text = json.dumps(shows.difference(value, other))
    assert "bob" in text
    assert not any(f"S{n}" in text for n in range(1, 30)), text
    assert shows.difference("S1", "S2", "token") == [["", "***", "***"]]
    assert "S1" not in json.dumps(shows.difference(Login("a", "S1"), None))


def test_shown_values_are_bounded_and_survive_what_raises() -> None:
    shows = Shows()
    deep: Any = 1
    for _ in range(1000):
        deep = [deep]
    wide = {str(n): list(range(1000)) for n in range(1000)}
    assert len(json.dumps(shows.show(deep))) < 1000
    assert len(json.dumps(shows.show(wide))) < 200_000
    assert len(json.dumps(shows.show("x" * 10**6))) < 1000
    assert shows.show(wide)["parts"][-1][0] == "… 950 more"
    assert "raised RuntimeError" in shows.show(Loud())["text"]
    assert shows.difference(Loud(), Loud())[0][0] == ""
    assert "\n" not in shows.show("a\nb\x1b[31m")["text"]


def test_a_difference_names_the_parts_that_changed() -> None:
    shows = Shows()
    old = {"a": Panel("t", (1, 2)), "b": 1, "gone": 2}
    new = {"a": Panel("t", (1, 3)), "b": 1, "new": [4]}
    assert shows.difference(old, new) == [
        ["a.rows.1", "2", "3"],
        ["gone", "2", None],
        ["new", None, "list of 1(0=4)"],
    ]
    assert shows.difference(1, "1") == [["", "1", "'1'"]]
    assert shows.difference(old, old) == []
    many = shows.difference(dict.fromkeys(range(1000), 0), dict.fromkeys(range(1000), 1))
    assert len(many) == 41
    assert many[-1] == ["…", None, None]
    huge = dict.fromkeys(range(50_000), 0)
    assert shows.difference(huge, {**huge, 1: 1}) == [["", "dict of 50000", "dict of 50000"]]
