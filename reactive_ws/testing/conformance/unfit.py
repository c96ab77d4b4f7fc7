"""The exception of the `check_*` functions. No logic here."""

from __future__ import annotations

__all__ = ["Unfit"]


class Unfit(AssertionError):
    """Something breaks rules.

    Attributes:
        what: What was checked.
        broken: Name of each broken rule, and how it was broken.
    """

    def __init__(self, what: str, broken: dict[str, str]) -> None:
        super().__init__(what, broken)
        self.what = what
        self.broken = broken

    def __str__(self) -> str:
        rules = "".join(f"\n  - {rule}: {text}" for rule, text in self.broken.items())
        return f"{self.what} breaks rules:{rules}"
