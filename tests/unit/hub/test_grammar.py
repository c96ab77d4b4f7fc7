"""Reading a chat line of the demo hub as an order or as plain talk."""

import pytest

from reactive_ws.stores.hub.grammar import (
    ClosePanel,
    CreatePanel,
    Notify,
    RefuseMessage,
    UpdatePanel,
    orders,
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("panel create Weather", (CreatePanel("Weather"),)),
        ("  PANEL  Create   Weather in Rome ", (CreatePanel("Weather in Rome"),)),
        ("panel update Weather: sunny: 31 C", (UpdatePanel("Weather", "sunny: 31 C"),)),
        ("panel update Weather:", (UpdatePanel("Weather", ""),)),
        ("panel close Weather", (ClosePanel("Weather"),)),
        ("notify Lunch", (Notify("Lunch", ""),)),
        ("notify Lunch: at noon", (Notify("Lunch", "at noon"),)),
        ("refuse not today", (RefuseMessage("not today"),)),
        (
            "hello\npanel create A\nand then\npanel close A",
            (CreatePanel("A"), ClosePanel("A")),
        ),
        ("panel create", ()),
        ("panel update Weather", ()),
        ("panel update : text", ()),
        ("notify", ()),
        ("please panel create Weather", ()),
        ("", ()),
    ],
)
def test_each_line_is_an_order_or_talk(content: str, expected: tuple[object, ...]) -> None:
    assert orders(content) == expected


def test_a_title_is_cut_to_a_line_of_a_user_interface() -> None:
    (order,) = orders("panel create " + "x" * 1000)
    assert order == CreatePanel("x" * 200)
