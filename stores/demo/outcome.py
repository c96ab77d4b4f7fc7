"""How a performance ended: the verdict, and what is said about it. The plain lines and the screen say the same."""

from __future__ import annotations

import attrs

from .verdict import MINIMUM, Verdict

__all__ = ["Outcome"]

_MOST_FINDINGS = 20


@attrs.frozen
class Outcome:
    """The end.

    Attributes:
        verdict: What the judge found.
        reconnects: How often the client connected again.
        longest_outage: Seconds.
    """

    verdict: Verdict
    reconnects: int
    longest_outage: float

    @property
    def lines(self) -> list[str]:
        """The report in lines; the last one is "passed" or "FAILED"."""
        verdict = self.verdict
        lines = [f"judge: {finding}" for finding in verdict.findings[:_MOST_FINDINGS]]
        if len(verdict.findings) > len(lines):
            lines.append(f"judge: and {len(verdict.findings) - len(lines)} findings more")
        lines += [
            f"judge: killed with {kill.unacknowledged} messages unacknowledged and "
            f"{kill.half_streamed} answers half streamed"
            for kill in verdict.kills
        ]
        if not any(kill.counts for kill in verdict.kills):
            lines.append(f"judge: no kill met {MINIMUM} unacknowledged messages and half an answer")
        lines.append(
            f"accepted {verdict.accepted}, acknowledged {verdict.acknowledged}, "
            f"lost {verdict.lost}, duplicated {verdict.duplicated}, "
            f"out of order {verdict.out_of_order}, reconnects {self.reconnects}, "
            f"longest outage {self.longest_outage:.2f} s"
        )
        lines.append("passed" if verdict.has_passed else "FAILED")
        return lines
