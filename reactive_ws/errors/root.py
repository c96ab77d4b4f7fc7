"""The base class of all exceptions of this package."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ReactiveWSError"]


class ReactiveWSError(Exception):
    """Base class of every exception that this package raises on purpose."""

    text: ClassVar[str] = ""
    """The template of `str`. The attributes fill it in."""

    def __str__(self) -> str:
        return self.text.format_map(vars(self)) if self.text else super().__str__()
