# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom press`: presses a button without a finger, and can wait for what comes of it."""

import argparse
from pathlib import Path
from typing import Any

from intercom.adapters.records import printable
from intercom.cli.client import granted
from intercom.cli.command import Command


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
    parser.add_argument("--wait", action="store_true", help="wait for the end of the visit")


COMMAND = Command(
    purpose="press a button",
    more="Through the same code as a finger.",
    examples=("intercom press", "intercom press front --wait"),
    exits={1: "it was refused; or with --wait, nobody answered"},
    arguments=_arguments,
    run=lambda arguments: press(arguments.socket, arguments.button, wait=arguments.wait),
)
