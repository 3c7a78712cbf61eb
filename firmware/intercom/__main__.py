# SPDX-License-Identifier: GPL-2.0-or-later
"""The `intercom` command. Each sub-command is a file in cli/, loaded only when it is used."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from intercom import paths
from intercom.errors import ConfigError, ControlError, IntercomError

EXITS = """exit status:
  0  done
  1  failed; the reason is on standard error
  2  the command line is wrong
  3  the daemon cannot be reached"""


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as done:  # argparse has said what there is to say
        return int(done.code or 0)
    try:
        status: int = arguments.command(arguments)
        sys.stdout.flush()
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


def _failed(status: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="intercom",
        description="A SIP door station.",
        epilog=f"example:\n  intercom status\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="store_const", const=_version, dest="command", help="show what is installed"
    )
    parser.set_defaults(command=lambda _: _usage(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    run = _command(commands, "run", _run, "be a door", "intercom run --config my.toml --socket /tmp/intercom.sock")
    run.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")
    _takes_socket(run)

    check = _command(commands, "check", _check, "check a configuration", "intercom check /etc/intercom/intercom.toml")
    check.add_argument("file", type=Path, nargs="?", default=paths.CONFIG, metavar="FILE", help="default: %(default)s")

    status = _command(
        commands, "status", _status, "would it ring now?", "intercom status --json | jq .lines",
        "Exits with 1 when a press would not ring.",
    )  # fmt: skip
    status.add_argument("--json", action="store_true", help="for scripts")
    _takes_socket(status)

    press = _command(
        commands, "press", _press, "press a button", "intercom press front --wait",
        "Exits with 1 when it was refused, or with --wait when nobody answered.",
    )  # fmt: skip
    press.add_argument("button", nargs="?", default="", metavar="BUTTON", help="needed where there are several")
    press.add_argument("--wait", action="store_true", help="wait for the end of the visit")
    _takes_socket(press)

    visits = _command(
        commands, "visits", _visits, "what happened at the door", "intercom visits --since yesterday -n 5"
    )
    visits.add_argument("--since", metavar="WHEN", help='"today", "2h", "3 days ago", "2026-03-01 14:02"')
    visits.add_argument("--json", action="store_true", help="for scripts")
    visits.add_argument("-n", dest="limit", type=_count, default=20, metavar="N", help="how many, default: %(default)s")
    _takes_socket(visits)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    purpose: str,
    example: str,
    more: str = "",
) -> argparse.ArgumentParser:
    """Add a sub-command with an example to its help."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[:1].upper()}{purpose[1:]}. {more}",
        epilog=f"example:\n  {example}\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _takes_socket(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket",
        type=Path,
        default=paths.SOCKET,
        metavar="PATH",
        help="the daemon's control socket, default: %(default)s",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 999999")
    return int(text)


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return 2


def _version(_: argparse.Namespace) -> int:
    from intercom.cli.versions import versions  # noqa: PLC0415  (here and below: each command pays only for itself)

    print(versions())
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from intercom.app import run  # noqa: PLC0415

    return run(arguments.config, arguments.socket)


def _check(arguments: argparse.Namespace) -> int:
    from intercom.cli.check import check  # noqa: PLC0415

    return check(arguments.file)


def _status(arguments: argparse.Namespace) -> int:
    from intercom.cli.status import status  # noqa: PLC0415

    return status(arguments.socket, as_json=arguments.json)


def _press(arguments: argparse.Namespace) -> int:
    from intercom.cli.press import press  # noqa: PLC0415

    return press(arguments.socket, arguments.button, wait=arguments.wait)


def _visits(arguments: argparse.Namespace) -> int:
    from intercom.cli.visits import visits  # noqa: PLC0415

    try:
        return visits(arguments.socket, arguments.since, arguments.limit, as_json=arguments.json)
    except ValueError as error:
        if isinstance(error, IntercomError):
            raise
        return _failed(2, f"intercom: {error}")


if __name__ == "__main__":
    sys.exit(main())
