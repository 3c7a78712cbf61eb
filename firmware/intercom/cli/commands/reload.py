# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom reload`: the door goes by what is in its file now."""

import argparse
from pathlib import Path

from intercom.cli.command import Command
from intercom.control.client import granted


def reload(socket: Path) -> int:
    """Have the daemon read its file again. Raises IntercomError with all that is wrong with it."""
    answer = granted(socket, {"do": "reload"})
    print("as soon as the visit is over" if answer.get("waits") else "done")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    return reload(arguments.socket)


COMMAND = Command(
    purpose="go by the changed configuration",
    more=(
        "A running visit is not disturbed: its configuration stays until it is over. "
        "`systemctl reload intercom` does the same. When the file is wrong, the door goes on with what it has."
    ),
    examples=("sudo intercom reload",),
    exits={1: "the configuration cannot be used; what is wrong is on standard error"},
    run=_run,
)
