"""`Choice`: the item of a list that the user looks at, and the item that takes its place when it is gone. Pure.

The server may take away an item at any time, and the user stays near it. `carousel` keeps a choice.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

__all__ = ["Choice"]


@attrs.frozen
class Choice:
    """The chosen item, and the list in which it was chosen.

    Attributes:
        id: Of the item; None before the first choice.
        among: Ids of the list, in order. The list keeps this order when it is loaded again.
    """

    id: str | None = None
    among: tuple[str, ...] = ()

    def among_these(self, ids: Collection[str]) -> str | None:
        """Returns the chosen one of a list; None only for an empty list.

        When the item is gone, the one that moved into its place is chosen, else the one before it. Without a choice it is the
        first item.

        Args:
            ids: In order.
        """
        if self.id in ids:
            return self.id
        if self.id in self.among:
            place = self.among.index(self.id)
            near = (*self.among[place + 1 :], *reversed(self.among[:place]))
            found = next((one for one in near if one in ids), None)
            if found is not None:
                return found
        return next(iter(ids), None)

    def settled(self, ids: Collection[str]) -> Choice:
        """Returns the choice as it is in a list, to be made from it the next time."""
        now = Choice(self.among_these(ids), tuple(ids))
        return self if now == self else now
