# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom watch`: the status, live, and what happens under it.

The daemon answers when something has happened; then only the lines that differ are drawn. So it is quick where the
connection is slow, and asks nothing while nothing happens.
"""

import argparse
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from intercom.adapters.records import printable
from intercom.cli.client import granted
from intercom.cli.command import Command
from intercom.cli.screen import DIM, Paint, paint_for
from intercom.cli.status import screen

WAIT_S = 10.0
"""How long the daemon may keep us waiting when nothing happens; the spans of time on the screen move so often."""


def watch(socket: Path, *, once: bool = False) -> int:
    """Show it until Ctrl-C, or until something has happened `once`."""
    paint = paint_for(sys.stdout)
    live = sys.stdout.isatty()
    told, seen, drawn = -1, [], []  # type: tuple[int, list[dict[str, Any]], list[str]]
    if live:
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        while True:
            answer = granted(socket, {"do": "next", "since": told, "within_s": WAIT_S}, timeout_s=WAIT_S + 5)
            first, told = told < 0, int(answer["told"])
            seen = [*seen, *answer["records"]][-200:]
            if live:
                drawn = _draw(drawn, _picture(answer["status"], seen, paint))
            else:
                print("\n".join(_happened(record, paint) for record in answer["records"]), flush=True)
            if once and not first:
                return 0
    finally:
        if live:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()


def _picture(status: dict[str, Any], seen: list[dict[str, Any]], paint: Paint) -> list[str]:
    """Return the lines of the screen: the status without its ledger, and as many records as there is room for."""
    rows = shutil.get_terminal_size().lines - 1
    top = screen({**status, "visits": []}, paint)
    room = max(1, rows - len(top) - 1)
    return [*top, "", *(_happened(record, paint) for record in seen[-room:])][:rows]


def _happened(record: dict[str, Any], paint: Paint) -> str:
    at = f"{datetime.fromtimestamp(record['at']).astimezone():%H:%M:%S}"
    return f"{paint(at, DIM)}  {printable(str(record['text']))}"


def _draw(old: list[str], new: list[str]) -> list[str]:
    """Write the lines that differ; lines are cut by the terminal, not wrapped."""
    if not old:
        sys.stdout.write("\x1b[2J\x1b[?7l")
    for number in range(max(len(old), len(new))):
        line = new[number] if number < len(new) else ""
        if number >= len(old) or old[number] != line:
            sys.stdout.write(f"\x1b[{number + 1};1H\x1b[2K{line}")
    sys.stdout.flush()
    return new


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="end as soon as something has happened")


COMMAND = Command(
    purpose="see live what happens",
    more="Ends with Ctrl-C. In a pipe it prints one line for each thing that happens.",
    examples=("intercom watch", "intercom watch | grep --line-buffered pressed"),
    arguments=_arguments,
    run=lambda arguments: watch(arguments.socket, once=arguments.once),
)
