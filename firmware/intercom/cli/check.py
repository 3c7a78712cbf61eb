# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom check`: everything that is wrong with a configuration, before a door stands still for it."""

import argparse
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command
from intercom.config import Config


def check(path: Path) -> int:
    """Show what a file would make, and what is unwise in it. Raises ConfigError with everything that is wrong."""
    from intercom.loading import load  # noqa: PLC0415  (reads TOML: only for who checks)

    config = load(path, in_service=False)
    for warning in config.warnings:
        print(f"warning: {warning}")
    print(f"{path}: good: {summary(config)}")
    return 0


def summary(config: Config) -> str:
    """Return a configuration in one line, without its secrets."""
    keys = {
        "account": [account.key for account in config.accounts],
        "button": [button.key for button in config.buttons],
        "door": [door.key for door in config.doors],
        "code": [code.key for code in config.codes],
    }
    parts = [f"{_counted(len(names), word)} ({', '.join(names)})" for word, names in keys.items() if names]
    return ", ".join([*parts, *(["lamp"] if config.lamp else [])])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="check a configuration",
    more="Says everything that is wrong with it, at once.",
    examples=("intercom check", "intercom check my.toml"),
    exits={0: "it can be used", 1: "it cannot; what is wrong is on standard error"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: check(arguments.file),
)
