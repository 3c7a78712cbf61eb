# SPDX-License-Identifier: GPL-2.0-or-later
"""A note of the strikes that the daemon drives, for `intercom lock` when the daemon is dead.

What has to be locked then are the pins that the daemon claimed, not those that the configuration names: the file may
have been edited since, be broken, need a credential that systemd gives to nobody but the daemon, or be on trial. The
note is on a tmpfs beside the control socket and outlives the process, not the boot.
"""

import contextlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from intercom.core.fast_dataclass import dataclass
from intercom.process import whole_files

LONGEST = 64 * 1024
"""Bytes; a longer note is none of ours."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike's output."""

    door: str
    pin: str
    active_high: bool
    """Whether the high level releases the door."""


def note(path: Path, strikes: Iterable[Strike]) -> None:
    """Write down what is about to be claimed. A note that cannot be written is told on stderr, and leaves none."""
    text = json.dumps([{"door": one.door, "pin": one.pin, "active_high": one.active_high} for one in strikes])
    try:
        whole_files.replace(path, text.encode())
    except OSError as error:
        print(f"intercom: `intercom lock` would go by the configuration: {path}: {error}", file=sys.stderr)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def noted(path: Path) -> tuple[Strike, ...] | None:
    """Return the strikes of a note; None where there is none that can be read."""
    try:
        return tuple(_strike(entry) for entry in json.loads(whole_files.read(path, LONGEST)))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _strike(entry: dict[str, Any]) -> Strike:
    door, pin, active_high = entry["door"], entry["pin"], entry["active_high"]
    if type(door) is not str or type(pin) is not str or type(active_high) is not bool:
        raise TypeError("not a strike")
    return Strike(door, pin, active_high)
