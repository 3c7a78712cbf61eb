# SPDX-License-Identifier: GPL-2.0-or-later
"""The `intercom` command: finds the sub-command, does it, and turns errors into words and an exit status."""

import argparse
import importlib
import os
import sys

from intercom.cli.command import Command, Parser, UsageError
from intercom.errors import ConfigError, ControlError, IntercomError

COMMANDS = (
    "status", "visits", "doctor", "watch", "logs", "trace", "press", "call", "hangup", "open", "unlock", "test", "code",
    "setup", "check", "pins", "audio", "set", "diff", "apply", "reload", "house", "metrics", "lock", "phones", "run",
)  # fmt: skip
"""The sub-commands, in the order of the help. Each is the file of that name in cli/, loaded only when it is used."""


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["run"] and not {"-h", "--help"} & set(words):
        from intercom.process import spawn_engine  # noqa: PLC0415  (no other command needs an engine)

        spawn_engine.prespawn()
    try:
        arguments = parser(words[0] if words else "").parse_args(words)
    except SystemExit as done:  # argparse has said what there is to say
        return int(done.code or 0)
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
    except UsageError as error:
        return _failed(2, f"intercom: {error}")
    except ConfigError as error:
        return _failed(1, *error.problems)
    except ControlError as error:
        return _failed(3, f"intercom: {error}")
    except IntercomError as error:
        return _failed(1, f"intercom: {error}")
    except BrokenPipeError:
        # Whoever read us has seen enough; Python's own flush at the end must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def parser(only: str = "") -> Parser:
    """Return the parser of the whole command line, or of no more than one sub-command where that is known."""
    names = [name for name in COMMANDS if name == only] or COMMANDS
    command = Command(
        purpose="a SIP door station",
        examples=("intercom status", "intercom visits --since yesterday"),
        arguments=_arguments,
        parts={name: importlib.import_module(f"intercom.cli.commands.{name}").COMMAND for name in names},
    )
    return Parser(prog="intercom", command=command)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--version", action="store_const", const=_version, dest="command", help="show what is installed"
    )


def _version(_: argparse.Namespace) -> int:
    from intercom.cli.versions import versions  # noqa: PLC0415  (nothing else needs another process)

    print(versions())
    return 0


def _failed(status: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
