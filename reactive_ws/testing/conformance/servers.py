"""`check_server`: whether a server of protocol v1, in whatever language, keeps the rules of `server_checks`. Needs no pytest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from websockets.exceptions import WebSocketException

from .server_checks import SERVER_RULES, ServerBench
from .unfit import Unfit

__all__ = ["check_server"]


async def check_server(
    url: str,
    *,
    token: str | None = None,
    channel: str | None = None,
    command: Callable[[str], tuple[str, object]] | None = None,
    rules: Sequence[str] | None = None,
    patience: float = 5.0,
) -> list[str]:
    """Checks a server that runs, over real sockets. It sends commands, so give it a server for tests.

    Args:
        url: Where the server is.
        token: Sent as `Authorization: Bearer`.
        channel: A stream that the command appends to, one entry each time.
        command: Makes type and payload of a command that is accepted, from a text that is new each time.
        rules: Names of `SERVER_RULES`; all of them when None.
        patience: Seconds that the server has for every answer.

    Returns:
        The names of the rules that were checked; without channel and command those of a connection only.

    Raises:
        Unfit: rules are broken.
    """
    bench = ServerBench(url, token, channel, command, patience)
    broken: dict[str, str] = {}
    checked: list[str] = []
    for name in SERVER_RULES if rules is None else rules:
        sentence, check, needs_command = SERVER_RULES[name]
        if needs_command and not bench.has_command:
            continue
        checked.append(name)
        try:
            await check(bench)
        except AssertionError as error:
            broken[f"{name} ({sentence})"] = str(error)
        except (OSError, TimeoutError, WebSocketException) as error:
            broken[f"{name} ({sentence})"] = f"no connection: {error or type(error).__name__}"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            broken[f"{name} ({sentence})"] = (
                f"a frame lacks a field: {type(error).__name__}: {error}"
            )
    if broken:
        raise Unfit(f"the server at {url}", broken)
    return checked
