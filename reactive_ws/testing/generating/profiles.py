"""Hypothesis profiles: how long a test may search. Registered by the pytest plugin, or by calling `register`.

quick     40 examples from a fixed seed, no shrinking: the same every time, for every commit
deep      1 000 examples, shrunk: before a release, or after a change in what they test
nightly   20 000 examples from new seeds, shrunk, and failures are remembered
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

__all__ = ["PROFILES", "register"]

_CALM: dict[str, object] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "print_blob": True,
}

PROFILES: dict[str, settings] = {
    "quick": settings(
        max_examples=40,
        stateful_step_count=25,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        **_CALM,  # type: ignore[arg-type]
    ),
    "deep": settings(
        max_examples=1_000,
        stateful_step_count=50,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        **_CALM,  # type: ignore[arg-type]
    ),
    "nightly": settings(
        max_examples=20_000,
        stateful_step_count=100,
        **_CALM,  # type: ignore[arg-type]
    ),
}
"""The profiles by name."""


def register() -> None:
    """Makes the profiles known to Hypothesis as `reactive-ws-quick`, `-deep` and `-nightly`."""
    for name, profile in PROFILES.items():
        settings.register_profile(f"reactive-ws-{name}", profile)
