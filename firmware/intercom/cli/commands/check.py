# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom check`: everything that is wrong with a configuration, before a door stands still for it."""

import argparse
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command
from intercom.config.model import Config
from intercom.errors import ConfigError


def check(path: Path, *, only_content: bool = False) -> int:
    """Show what a file would make, and what is unwise in it. Raises ConfigError with everything that is wrong.

    With `only_content` it is not asked whether the service may read the files that it names.
    """
    from intercom.config import service_user  # noqa: PLC0415  (reads TOML: only for who checks)
    from intercom.config.loader import made, read  # noqa: PLC0415

    content = read(path)
    config = made(path, content, in_service=False)
    if not only_content:
        wrong, why_not = service_user.complaints(path, content)
        if wrong:
            raise ConfigError([f"{line} (for the service's user, {paths.USER})" for line in wrong])
        if why_not:
            print(f"note: {why_not}")
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
    parser.add_argument(
        "--only-content", action="store_true", help="do not ask whether the service may read the files it names"
    )


COMMAND = Command(
    purpose="check a configuration",
    more="Says everything that is wrong with it, at once. As root it also looks with the eyes of the service's user.",
    examples=("intercom check", "intercom check my.toml"),
    exits={0: "it can be used", 1: "it cannot; what is wrong is on standard error"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: check(arguments.file, only_content=arguments.only_content),
)
