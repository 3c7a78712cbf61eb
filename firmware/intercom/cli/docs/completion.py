# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion for bash and zsh out of the commands' descriptions."""

import argparse
from collections.abc import Iterable, Iterator

from intercom.cli.command import Parser

_SCRIPT = """\
# Completes intercom(1). Made by intercom.cli.docs.manpage from the commands' own descriptions.
_intercom() {{
    local IFS=$'\\n' word=${{COMP_WORDS[COMP_CWORD]}} path=intercom i words
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${{COMP_WORDS[i]}}" in
        {paths}) path="$path ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$path ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{values}
    esac
    case $path in
{words}
    esac
    if [[ $words == *FILE && $word != -* ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    fi
}}
complete -F _intercom intercom
"""
"""No `mapfile`, which says it better: zsh has to read this too."""


def bash(whole: Parser) -> str:
    """Return the script that bash loads when somebody first completes "intercom"."""
    parsers = list(_all(whole))
    values = [
        f'    "{one.prog} {option}") COMPREPLY=($(compgen {_choose(action)} -- "$word")); return ;;'
        for one in parsers
        for action in _actions(one)
        if action.option_strings and action.nargs != 0
        for option in action.option_strings
    ]
    return _SCRIPT.format(
        paths=" | ".join(f'"{one.prog}"' for one in parsers if one is not whole),
        values="\n".join(values),
        words="\n".join(f'    "{one.prog}") words={_list(_words(one))} ;;' for one in parsers),
    )


def zsh(whole: Parser) -> str:
    """Return the function that zsh loads: bash's completion, which zsh understands."""
    head = "#compdef intercom\nautoload -U +X bashcompinit && bashcompinit\n"
    # Loading the file is the first call already.
    return f"{head}{bash(whole)}_bash_complete -F _intercom\n"


def _all(one: Parser) -> Iterator[Parser]:
    yield one
    for part in one.parts.values():
        yield from _all(part)


def _actions(one: Parser) -> list[argparse.Action]:
    return [
        action
        for action in one._actions  # noqa: SLF001  (argparse has no other way to ask)
        if not isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    ]


def _words(one: Parser) -> Iterator[str]:
    """Yield what may stand at this place; FILE stands for any file."""
    yield from one.parts
    for action in _actions(one):
        yield from action.option_strings or map(str, action.choices or ())
    if any(action.metavar == "FILE" for action in _actions(one) if not action.option_strings):
        yield "FILE"


def _choose(action: argparse.Action) -> str:
    if action.choices:
        return f"-W {_list(map(str, action.choices))}"
    return "-f" if action.metavar in {"FILE", "PATH", "FOLDER"} else "-W ''"


def _list(words: Iterable[str]) -> str:
    """Return a word for each line, as the shell's `IFS` has it above."""
    return "$'{}'".format("\\n".join(words))
