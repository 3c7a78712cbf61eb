# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom diff`: in what a configuration differs from the one that the door goes by."""

import argparse
import sys
from pathlib import Path

from intercom import paths
from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.terminal import BAD, GOOD, Paint, paint_for
from intercom.control.client import granted


def diff(socket: Path, path: Path) -> int:
    """Show every key that differs; return 1 when there is one. Raises ConfigError when the file cannot be used."""
    found = differences(socket, path)
    print("\n".join(lines(found, paint_for(sys.stdout))) if found else "no difference")
    return 1 if found else 0


def differences(socket: Path, path: Path) -> list[tuple[str, str, str]]:
    """Return key, the value in use, and the value in the file. Secrets are masked."""
    from intercom.config.diff import flatten  # noqa: PLC0415  (reads TOML)
    from intercom.config.loader import load  # noqa: PLC0415

    flat = flatten(load(path, in_service=False))
    return [(key, old, new) for key, old, new in granted(socket, {"do": "differs", "flat": flat})["differs"]]


def lines(found: list[tuple[str, str, str]], paint: Paint) -> list[str]:
    """Return what is shown of them."""
    shown = []
    for key, old, new in found:
        shown += [paint(f"- {key} = {printable(old)}", BAD)] if old else []
        shown += [paint(f"+ {key} = {printable(new)}", GOOD)] if new else []
    return shown


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="compare a configuration with the one in use",
    more="Defaults are compared too, secrets are not shown.",
    examples=("sudo intercom diff", "sudo intercom diff new.toml"),
    exits={0: "no difference", 1: "there is one, or the file cannot be used"},
    arguments=_arguments,
    run=lambda arguments: diff(arguments.socket, arguments.file),
)
