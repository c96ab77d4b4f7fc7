"""Counts, sums and groups of a view, kept up to date by what changed.

Each is a pair of pure functions for `state.incremental`, over the same items as the rows of a `Pipeline`, without an order.
`view` calls this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeAlias

import attrs

from ..state import Delta, Entities, Map
from .pipeline import MISSING, ItemChange, Pipeline, with_key, without
from .rows import Rows

__all__ = ["Count", "Index", "Sum", "Total"]

_Snapshot: TypeAlias = "Entities[Any, Any]"
_Delta: TypeAlias = "Delta[Any, Any]"

_SCALE = 1074
"""Every float is a whole number of 2 ** -1074."""


@attrs.frozen
class Count:
    """Counts the items that a pipeline keeps."""

    keeps: Callable[[Any], object] | None

    def build(self, now: _Snapshot) -> int:
        """Returns how many items there are."""
        keeps = self.keeps
        return len(now) if keeps is None else sum(1 for item in now.values() if keeps(item))

    def step(self, count: int, delta: _Delta) -> int:
        """Returns how many items there are after a change."""
        keeps = self.keeps
        if keeps is None:
            return len(delta.new)
        for _, was, now, _, _ in delta.changes():
            count += bool(now is not MISSING and keeps(now))
            count -= bool(was is not MISSING and keeps(was))
        return count


@attrs.frozen
class Total:
    """A sum that loses nothing, however many numbers come and go.

    Attributes:
        whole: The sum of ints, and of other kinds of numbers that add exactly.
        scaled: The sum of floats in units of 2 ** -1074, or None when there was none.
        odd: How many infinities and NaN there are: (inf, -inf, nan).
    """

    whole: Any = 0
    scaled: int | None = None
    odd: tuple[int, int, int] = (0, 0, 0)

    def changed(self, number: Any, sign: int) -> Total:
        """Returns the sum with a number more (sign 1) or less (sign -1)."""
        if not isinstance(number, float):
            return attrs.evolve(
                self, whole=self.whole + number if sign > 0 else self.whole - number
            )
        scaled = self.scaled or 0
        if not math.isfinite(number):
            kinds = (number == math.inf, number == -math.inf, math.isnan(number))
            up, down, none = (
                count + sign * is_it for count, is_it in zip(self.odd, kinds, strict=True)
            )
            return attrs.evolve(self, scaled=scaled, odd=(up, down, none))
        top, bottom = number.as_integer_ratio()
        units = top << (_SCALE + 1 - bottom.bit_length())
        return attrs.evolve(self, scaled=scaled + sign * units)

    def value(self) -> Any:
        """Returns the sum; of floats the float nearest to it.

        Raises:
            TypeError: numbers of kinds that cannot be added.
            OverflowError: the sum is too large for a float.
        """
        if self.scaled is None:
            return self.whole
        up, down, none = self.odd
        if none or (up and down):
            return math.nan
        if up or down:
            return math.inf if up else -math.inf
        if not isinstance(self.whole, int):
            return self.whole + self.scaled / (1 << _SCALE)
        return ((self.whole << _SCALE) + self.scaled) / (1 << _SCALE)


@attrs.frozen
class Sum:
    """Adds a number of each item that a pipeline keeps."""

    keeps: Callable[[Any], object] | None
    number: Callable[[Any], Any]
    start: Any = 0

    def build(self, now: _Snapshot) -> Total:
        """Returns the sum over a whole snapshot."""
        return self.of(item for item in now.values() if self.keeps is None or self.keeps(item))

    def of(self, items: Iterable[Any]) -> Total:
        """Returns the sum over items."""
        total = Total(self.start)
        for item in items:
            total = total.changed(_number(self.number(item)), 1)
        return total

    def step(self, total: Total, delta: _Delta) -> Total:
        """Returns the sum after a change."""
        keeps, number = self.keeps, self.number
        for _, was, now, _, _ in delta.changes():
            if now is not MISSING and (keeps is None or keeps(now)):
                total = total.changed(_number(number(now)), 1)
            if was is not MISSING and (keeps is None or keeps(was)):
                total = total.changed(_number(number(was)), -1)
        return total


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise TypeError(
            "sum_by() adds exactly, which Decimal does not; return a fractions.Fraction or an int"
        )
    return value


@attrs.frozen
class JoinedGroups:
    """The groups of a join, and which keys of the left store look at a key of the right one."""

    groups: Any
    reverse: Any


@attrs.frozen
class Index:
    """Puts the items that a pipeline keeps into groups."""

    keeps: Callable[[Any], object] | None
    group: Callable[[Any], Any]
    order: Pipeline = attrs.field(factory=Pipeline)
    """The order of the rows of a group. It keeps all items, because `keeps` was asked already."""

    def build_index(self, now: _Snapshot) -> Any:
        """Returns the groups of a whole snapshot: of each a mapping of key to item, without an order."""
        return self._index_of(now.items())

    def step_index(self, groups: Any, delta: _Delta) -> Any:
        """Returns the groups after a change."""
        return self._index_changed(groups, delta.changes())

    def build_joined_index(self, left: _Snapshot, right: _Snapshot) -> JoinedGroups:
        """Returns the groups of the pairs of two whole snapshots, without an order."""
        pairs, reverse = self.order.pairs_of(left, right)
        return JoinedGroups(self._index_of(pairs), reverse)

    def step_joined_index(self, now: JoinedGroups, left: _Delta, right: _Delta) -> JoinedGroups:
        """Returns the groups of pairs after a change of one store or of both."""
        found = self.order.pairs_changed(now.reverse, left, right)
        if found is None:
            return self.build_joined_index(left.new, right.new)
        changes, reverse = found
        return JoinedGroups(self._index_changed(now.groups, changes), reverse)

    def _index_of(self, items: Iterable[tuple[Any, Any]]) -> Any:
        groups: dict[Any, dict[Any, Any]] = {}
        for key, item in items:
            if self.keeps is None or self.keeps(item):
                groups.setdefault(self.group(item), {})[key] = item
        return Map({name: Map(items) for name, items in groups.items()})

    def _index_changed(self, groups: Any, changes: Iterable[ItemChange]) -> Any:
        keeps, group = self.keeps, self.group
        for key, was, now, _, _ in changes:
            before = group(was) if was is not MISSING and (keeps is None or keeps(was)) else MISSING
            after = group(now) if now is not MISSING and (keeps is None or keeps(now)) else MISSING
            if before is not MISSING and before != after:
                groups = without(groups, before, key)
            if after is not MISSING:
                groups = with_key(groups, after, key, now)
        return groups

    def build_groups(self, now: _Snapshot) -> Any:
        """Returns the rows of each group of a whole snapshot."""
        return self._groups_of(now, ((key, now.get(key)) for key in now.in_order()))

    def step_groups(self, groups: Any, delta: _Delta) -> Any:
        """Returns the rows of each group after a change."""
        return self._groups_changed(groups, delta.changes())

    def build_joined_groups(self, left: _Snapshot, right: _Snapshot) -> JoinedGroups:
        """Returns the rows of each group of the pairs of two whole snapshots."""
        pairs, reverse = self.order.pairs_of(left, right)
        return JoinedGroups(self._groups_of(left, pairs), reverse)

    def step_joined_groups(self, now: JoinedGroups, left: _Delta, right: _Delta) -> JoinedGroups:
        """Returns the rows of each group of pairs after a change of one store or of both."""
        found = self.order.pairs_changed(now.reverse, left, right)
        if found is None:
            return self.build_joined_groups(left.new, right.new)
        changes, reverse = found
        return JoinedGroups(self._groups_changed(now.groups, changes), reverse)

    def _groups_of(self, now: _Snapshot, items: Iterable[tuple[Any, Any]]) -> Any:
        keeps, group = self.keeps, self.group
        groups: dict[Any, list[tuple[Any, Any]]] = {}
        for key, item in items:
            if keeps is None or keeps(item):
                groups.setdefault(group(item), []).append((key, item))
        return Map({name: self.order.rows_of(now, items) for name, items in groups.items()})

    def _groups_changed(self, groups: Any, item_changes: Iterable[ItemChange]) -> Any:
        keeps, group = self.keeps, self.group
        changes: dict[Any, list[ItemChange]] = {}
        for key, was, now, place_before, place in item_changes:
            before = group(was) if was is not MISSING and (keeps is None or keeps(was)) else MISSING
            after = group(now) if now is not MISSING and (keeps is None or keeps(now)) else MISSING
            if before is not MISSING and before == after:
                changes.setdefault(before, []).append((key, was, now, place_before, place))
                continue
            if before is not MISSING:
                changes.setdefault(before, []).append((key, was, MISSING, place_before, place))
            if after is not MISSING:
                changes.setdefault(after, []).append((key, MISSING, now, place_before, place))
        empty = Rows[Any, Any].of([], is_reversed=self.order.is_reversed)
        for name, items in changes.items():
            rows = self.order.rows_changed(groups.get(name, empty), items)
            groups = groups.set(name, rows) if rows else groups.delete(name)
        return groups
