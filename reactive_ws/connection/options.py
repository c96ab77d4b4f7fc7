"""The options that `decisions` decides by. Values only."""

from __future__ import annotations

import attrs

from .backoff import Backoff, DelaySource
from .close_policy import ClosePolicy
from .heartbeat import Heartbeat

__all__ = ["DecisionOptions"]


@attrs.frozen
class DecisionOptions:
    """Options of `Decisions`. Times in seconds.

    Attributes:
        url: Redacted, for the records.
        backoff: Where delays come from.
        policy: What close codes and HTTP statuses mean.
        max_attempts: Retries per outage; None for no limit.
        dial_timeout: For the socket and the hello together, then again for auth, and for the resume.
        stable_after: How long a connection must last before the next outage starts with short delays again.
        heartbeat: None for no heartbeat.
        has_token: Whether the program gave a token, so that a refusal may be about it.
        can_refresh: Whether asking the token provider again may give another token.
    """

    url: str = ""
    backoff: DelaySource = attrs.field(factory=Backoff)
    policy: ClosePolicy = attrs.field(factory=ClosePolicy)
    max_attempts: int | None = None
    dial_timeout: float = 10.0
    stable_after: float = 10.0
    heartbeat: Heartbeat | None = attrs.field(factory=Heartbeat)
    has_token: bool = False
    can_refresh: bool = False
