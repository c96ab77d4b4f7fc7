from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.stores.collections.growing_text import GrowingText


@given(st.lists(st.text(max_size=40), max_size=200))
def test_the_text_is_all_pieces_in_order(pieces: list[str]) -> None:
    text = GrowingText()
    for piece in pieces:
        before, shown = text, str(text)
        text = text.extended(piece)
        assert str(before) == shown
    assert (str(text), len(text)) == ("".join(pieces), sum(map(len, pieces)))


def test_a_long_text_has_few_pieces() -> None:
    text = GrowingText()
    for _ in range(20_000):
        text = text.extended("word ")
    assert len(text.pieces) <= 20
