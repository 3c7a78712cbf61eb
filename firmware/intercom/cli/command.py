# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command of the command line is, and the parser that is made of its description.

Help, manual pages and shell completion all come from these descriptions.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from intercom import paths
from intercom.errors import IntercomError

EXITS = {0: "done", 1: "failed; the reason is on standard error", 2: "the command line is wrong"}
"""What every command's exit status means, unless the command says it better."""
UNREACHABLE = {3: "the daemon cannot be reached"}


class UsageError(IntercomError):
    """The command line asks for something that argparse could not know to be impossible: exit status 2."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as its own file in cli/ describes it under the name COMMAND."""

    purpose: str
    """What it does, in a few words without a full stop."""
    examples: tuple[str, ...]
    run: Callable[[argparse.Namespace], int] | None = None
    """Does it and returns the exit status; None where it only has `parts`."""
    arguments: Callable[[argparse.ArgumentParser], object] = lambda _: None
    """Adds its arguments to its parser."""
    more: str = ""
    """Whole sentences for its help and its manual page."""
    exits: Mapping[int, str] = field(default_factory=dict)
    """Exit status -> meaning, where it says more than EXITS."""
    asks_daemon: bool = True
    """Whether it talks to the daemon: then it takes --socket, and exit status 3 means that nobody was there."""
    parts: Mapping[str, "Command"] = field(default_factory=dict)
    """Name -> command of its own, for commands that have some ("intercom audio measure")."""

    def described(self) -> str:
        """Return what it does in whole sentences."""
        first = f"{self.purpose[:1].upper()}{self.purpose[1:]}{'' if self.purpose.endswith('?') else '.'}"
        return f"{first} {self.more}".rstrip()

    def statuses(self) -> dict[int, str]:
        """Return what each exit status of it means."""
        return dict(sorted({**EXITS, **(UNREACHABLE if self.asks_daemon else {}), **self.exits}.items()))


class Parser(argparse.ArgumentParser):
    """A parser made from a command's description. `parts` are the parsers of its sub-commands."""

    def __init__(self, *, command: Command, **options: str) -> None:
        super().__init__(
            prog=options.get("prog"),
            description=command.described(),
            epilog=f"{_listed('example', command.examples)}\n\n{_statuses(command)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.described = command
        self.parts: dict[str, Parser] = {}
        command.arguments(self)
        if command.asks_daemon and command.run is not None:
            _take_socket(self)
        if command.parts:
            adding = self.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
            for name, part in command.parts.items():
                self.parts[name] = adding.add_parser(name, help=part.purpose, command=part)
        self.set_defaults(command=command.run or self._usage)

    def parse_known_args(self, *words: Any, **more: Any) -> Any:
        """Parse; what is left over is refused by the command that got it, not by "intercom"."""
        namespace, rest = super().parse_known_args(*words, **more)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return namespace, rest

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to learn more: the usage of a long command would hide it."""
        self.exit(2, f"{self.prog}: {message}\nTry: {self.prog} --help\n")

    def _usage(self, _: argparse.Namespace) -> int:
        self.print_help(sys.stderr)
        return 2


def count(text: str) -> int:
    """Read a whole number of the command line."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 999999")
    return int(text)


def _take_socket(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket",
        type=Path,
        default=paths.SOCKET,
        metavar="PATH",
        help="the daemon's control socket, default: %(default)s",
    )


def _statuses(command: Command) -> str:
    return "\n".join(["exit status:", *(f"  {status}  {text}" for status, text in command.statuses().items())])


def _listed(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head}{'s' * (len(lines) > 1)}:", *(f"  {line}" for line in lines)])
