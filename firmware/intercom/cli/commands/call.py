# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom call`: has the door call somebody, whom no button calls."""

import argparse
from pathlib import Path

from intercom.cli.command import Command
from intercom.cli.commands.press import begin


def call(socket: Path, target: str, *, wait: bool) -> int:
    """Call; return 0 when it was begun, or with `wait` when somebody talked."""
    return begin(socket, {"do": "call", "target": target}, wait=wait)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help='"201", or a whole address: "sip:201@192.0.2.7"')
    parser.add_argument("--wait", action="store_true", help="wait for the end of the visit")


COMMAND = Command(
    purpose="have the door call somebody",
    more="As if a button with this target were pressed: with chime and ring-back, so that nobody listens unheard.",
    examples=("intercom call 201", "intercom call 201 --wait"),
    exits={1: "it was refused, somebody is at the door; or with --wait, nobody answered"},
    arguments=_arguments,
    run=lambda arguments: call(arguments.socket, arguments.target, wait=arguments.wait),
)
