"""Records what a program sees and judges it by rules.

It changes nothing.

    history   did every message arrive, once, in order? A `History` is written while a test runs
    monitor   the rules that every stream must keep, watched on one stream while a test does something else
    recorder  what a stream did and when
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
