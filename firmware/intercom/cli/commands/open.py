# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom open`: lets somebody in from this machine, without phone and code."""

import argparse
from pathlib import Path

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.terminal import span
from intercom.control.client import granted


def open_door(socket: Path, door: str, *, hold: bool, end: bool) -> int:
    """Release a door, or with `end` lock it; an empty `door` is the only one. Return 0 when it was done."""
    request = {"do": "release", "door": door, "released": not end, "hold": hold}
    told = granted(socket, request)["door"]
    state = f"released for {span(told['for_s'])}" if told["released"] else "locked"
    print(printable(f"door {told['door']}: {state}"), flush=True)
    return 0 if told["released"] is not end else 1


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("door", nargs="?", default="", metavar="DOOR", help="needed where there are several")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--hold", action="store_true", help="until --end, or for the door's hold_s")
    how.add_argument("--end", action="store_true", help="lock it again")


COMMAND = Command(
    purpose="open a door",
    more="Releases its strike, for its pulse or longer. The journal tells who did it.",
    examples=("intercom open", "intercom open front --hold", "intercom open front --end"),
    exits={1: "it was not done"},
    arguments=_arguments,
    run=lambda arguments: open_door(arguments.socket, arguments.door, hold=arguments.hold, end=arguments.end),
)
