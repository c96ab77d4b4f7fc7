"""`check_row_functions`: refuses what a list cannot call, before the first row comes."""

from __future__ import annotations

from ...engine import check_function

__all__ = ["check_row_functions"]


def check_row_functions(**functions: object) -> None:
    """Refuses an argument of a list that is not a plain function of a row.

    Args:
        functions: The arguments by their names, such as `key=` and `text=`.

    Raises:
        UsageError: one of them cannot be called, or is an `async def`.
    """
    for name, function in functions.items():
        check_function(function, f"{name}=", "return the value at once")
