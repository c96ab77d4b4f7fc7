"""How a performance ended: the ruling, and what is said about it. The plain lines and the screen say the same."""

from __future__ import annotations

import attrs

from .ruling import MINIMUM, Ruling

__all__ = ["Outcome"]

_MOST_FINDINGS = 20


@attrs.frozen
class Outcome:
    """The end.

    Attributes:
        ruling: What the judge found.
        reconnects: How often the client connected again.
        longest_outage: Seconds.
    """

    ruling: Ruling
    reconnects: int
    longest_outage: float

    @property
    def lines(self) -> list[str]:
        """The report in lines; the last one is "passed" or "FAILED"."""
        ruling = self.ruling
        lines = [f"judge: {finding}" for finding in ruling.findings[:_MOST_FINDINGS]]
        if len(ruling.findings) > len(lines):
            lines.append(f"judge: and {len(ruling.findings) - len(lines)} findings more")
        lines += [
            f"judge: the hub was killed with {kill.unacknowledged} messages unacknowledged and "
            f"{kill.half_streamed} answers half streamed"
            for kill in ruling.kills
        ]
        if not any(kill.counts for kill in ruling.kills):
            lines.append(f"judge: no kill met {MINIMUM} unacknowledged messages and half an answer")
        lines.append(
            f"accepted {ruling.accepted}, acknowledged {ruling.acknowledged}, "
            f"lost {ruling.lost}, duplicated {ruling.duplicated}, "
            f"out of order {ruling.out_of_order}, reconnects {self.reconnects}, "
            f"longest outage {self.longest_outage:.2f} s"
        )
        lines.append("passed" if ruling.has_passed else "FAILED")
        return lines
