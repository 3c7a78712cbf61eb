# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom run`: is the door. systemd starts this one."""

import argparse
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command
from intercom.process import import_trim


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    with import_trim.without("ssl"):
        from intercom.app.run import run  # noqa: PLC0415  (all of the door; no other command needs it)

    return run(arguments.config, arguments.socket)


COMMAND = Command(
    purpose="be a door",
    more="systemd starts this one.",
    examples=("intercom run --config my.toml --socket /tmp/intercom.sock",),
    exits={0: "told to stop", 1: "something failed; the reason is on standard error"},
    arguments=_arguments,
    run=_run,
)
