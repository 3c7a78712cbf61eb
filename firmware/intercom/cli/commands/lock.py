# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom lock`: locks every strike without the daemon. systemd calls it whenever the daemon has ended.

The daemon notes which pins it drives (`adapters/storage/strikes.py`), and these are locked, whatever the configuration
says by now. The configuration is read only where there is no note, or where it is named.
"""

import argparse
import sys
from pathlib import Path

from intercom import paths
from intercom.adapters.storage import strikes
from intercom.adapters.storage.strikes import Strike
from intercom.cli.command import Command
from intercom.errors import HardwareError


def lock(path: Path | None, note: Path) -> int:
    """Put each strike's pin to its locked level. Return 0, or 1 when a pin cannot be had; the others are locked then.

    `note` is what the daemon left. `path` is a configuration whose strikes are locked besides; None means the usual
    one, and only where there is no note. Raises ConfigError when it is needed and wrong; what the note says is locked
    before that.
    """
    noted = strikes.noted(note)
    status = _locked(noted or ())
    if noted is None or path is not None:
        from intercom.config.loader import load  # noqa: PLC0415  (it takes longer than a strike should stay released)

        doors = load(path or paths.CONFIG).doors
        named = (Strike(door.key, door.strike_pin, door.active == "high") for door in doors)
        status = max(status, _locked([one for one in named if one not in (noted or ())]))
    return status


def _locked(these: "tuple[Strike, ...] | list[Strike]") -> int:
    status = 0
    for strike in these:
        from intercom.adapters.gpio import GpioStrike  # noqa: PLC0415  (gpiozero: only where there is a strike)

        try:
            # A strike is locked by being claimed.
            GpioStrike(strike.door, strike.pin, active_high=strike.active_high).close()
        except HardwareError as error:
            print(f"intercom: {error}", file=sys.stderr)
            print("intercom: while the daemon runs they are its own: sudo systemctl stop intercom", file=sys.stderr)
            status = 1
        else:
            print(f"door {strike.door} locked")
    return status


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="lock this configuration's strikes too; else what the daemon drove"
    )
    parser.add_argument(
        "--note", type=Path, default=paths.STRIKES, metavar="FILE", help="the daemon's note, default: %(default)s"
    )


COMMAND = Command(
    purpose="lock every strike without the daemon",
    more="Those that the daemon drove, whatever the configuration says now. systemd does so when the daemon has ended.",
    examples=("sudo intercom lock", "intercom lock --config my.toml"),
    exits={0: "every strike is locked", 1: "a pin cannot be had, or nothing tells which they are"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: lock(arguments.config, arguments.note),
)
