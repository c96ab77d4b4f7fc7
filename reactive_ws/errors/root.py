"""The root of every exception that this package raises on purpose."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ReactiveWSError"]


class ReactiveWSError(Exception):
    """Root of every exception that this package raises on purpose."""

    text: ClassVar[str] = ""
    """What `str` gives, with the attributes filled in."""

    def __str__(self) -> str:
        return self.text.format_map(vars(self)) if self.text else super().__str__()
