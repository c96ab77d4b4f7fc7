"""The explanation that a service machine adds to a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactive_ws.testing import ServiceMachine
from reactive_ws.testing.machines import Event
from reactive_ws.testing.machines.service_steps import Failing


def test_a_step_inside_of_a_step_explains_its_failure_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REACTIVE_WS_TRANSCRIPTS", str(tmp_path))
    machine = ServiceMachine()
    machine.begin(first=Event("a"), seed=0, order=None)
    error = ValueError("on purpose")
    with pytest.raises(ValueError, match="on purpose"), Failing(machine), Failing(machine):
        raise error
    machine.teardown()
    (note,) = error.__notes__
    assert note.startswith("every frame of this run: ")
