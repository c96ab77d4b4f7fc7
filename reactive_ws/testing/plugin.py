"""The pytest plugin: options for the seed, exploration and profile of simulated tests. Found by its entry point.

It is imported in every pytest run of an environment in which the framework is installed, before coverage starts: so it imports
nothing but the standard library until it must, and hands the options over in the environment, which also reaches worker
processes.

    --rws-seed N        the seed of every @simulate that names none
    --rws-explore N     runs each of them again in N other orders of tasks
    --rws-profile NAME  quick, deep or nightly: the Hypothesis profile; REACTIVE_WS_PROFILE says the same

Fixture: `rws_domain`, a fresh and strict default domain for each test.

When a test with a `World` fails, the summary says in which file every frame of it is.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_report_header",
    "pytest_terminal_summary",
]

_TRANSCRIPT = re.compile(r"every frame of this run: (.+)")
_PROFILES = ("quick", "deep", "nightly")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("reactive-ws", "simulated tests of reactive-ws")
    group.addoption("--rws-seed", type=int, metavar="N", help="seed of every @simulate")
    group.addoption(
        "--rws-explore", type=int, metavar="N", help="run @simulate tests in N more task orders"
    )
    group.addoption(
        "--rws-profile", choices=_PROFILES, help="Hypothesis profile: quick, deep or nightly"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hands the options over, and registers the fixtures."""
    from . import fixtures  # after coverage started

    if not config.pluginmanager.has_plugin("reactive-ws fixtures"):
        config.pluginmanager.register(fixtures, "reactive-ws fixtures")
    for option, variable in (
        ("rws_seed", "REACTIVE_WS_SEED"),
        ("rws_explore", "REACTIVE_WS_EXPLORE"),
    ):
        value = config.getoption(option)
        if value is not None:
            os.environ[variable] = str(value)
    profile = config.getoption("rws_profile") or os.environ.get("REACTIVE_WS_PROFILE")
    if profile in _PROFILES:
        # Only a run with a profile pays for the import, and needs the library.
        try:
            from hypothesis import settings
        except ModuleNotFoundError:
            import pytest

            text = f"the profile {profile!r} needs hypothesis: pip install 'reactive-ws[testing]'"
            raise pytest.UsageError(text) from None

        from .generating import register

        register()
        settings.load_profile(f"reactive-ws-{profile}")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says which seed decides, when one was chosen."""
    seed, explore = config.getoption("rws_seed"), config.getoption("rws_explore")
    chosen = [f"seed={seed}"] * (seed is not None) + [f"explore={explore}"] * (explore is not None)
    return f"reactive-ws: {', '.join(chosen)}" if chosen else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says where the transcripts of the failed tests are."""
    lines = [
        f"{report.nodeid}: {path}"
        for report in terminalreporter.getreports("failed")
        for path in dict.fromkeys(_TRANSCRIPT.findall(report.longreprtext))
    ]
    if lines:
        terminalreporter.section("transcripts of reactive-ws")
        for line in lines:
            terminalreporter.write_line(line)
