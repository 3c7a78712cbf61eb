# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom metrics`: figures for Prometheus, as its node exporter's textfile collector takes them."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from intercom.cli.client import granted
from intercom.cli.command import Command
from intercom.cli.files import replace_text

Sample = tuple[Mapping[str, str], float]


def metrics(socket: Path, output: Path | None) -> int:
    """Print them, or put them in the place of a file."""
    text = exposition(granted(socket, {"do": "status"})["status"])
    if output is None:
        print(text, end="")
    else:
        replace_text(output, text)
    return 0


def exposition(status: dict[str, Any]) -> str:
    """Return a status in the words of Prometheus (its text format 0.0.4)."""
    machine = status["machine"]
    families: list[tuple[str, str, str, Iterable[Sample]]] = [
        ("up_seconds", "gauge", "How long the daemon runs.", [({}, status["uptime_s"])]),
        ("line_up", "gauge", "Whether the account is registered.",
         [({"account": line["account"]}, line["state"] == "registered") for line in status["lines"]]),
        ("line_round_trip_seconds", "gauge", "How long the server took to answer OPTIONS.",
         [({"account": line["account"]}, line["round_trip_ms"] / 1000) for line in status["lines"]]),
        ("door_released", "gauge", "Whether the strike is released.",
         [({"door": door["door"]}, door["released"]) for door in status["doors"]]),
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
        lines += [f"intercom_{name}{_labels(labels)} {float(value):g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


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
    more="For its node exporter: let a timer write them into the folder of the textfile collector.",
    examples=("intercom metrics", "sudo intercom metrics --output /var/lib/prometheus/node-exporter/intercom.prom"),
    arguments=_arguments,
    run=lambda arguments: metrics(arguments.socket, arguments.output),
)
