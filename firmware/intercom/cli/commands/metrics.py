# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom metrics`: figures for Prometheus, as its node exporter's textfile collector takes them."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from intercom.cli.command import Command
from intercom.cli.config_file import replace_text
from intercom.control.client import granted
from intercom.errors import ControlError

Sample = tuple[Mapping[str, str], float]
MODE = 0o644
"""The node exporter reads the file as a user of its own."""
DEAD = "# HELP intercom_up Whether the daemon answers.\n# TYPE intercom_up gauge\nintercom_up 0\n"
"""All that is known of a door that does not answer: no old figure may go on looking well."""


def metrics(socket: Path, output: Path | None) -> int:
    """Print them, or put them in the place of a file. Raises ControlError after telling that the daemon is dead."""
    try:
        text = exposition(granted(socket, {"do": "status"})["status"])
    except ControlError:
        _tell(DEAD, output)
        raise
    _tell(text, output)
    return 0


def _tell(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="")
    else:
        replace_text(output, text, mode=MODE)


def exposition(status: dict[str, Any]) -> str:
    """Return a status in the words of Prometheus (its text format 0.0.4)."""
    machine = status["machine"]
    families: list[tuple[str, str, str, Iterable[Sample]]] = [
        ("up", "gauge", "Whether the daemon answers.", [({}, 1)]),
        ("up_seconds", "gauge", "How long the daemon runs.", [({}, status["uptime_s"])]),
        ("line_up", "gauge", "Whether the account is registered.",
         [({"account": line["account"]}, line["state"] == "registered") for line in status["lines"]]),
        ("line_round_trip_seconds", "gauge", "How long the server took to answer the last OPTIONS (or REGISTER).",
         [({"account": line["account"]}, line["round_trip_ms"] / 1000) for line in status["lines"]]),
        ("door_released", "gauge", "Whether the strike is released.",
         [({"door": door["door"]}, door["released"]) for door in status["doors"]]),
        ("door_open", "gauge", "Whether the door stands open, by its contact.",
         [({"door": door["door"]}, door["contact"] == "open") for door in status["doors"] if door["contact"]]),
        ("locked_out", "gauge", "Whether no codes are heard from this source.",
         [({"source": one["source"], "what": one["what"]}, 1) for one in status["locked_out"]]),
        ("press_to_ring_seconds", "gauge", "From the last press that rang to the phone's ringing.",
         _press_to_ring(status["visits"])),
        ("condition", "gauge", "What is wrong now.",
         [({"condition": one["condition"]}, 1) for one in status["conditions"]]),
        ("busy", "gauge", "Whether somebody is at the door.", [({}, status["phase"] != "idle")]),
        ("engine_starts_total", "counter", "How often a voice engine was started.", [({}, status["engine"]["starts"])]),
        ("records_total", "counter", "Journal records since the daemon's start.",
         [({"kind": kind}, number) for kind, number in status["counts"].items()]),
        ("visits_total", "counter", "Visits since the daemon's start.",
         [({"outcome": outcome}, number) for outcome, number in status["outcomes"].items()]),
        ("temperature_celsius", "gauge", "The hottest sensor.", _one(machine, "temperature_c")),
        ("disk_free_bytes", "gauge", "Room on the disk.", _one(machine, "disk_free_mb", 1 << 20)),
        ("written_bytes_total", "counter", "What the door itself had written to disks since its start.",
         _one(machine, "written_kb", 1 << 10)),
        ("written_day_bytes", "gauge", "The same, in the last day.", _one(machine, "written_day_kb", 1 << 10)),
        ("state_bytes", "gauge", "What it keeps in its folder.", _one(machine, "state_kb", 1 << 10)),
        ("clock_set", "gauge", "Whether the clock is synchronised.", [({}, machine.get("clock") == "set")]),
    ]  # fmt: skip
    lines = []
    for name, kind, meaning, samples in families:
        lines += [f"# HELP intercom_{name} {meaning}", f"# TYPE intercom_{name} {kind}"]
        lines += [f"intercom_{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """Return all digits of it: a counter that is rounded moves in jumps."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _press_to_ring(visits: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Of the newest visit that was a press and rang; nothing where there is none."""
    rang = (visit["timeline"]["ringing"] for visit in visits if "ringing" in visit.get("timeline", {}))
    return [({}, ms / 1000) for ms in list(rang)[:1]]


def _one(machine: Mapping[str, Any], key: str, unit: float = 1.0) -> list[Sample]:
    return [({}, machine[key] * unit)] if key in machine else []


def _labels(labels: Mapping[str, str]) -> str:
    shown = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(shown)}}}" if shown else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="put them there, whole or not at all")


COMMAND = Command(
    purpose="figures for Prometheus",
    more=(
        "For its node exporter: `systemctl enable --now intercom-metrics.timer` writes them into the folder of "
        "Debian's textfile collector every 15 s. A daemon that does not answer is intercom_up 0, and nothing else."
    ),
    examples=("intercom metrics", "sudo intercom metrics --output /var/lib/prometheus/node-exporter/intercom.prom"),
    arguments=_arguments,
    run=lambda arguments: metrics(arguments.socket, arguments.output),
)
