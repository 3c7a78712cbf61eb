# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom watch`: the status, live, and what happens under it.

The daemon answers when something has happened; then only what differs is drawn. So it is quick where the connection
is slow, and asks nothing while nothing happens. In a conversation it tells once a second how loud it is.
"""

import argparse
import shutil
import sys
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.commands.status import screen
from intercom.cli.terminal import DIM, Paint, paint_for
from intercom.control.client import granted
from intercom.core.transitions import Phase

TALKS = (Phase.TALKING, Phase.WARNED)
PARTS = ("microphone", "loudspeaker")
LEVELS = "levels   "
WAIT_S = 10.0
"""How long the daemon may keep us waiting when nothing happens; the spans of time on the screen move so often."""


def watch(socket: Path, *, once: bool = False) -> int:
    """Show it until Ctrl-C, or until something has happened `once`."""
    paint = paint_for(sys.stdout)
    live = sys.stdout.isatty()
    told, seen, drawn, loud = -1, [], [], LEVELS  # type: tuple[int, list[dict[str, Any]], list[str], str]
    if live:
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        while True:
            request = {"do": "next", "since": told, "within_s": WAIT_S, "levels": live}
            answer = granted(socket, request, timeout_s=WAIT_S + 5)
            first, told = told < 0, int(answer["told"])
            seen = [*seen, *answer["records"]][-200:]
            if live:
                loud = _loud(answer["levels"]) if "levels" in answer else loud
                full = "status" in answer
                drawn = _draw(drawn, _picture(answer["status"], seen, loud, paint) if full else _with(loud, drawn))
            elif answer["records"]:
                print("\n".join(_happened(record, paint) for record in answer["records"]), flush=True)
            if once and answer["records"] and not first:
                return 0
    finally:
        if live:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()


def _picture(status: dict[str, Any], seen: list[dict[str, Any]], loud: str, paint: Paint) -> list[str]:
    """Return the lines of the screen: the status without its ledger, and as many records as there is room for."""
    rows = shutil.get_terminal_size().lines - 1
    top = screen({**status, "visits": []}, paint)
    if status["phase"] in TALKS:
        top.append(loud)
    room = max(1, rows - len(top) - 1)
    return [*top, "", *(_happened(record, paint) for record in seen[-room:])][:rows]


def _with(loud: str, drawn: list[str]) -> list[str]:
    """Return the same lines with how loud it is now."""
    return [loud if line.startswith(LEVELS) else line for line in drawn]


def _loud(levels: dict[str, float]) -> str:
    return LEVELS + "  ".join(f"{part} {levels[f'{part}_db']:4.0f} dBFS {bar(levels[f'{part}_db'])}" for part in PARTS)


def bar(level_db: float) -> str:
    """Return a level as a short bar: six decibels a character, empty from -72 dBFS down."""
    full = max(0, min(12, round(level_db / 6) + 12))
    return "#" * full + "." * (12 - full)


def _happened(record: dict[str, Any], paint: Paint) -> str:
    at = f"{datetime.fromtimestamp(record['at']).astimezone():%H:%M:%S}"
    return f"{paint(at, DIM)}  {printable(str(record['text']))}"


def _draw(old: list[str], new: list[str]) -> list[str]:
    """Write the lines that differ; lines are cut by the terminal, not wrapped."""
    if not old:
        sys.stdout.write("\x1b[2J\x1b[?7l")
    for number in range(max(len(old), len(new))):
        line = new[number] if number < len(new) else ""
        was = old[number] if number < len(old) else ""
        if number >= len(old) or was != line:
            same = _same(was, line)
            sys.stdout.write(f"\x1b[{number + 1};{same + 1}H{line[same:]}\x1b[K")
    sys.stdout.flush()
    return new


def _same(old: str, new: str) -> int:
    """Return how many characters two lines begin with alike, up to the first colour."""
    alike = takewhile(lambda pair: pair[0] == pair[1] != "\x1b", zip(old, new, strict=False))
    return sum(1 for _ in alike)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="end as soon as something has happened")


COMMAND = Command(
    purpose="see live what happens",
    more="Ends with Ctrl-C. In a pipe it prints one line for each thing that happens.",
    examples=("intercom watch", "intercom watch | grep --line-buffered pressed"),
    arguments=_arguments,
    run=lambda arguments: watch(arguments.socket, once=arguments.once),
)
