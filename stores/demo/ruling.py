"""The judgement itself: pure functions from what was accepted and what three witnesses show to a ruling.

The witnesses are the hub's data file, the client, and a second client that started with an empty memory. Each must
have every accepted message exactly once, in the order of acceptance, and one answer to each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ..wire import Panel
from .record import Accepted, Acknowledged, Killed, Line
from .screen import Screen, Shown

__all__ = ["MINIMUM", "Kill", "Ruling", "decide"]

MINIMUM = 20
"""Messages that must be unacknowledged when the hub is killed."""


class Kill(Struct, frozen=True):
    """The messages under way when the hub was killed.

    Attributes:
        unacknowledged: Messages that were accepted and not acknowledged.
        seen: Characters of the half streamed answer on the client's screen.
        half_streamed: Answers that the data file shows begun and not complete.
    """

    unacknowledged: int
    seen: int
    half_streamed: int

    @property
    def counts(self) -> bool:
        """Whether it was as hard as promised."""
        return self.unacknowledged >= MINIMUM and self.seen > 0 and self.half_streamed > 0


class Ruling(Struct, frozen=True):
    """The findings of the judge.

    Attributes:
        accepted, acknowledged: Messages in the client's record.
        lost: Messages and answers that a witness does not have, or has with another text.
        duplicated: Messages and answers that a witness has more than once, or that was never sent.
        out_of_order: Messages and answers that a witness has in a wrong place.
        kills: The messages under way at each kill.
        findings: Each in a sentence.
    """

    accepted: int
    acknowledged: int
    lost: int
    duplicated: int
    out_of_order: int
    kills: list[Kill]
    findings: list[str]

    @property
    def has_passed(self) -> bool:
        """Whether nothing was lost, duplicated or reordered, although the hub was killed as promised."""
        return not self.findings and self.accepted > 0 and any(kill.counts for kill in self.kills)


def decide(
    record: Iterable[Line],
    data: Screen,
    witnesses: Mapping[str, Screen],
    half_streamed: Mapping[str, int],
) -> Ruling:
    """Returns the ruling.

    Args:
        record: The client's write-ahead record.
        data: What the hub's data file holds.
        witnesses: What each client is shown, by a name for it.
        half_streamed: Begun and incomplete answers in each copy of the data file, by its path.
    """
    accepted: dict[str, Accepted] = {}
    acknowledged: set[str] = set()
    kills: list[Kill] = []
    for line in record:
        if isinstance(line, Accepted):
            accepted[line.id] = line
        elif isinstance(line, Acknowledged):
            acknowledged.add(line.id)
        else:
            kills.append(_kill(line, len(accepted) - len(acknowledged), half_streamed))
    court = _Court(accepted)
    for name, screen in {"the data file": data, **witnesses}.items():
        court.hear(name, screen, data)
    return Ruling(
        len(accepted),
        len(acknowledged),
        len(court.lost),
        len(court.duplicated),
        len(court.misplaced),
        kills,
        court.findings,
    )


def _kill(line: Killed, unacknowledged: int, half_streamed: Mapping[str, int]) -> Kill:
    return Kill(unacknowledged, line.seen, half_streamed.get(line.evidence, 0))


class _Court:
    """Collects what is wrong; an id counts once in each list, however many witnesses show it."""

    def __init__(self, accepted: Mapping[str, Accepted]) -> None:
        self.lost: set[str] = set()
        self.duplicated: set[str] = set()
        self.misplaced: set[str] = set()
        self.findings: list[str] = []
        self._accepted = accepted
        self._by_session: dict[str, list[Accepted]] = {}
        for line in accepted.values():
            self._by_session.setdefault(line.session_id, []).append(line)

    def hear(self, name: str, screen: Screen, data: Screen) -> None:
        for session_id, said in self._by_session.items():
            shown = screen.sessions.get(session_id, [])
            own = [one for one in shown if one.role == "user"]
            self._compare(name, {line.id: line.text for line in said}, own)
            # The hub alone decides what it answers, but it owes one whole answer to each message.
            answers = [one for one in data.sessions.get(session_id, []) if one.role != "user"]
            expected = {one.id: one.text for one in answers}
            for line in said[len(answers) :]:
                self._find(self.lost, f"{line.id} answer", f"{name} has no answer to {line.text!r}")
            self._compare(name, expected, [one for one in shown if one.role != "user"])
            if screen is not data:
                # What both have, in the same order: questions and answers interleaved.
                self._order(name, [one.id for one in data.sessions.get(session_id, [])], shown)
        for session_id in screen.sessions.keys() - self._by_session.keys():
            for one in screen.sessions[session_id]:
                self._find(
                    self.duplicated, one.id, f"{name} has {one.text!r}, which was never sent"
                )
        self._panels(name, screen.panels, data.panels)

    def _compare(self, name: str, expected: Mapping[str, str], shown: Sequence[Shown]) -> None:
        counts = Counter(one.id for one in shown)
        texts = {one.id: one for one in shown}
        for identity, text in expected.items():
            one = texts.get(identity)
            if one is None:
                self._find(self.lost, identity, f"{name} does not have {text!r}")
            elif one.text != text or not one.is_whole:
                self._find(self.lost, identity, f"{name} has {one.text!r} instead of {text!r}")
        for identity, count in counts.items():
            if identity not in expected:
                text = texts[identity].text
                self._find(self.duplicated, identity, f"{name} has {text!r}, which was never sent")
            elif count > 1:
                text = expected[identity]
                self._find(self.duplicated, identity, f"{name} has {text!r} {count} times")
        self._order(name, list(expected), shown)

    def _order(self, name: str, expected: Sequence[str], shown: Sequence[Shown]) -> None:
        places = {identity: place for place, identity in enumerate(expected)}
        last = -1
        for one in shown:
            place = places.get(one.id, last)
            if place < last:
                self._find(self.misplaced, one.id, f"{name} has {one.text!r} too late")
            last = max(last, place)

    def _panels(self, name: str, shown: Sequence[Panel], expected: Sequence[Panel]) -> None:
        for panel in expected:
            if panel not in shown:
                self._find(self.lost, panel.id, f"{name} does not have panel {panel.title!r} so")
        counts = Counter(panel.id for panel in shown)
        known = {panel.id for panel in expected}
        for identity, count in counts.items():
            if count > 1 or identity not in known:
                self._find(self.duplicated, identity, f"{name} has panel {identity} too often")

    def _find(self, kind: set[str], identity: str, finding: str) -> None:
        kind.add(identity)
        self.findings.append(finding)
