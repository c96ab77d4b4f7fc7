"""Records what a program sees and judges it by rules.

It changes nothing in the program. Tests, and the machines of this package, call it.

    recorder  `Recorder`: the calls of a stream and their times; `assert_marbles` compares them with a drawing
    monitor   watches one stream for the rules that every stream must keep
    history   `History`: messages delivered, lost, duplicated, invented or reordered, judged against a promise
"""

from .history import History, Judgement, Noted, Promise, Step, judge
from .monitor import BrokenRules, Monitor, Rule, Violation
from .recorder import Event, Kind, Recorder, assert_marbles

__all__ = [
    "BrokenRules",
    "Event",
    "History",
    "Judgement",
    "Kind",
    "Monitor",
    "Noted",
    "Promise",
    "Recorder",
    "Rule",
    "Step",
    "Violation",
    "assert_marbles",
    "judge",
]
