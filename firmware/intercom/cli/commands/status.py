# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom status`: one screen that answers "would it ring now?"."""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.commands.visits import rows
from intercom.cli.terminal import BAD, BOLD, DIM, GOOD, Paint, paint_for, span
from intercom.control.client import granted
from intercom.core.words import DIRECT
from intercom.errors import IntercomError

Status = dict[str, Any]
MEANING = """\
--json prints one object. Its keys stay, others may be added:
  name, version, uptime_s, time  of the door; time is in seconds since 1970
  phase, lamp, text              "idle", "ringing" ...; what the lamp shows; all of it in one line
  lines         account, state ("registered", "registering", "down"), since_s, took_ms (REGISTER to its 200),
                round_trip_ms (of the last question whether the server lives), server, detail (the fault)
  buttons       button, through (the account, "no account" for a target with an address of its own, "" for nobody)
  doors         door, released
  buttons       button, through ("" when a press would not ring), pressed (its wire, now)
  self_test     the last one since the start: at, outcome ("well"), by; null before it
  configuration waits (for the end of a visit), trial (null, or left_s until the one before is back)
  conditions    condition, detail, since_s: what is wrong now; empty when all is well
  card          "closed", or "open" and its name
  machine       temperature_c, supply ("well", "weak"), clock ("set", "not set"), disk_free_mb; what there is.
                By the door itself: written_kb to disks since the start, written_day_kb in the last day; state_kb kept
  engine        pid (0: none runs), versions, starts
  counts        kind of record -> how many since the start; outcomes: outcome -> how many visits
  visits        the last five, as `intercom visits --json` has them, the newest first"""


def status(socket: Path, *, as_json: bool) -> int:
    """Show the daemon's status. Return 0 when a press would ring, else 1."""
    told: Status = granted(socket, {"do": "status"})["status"]
    if as_json:
        print(json.dumps(told, indent=2))
        return 0 if verdict(told)[0] else 1
    try:
        lines = screen(told, paint_for(sys.stdout))
    except (KeyError, TypeError, AttributeError) as error:
        raise IntercomError("the daemon is of another version: sudo systemctl restart intercom") from error
    print("\n".join(lines))
    return 0 if verdict(told)[0] else 1


def verdict(told: Status) -> tuple[bool, str]:
    """Return whether a press would ring now, and why."""
    if told["text"] == "stopping":
        return False, "the intercom is stopping"
    if not told["engine"]["pid"]:
        return False, "the voice engine does not run"
    dumb = [button["button"] for button in told["buttons"] if not button["through"]]
    if dumb:
        which = "" if len(dumb) == len(told["buttons"]) else f", and {' and '.join(dumb)} would ring nobody"
        return False, f"no line is registered{which}"
    ways = dict.fromkeys(button["through"] for button in told["buttons"])
    how = " and ".join("directly" if way == DIRECT else f"through {way}" for way in ways)
    if told["conditions"]:
        troubles = ", ".join(condition["condition"] for condition in told["conditions"])
        return True, f"{how}, but there is trouble with {troubles}"
    return True, how


def screen(told: Status, paint: Paint) -> list[str]:
    """Return the lines of the screen."""
    rings, why = verdict(told)
    answer = paint("yes", GOOD) if rings else paint("no", BAD)
    engine = told["engine"]
    starts = "once" if engine["starts"] == 1 else f"{engine['starts']} times"
    lines = [
        f"{paint(printable(told['name']), BOLD)}: would it ring now? {answer}, {printable(why)}",
        f"{told['phase']}, lamp {told['lamp']}, sound card {printable(told['card'])}, up {span(told['uptime_s'])}",
        "",
        *(_line(line, paint) for line in told["lines"]),
        *(_door(door, paint) for door in told["doors"]),
        *(_locked_out(source, paint) for source in told["locked_out"]),
        *_tested(told, paint),
        *_machine(told, paint),
        *(_trouble(condition, paint) for condition in told["conditions"]),
        _labelled("engine", f"{printable(engine['versions'])} (pid {engine['pid']}, started {starts})"),
    ]
    if told["visits"]:
        lines += ["", *rows(told["visits"], paint)]
    return lines


def _line(line: Status, paint: Paint) -> str:
    up = line["state"] == "registered"
    detail = f", in {line['took_ms']:.0f} ms" if up and line["took_ms"] else ""
    if up and line.get("round_trip_ms"):
        detail += f", answers in {line['round_trip_ms']:.0f} ms"
    fault = f": {printable(line['detail'])}" if line["detail"] else ""
    state = paint(line["state"], GOOD if up else BAD)
    since = paint(f"for {span(line['since_s'])}", DIM)
    return _labelled("line", f"{line['account']} {state}{detail}{fault} {since}")


def _door(door: Status, paint: Paint) -> str:
    left = f" for {span(door['for_s'])}" if door["released"] else ""
    state = paint("released", BAD) + left if door["released"] else "locked"
    contact = f", {door['contact']}" if door["contact"] else ""
    return _labelled("door", f"{door['door']} {state}{contact}")


def _locked_out(source: Status, paint: Paint) -> str:
    text = paint(f"no {printable(source['what'])} from {printable(source['source'])}", BAD)
    return _labelled("codes", f"{text} for {span(source['for_s'])}")


def _tested(told: Status, paint: Paint) -> Iterator[str]:
    """Yield how the last self test ended, once there was one."""
    if (test := told.get("self_test")) is not None:
        ago = f"{span(max(0.0, told['time'] - test['at']))} ago"
        outcome = paint(printable(test["outcome"]), GOOD if test["outcome"] == "well" else BAD)
        yield _labelled("test", f"{outcome} {paint(ago, DIM)}")


def _machine(told: Status, paint: Paint) -> Iterator[str]:
    """Yield what the sensors say, where there are any."""
    machine = told.get("machine", {})
    parts = [f"{machine['temperature_c']:.0f} °C"] if "temperature_c" in machine else []
    for name, good in (("supply", "well"), ("clock", "set")):
        if name in machine:
            parts.append(f"{name} {paint(machine[name], GOOD if machine[name] == good else BAD)}")
    if "disk_free_mb" in machine:
        parts.append(f"{machine['disk_free_mb']} MB free")
    if "written_day_kb" in machine:
        parts.append(f"{machine['written_day_kb']} kB written in a day")
    if parts:
        at = f"{datetime.fromtimestamp(told['time']).astimezone():%H:%M:%S}, " if "time" in told else ""
        yield _labelled("machine", f"{at}{', '.join(parts)}")


def _trouble(condition: Status, paint: Paint) -> str:
    text = printable(f"{condition['condition']}: {condition['detail']}")
    since = paint(f"for {span(condition['since_s'])}", DIM)
    return _labelled("trouble", f"{paint(text, BAD)} {since}")


def _labelled(label: str, text: str) -> str:
    return f"{label:<8} {text}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")


COMMAND = Command(
    purpose="would it ring now?",
    more=f"One screen.\n\n{MEANING}",
    examples=("intercom status", "intercom status --json | jq .lines"),
    exits={0: "a press would ring", 1: "a press would not ring"},
    arguments=_arguments,
    run=lambda arguments: status(arguments.socket, as_json=arguments.json),
)
