# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom check`: everything that is wrong with a configuration, before a door stands still for it."""

from pathlib import Path

from intercom.config import Config
from intercom.loading import load


def check(path: Path) -> int:
    """Show what a file would make, and what is unwise in it. Raises ConfigError with everything that is wrong."""
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
