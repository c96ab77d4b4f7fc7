"""The store engine against its model; see `engine_machine`."""

from __future__ import annotations

from engine_machine import EngineMachine, HookedMachine

TestEngine = EngineMachine.TestCase
TestEngineWithAHook = HookedMachine.TestCase
