# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom lock`: locks every strike without the daemon. systemd calls it whenever the daemon has ended."""

import argparse
import sys
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command
from intercom.errors import HardwareError


def lock(path: Path) -> int:
    """Put each strike's pin to its locked level. Return 0, or 1 when a pin cannot be had; the others are locked then.

    Raises ConfigError.
    """
    from intercom.adapters.gpio import GpioStrike  # noqa: PLC0415  (gpiozero and TOML: only for who locks)
    from intercom.loading import load  # noqa: PLC0415

    status = 0
    for door in load(path).doors:
        try:
            # A strike is locked by being claimed.
            GpioStrike(door.key, door.strike_pin, active_high=door.active == "high").close()
        except HardwareError as error:
            print(f"intercom: {error}", file=sys.stderr)
            print("intercom: while the daemon runs they are its own: sudo systemctl stop intercom", file=sys.stderr)
            status = 1
        else:
            print(f"door {door.key} locked")
    return status


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="lock every strike without the daemon",
    more="systemd does so when the daemon has ended.",
    examples=("sudo intercom lock", "intercom lock --config my.toml"),
    exits={0: "every strike is locked", 1: "a pin cannot be had, or the configuration is wrong"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: lock(arguments.config),
)
