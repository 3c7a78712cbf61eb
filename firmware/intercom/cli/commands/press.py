# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom press`: presses a button without a finger, and can wait for what comes of it."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.control.client import granted
from intercom.core.transitions import Phase
from intercom.errors import IntercomError

RUNG = {Phase.RINGING.value, Phase.TALKING.value, Phase.WARNED.value}
LOOK_S = 30.0


def press(socket: Path, button: str, *, wait: bool) -> int:
    """Press; an empty `button` is the only one. Return 0 when it was accepted, or with `wait` when somebody talked."""
    return begin(socket, {"do": "press", "button": button}, wait=wait)


def begin(socket: Path, request: dict[str, Any], *, wait: bool) -> int:
    """Ask for a visit and tell what came of it; return 0 when there is one, or with `wait` when somebody answered."""
    answer = granted(socket, request)
    visit, got = str(answer.get("visit", "")), str(answer.get("got", ""))
    print(printable(f"visit {visit}: {got}" if visit else got), flush=True)
    if not visit or not wait:
        return 0 if visit else 1
    record = granted(socket, {"do": "wait", "visit": visit}, timeout_s=None)["visit"]
    print(printable(told(record)))
    return 0 if "answered" in record.get("timeline", {}) else 1


def try_out(socket: Path, button: str) -> int:
    """Press, hang up as soon as a phone rings, and tell how long that took; return 0 when one did."""
    answer = granted(socket, {"do": "press", "button": button})
    visit, seen = str(answer.get("visit", "")), 0
    if not visit:
        print(printable(str(answer.get("got", ""))))
        return 1
    while True:
        news = granted(socket, {"do": "next", "since": seen, "within_s": LOOK_S}, timeout_s=None)
        seen, phase = news["told"], news["status"]["phase"]
        if phase in RUNG:
            with contextlib.suppress(IntercomError):  # it may have ended in this very moment
                granted(socket, {"do": "hangup"})
        if phase in RUNG | {Phase.CLOSING.value, Phase.IDLE.value}:
            break
    record = granted(socket, {"do": "wait", "visit": visit}, timeout_s=None)["visit"]
    print(printable(told(record)))
    return 0 if "ringing" in record.get("timeline", {}) else 1


def told(record: dict[str, Any]) -> str:
    """Return a visit's end in one line."""
    line = record.get("timeline", {})
    parts = [f"visit {record.get('visit')}: {record.get('outcome')}"]
    if "ringing" in line:
        parts.append(f"{record.get('target')} rang after {line['ringing']:.0f} ms")
    if "answered" in line:
        parts.append(f"answered after {line['answered'] / 1000:.1f} s")
        parts.append(f"talked for {record.get('talked_s', 0.0):.1f} s")
    return ", ".join(parts)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("button", nargs="?", default="", metavar="BUTTON", help="needed where there are several")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="wait for the end of the visit")
    how.add_argument("--try", action="store_true", dest="tries", help="hang up as soon as a phone rings")


COMMAND = Command(
    purpose="press a button",
    more="Through the same code as a finger.",
    examples=("intercom press", "intercom press front --wait", "intercom press --try"),
    exits={1: "it was refused; or with --wait, nobody answered; or with --try, nothing rang"},
    arguments=_arguments,
    run=lambda arguments: (
        try_out(arguments.socket, arguments.button)
        if arguments.tries
        else press(arguments.socket, arguments.button, wait=arguments.wait)
    ),
)
