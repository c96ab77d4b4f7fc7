"""The three states of a value that is fetched. Plain records; `resource` makes them."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import attrs

__all__ = ["Failed", "Loading", "Ready", "ResourceState"]

T = TypeVar("T")


@attrs.frozen
class Loading(Generic[T]):
    """A fetch is under way, or has not begun because nothing observes the resource.

    Attributes:
        latest: The last good value, or None when there was none yet.
        attempt: How many fetches failed since the last good value.
    """

    latest: T | None = None
    attempt: int = 0


@attrs.frozen
class Ready(Generic[T]):
    """The newest fetch has ended well.

    Attributes:
        value: Its result.
    """

    value: T

    @property
    def latest(self) -> T:
        """The last good value."""
        return self.value


@attrs.frozen
class Failed(Generic[T]):
    """The newest fetch has failed, and so have its retries.

    Attributes:
        error: The last exception.
        latest: The last good value, or None when there was none yet.
    """

    error: Exception
    latest: T | None = None


ResourceState: TypeAlias = Loading[T] | Ready[T] | Failed[T]
"""The state of a resource: it loads, it has a value, or the last fetch failed."""
