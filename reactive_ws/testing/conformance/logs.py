"""`check_log`: whether a log of the server half keeps the twelve rules of `log_checks`. Needs no pytest."""

from __future__ import annotations

from collections.abc import Sequence

from .log_checks import LOG_RULES, LogBench, LogFaults, MakeLog
from .unfit import Unfit

__all__ = ["check_log"]


async def check_log(
    make: MakeLog, *, faults: LogFaults | None = None, rules: Sequence[str] | None = None
) -> None:
    """Checks a log with several nodes on one store. It uses streams below `check/` and removes none.

    Args:
        make: Makes a node on the store; called many times. Outcomes of other commands in the store do not survive the check.
        faults: Faults that can be made besides cancelled commands.
        rules: Names of `LOG_RULES`; all of them when None.

    Raises:
        Unfit: rules are broken.
    """
    broken: dict[str, str] = {}
    for name in LOG_RULES if rules is None else rules:
        sentence, check = LOG_RULES[name]
        bench = LogBench(make, faults or LogFaults())
        try:
            await check(bench)
        except AssertionError as error:
            broken[f"{name} ({sentence})"] = str(error)
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything, which is a finding
            broken[f"{name} ({sentence})"] = f"it raised {type(error).__name__}: {error}"
        finally:
            await bench.close()
    if broken:
        raise Unfit("the log", broken)
