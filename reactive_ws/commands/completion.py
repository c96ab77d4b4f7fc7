"""The command `reactive-ws completion SHELL`: prints a script that completes commands and options in a shell.

The script holds the words of this installation. It calls nothing of this package while the user types.
"""

from __future__ import annotations

import argparse

from .command import Command, CommandFailed
from .discovery import entries, load

__all__ = ["command", "script_for", "words"]

_BASH = """\
_reactive_ws() {{
    local words
    case "${{COMP_WORDS[1]}}" in
{cases}
        *) words="{commands}" ;;
    esac
    if [ "$COMP_CWORD" = 1 ]; then words="{commands}"; fi
    COMPREPLY=($(compgen -o default -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _reactive_ws reactive-ws
"""
_ZSH = """\
#compdef reactive-ws
_reactive_ws() {{
    local -a choices
    case "${{words[2]}}" in
{cases}
    esac
    if (( CURRENT == 2 )); then choices=({commands}); fi
    compadd -a choices || _files
}}
compdef _reactive_ws reactive-ws
"""


def words() -> dict[str, list[str]]:
    """Returns the options of each command that can be loaded, and the words that its arguments can have."""
    found: dict[str, list[str]] = {}
    for name, entry in entries().items():
        parser = argparse.ArgumentParser(add_help=True)
        try:
            load(entry).configure(parser)
        except CommandFailed:
            continue
        found[name] = [
            option
            for action in parser._actions
            for option in action.option_strings or action.choices or ()
            if option.startswith("--") or not action.option_strings
        ]
    return found


def script_for(shell: str) -> str:
    """Returns the script for `bash`, `zsh` or `fish`."""
    found = words()
    if shell == "fish":
        lines = [f"complete -c reactive-ws -n __fish_use_subcommand -a '{' '.join(found)}'"]
        lines += [
            f"complete -c reactive-ws -n '__fish_seen_subcommand_from {name}' "
            + (f"-l {option[2:]}" if option.startswith("--") else f"-a {option}")
            for name, options in found.items()
            for option in options
        ]
        return "\n".join(lines) + "\n"
    template, case = (_ZSH, "choices=({})") if shell == "zsh" else (_BASH, 'words="{}"')
    cases = "\n".join(
        f"        {name}) {case.format(' '.join(options))} ;;" for name, options in found.items()
    )
    return template.format(cases=cases, commands=" ".join([*found, "--help", "--version"]))


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def _run(arguments: argparse.Namespace) -> int:
    print(script_for(arguments.shell), end="")
    return 0


command = Command(
    name="completion",
    help="print a script that completes commands and options in a shell",
    configure=_configure,
    run=_run,
    epilog=(
        'bash: add the line  eval "$(reactive-ws completion bash)"  to ~/.bashrc\n'
        'zsh:  add the lines  autoload -U compinit && compinit  and  eval "$(reactive-ws completion zsh)"  to ~/.zshrc\n'
        "fish: reactive-ws completion fish > ~/.config/fish/completions/reactive-ws.fish"
    ),
)
