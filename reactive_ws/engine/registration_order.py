"""Telling the observers of several audiences, or some of one, in the order in which they registered.

Called by `source` and `computed` on the delivering thread, where telling one audience after the other would break that
order. Does not know what is told.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from .audience import Audience, Link

__all__ = ["Few", "tell_in_order"]

_by_serial = itemgetter(0)


def tell_in_order(told: list[tuple[Audience, Any]]) -> None:
    """Calls the observers of several audiences in the order in which they registered."""
    calls = [
        (link._serial, link, audience, value)
        for audience, value in told
        for link in audience._links
        if link is not None
    ]
    calls.sort(key=_by_serial)
    for _, link, audience, value in calls:
        if link._audience is None:
            continue
        call = audience._slots[link._index]
        try:
            call(value)
        except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
            audience._domain._failed("observer", error, audience._label(), call)


class Few(Audience):
    """Some observers of an audience, for one delivery."""

    __slots__ = ("_audience",)

    def __init__(self, audience: Audience, links: list[Link]) -> None:
        super().__init__(audience._domain)
        self._audience = audience
        self._links = [*links]
        self._slots = audience._slots

    def _tell(self, value: Any) -> None:
        tell_in_order([(self, value)])

    def _label(self) -> str:
        return self._audience._label()
