# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom unlock`: has a phone or a keypad that was locked out heard again. It opens nothing."""

import argparse
from pathlib import Path

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.control.client import granted


def unlock(socket: Path, source: str) -> int:
    """Lift the lock-out of a source, or of all for an empty one. Raises IntercomError when nobody is locked out."""
    for name in granted(socket, {"do": "unlock", "source": source})["sources"]:
        print(printable(f"codes from {name} are heard again"))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", nargs="?", default="", metavar="SOURCE", help='as `intercom status` names it ("keypad front"); or all'
    )


COMMAND = Command(
    purpose="lift a lock-out",
    more="It opens no door: codes from there are heard again, and wrong ones forgotten. The journal tells who did it.",
    examples=("intercom unlock", 'intercom unlock "keypad front"', "intercom unlock 201@home"),
    exits={1: "there is nobody of that name with wrong codes"},
    arguments=_arguments,
    run=lambda arguments: unlock(arguments.socket, arguments.source),
)
