"""`GrowingText`: an immutable text that is cheap to extend, for answers that arrive word by word.

Pieces are joined like the digits of a counter: two of about the same length become one. So there are never more than a
few dozen pieces. A word costs the same after a thousand words and after a hundred thousand; `old + word` would copy the
whole answer for each. It knows no messages; `history.entry` uses it.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["GrowingText"]


class GrowingText(Struct, frozen=True, gc=False):
    """A text in pieces; `str()` joins them.

    Attributes:
        pieces: The text in order.
        length: Characters.
    """

    pieces: tuple[str, ...] = ()
    length: int = 0

    def __str__(self) -> str:
        return "".join(self.pieces)

    def __len__(self) -> int:
        return self.length

    def extended(self, text: str) -> GrowingText:
        """Returns the text with `text` at its end."""
        if not text:
            return self
        pieces = list(self.pieces)
        last = text
        while pieces and len(pieces[-1]) < 2 * len(last):
            last = pieces.pop() + last
        return GrowingText((*pieces, last), self.length + len(text))
