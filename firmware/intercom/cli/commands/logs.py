# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom logs`: our records of the journal, with their fields where they are wanted."""

import argparse
import os
import sys

from intercom.cli.command import Command
from intercom.core.commands import Kind
from intercom.errors import IntercomError


def argv(arguments: argparse.Namespace) -> list[str]:
    """Return the journalctl that does it."""
    command = ["journalctl", "-t", "intercom", "-o", "json-pretty" if arguments.fields else "short-precise", "-q"]
    command += [f"--since={arguments.since}"] if arguments.since else ["-n", str(arguments.limit)]
    command += ["-f"] if arguments.follow else []
    command += ["-x"] if arguments.explain else []
    command += ["-p", "warning"] if arguments.trouble else []
    command += ["--no-pager"] if not sys.stdout.isatty() else []
    command += [f"INTERCOM_VISIT={arguments.visit}"] if arguments.visit else []
    command += [f"INTERCOM_KIND={kind}" for kind in arguments.kind]
    if arguments.fields:
        command.append("--output-fields=MESSAGE,PRIORITY," + ",".join(f"INTERCOM_{name}" for name in FIELDS))
    return command


FIELDS = (
    "KIND", "VISIT", "BUTTON", "BY", "TARGET", "LEG", "ACCOUNT", "OUTCOME", "REASON", "CODE", "DOOR", "CODE_NAME",
    "CONDITION", "DETAIL", "LASTED_S", "TIMELINE", "TOTAL_MS", "TALKED_S", "SOUND",
)  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    sys.stdout.flush()
    try:
        os.execvp("journalctl", argv(arguments))  # noqa: S606  (no shell is wanted)
    except OSError as error:
        raise IntercomError(f"journalctl cannot be started: {error.strerror}") from error


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="WHEN", help='as journalctl takes it: "today", "-2h"')
    parser.add_argument("-n", dest="limit", type=int, default=50, metavar="N", help="how many, default: %(default)s")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens")
    parser.add_argument("-x", "--explain", action="store_true", help="explain each record, and what to do")
    parser.add_argument("--trouble", action="store_true", help="only what somebody should look at")
    parser.add_argument("--fields", action="store_true", help="show the records' fields")
    parser.add_argument("--visit", metavar="ID", help="everything about one visit")
    parser.add_argument("--kind", action="append", default=[], choices=[str(kind) for kind in Kind], metavar="KIND",
                        help='only records of this kind, "visit-ended"; may be repeated')  # fmt: skip


COMMAND = Command(
    purpose="read the journal of the door",
    more="It becomes journalctl, so its status is journalctl's.",
    examples=(
        "intercom logs -f",
        "intercom logs --trouble --since today -x",
        "intercom logs --visit 0c2f45-1 --fields",
    ),
    asks_daemon=False,
    arguments=_arguments,
    run=_run,
)
