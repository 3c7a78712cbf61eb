# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom hangup`: ends the visit."""

from pathlib import Path

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.control.client import granted


def hang_up(socket: Path) -> int:
    """End the visit. Raises IntercomError when there is none."""
    print(printable(f"visit {granted(socket, {'do': 'hangup'})['visit']}: hung up"))
    return 0


COMMAND = Command(
    purpose="end the visit",
    more="Whether it rings or talks. The journal tells who did it.",
    examples=("intercom hangup",),
    exits={1: "nobody is at the door"},
    run=lambda arguments: hang_up(arguments.socket),
)
