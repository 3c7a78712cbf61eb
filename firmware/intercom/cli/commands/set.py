# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom set`: changes keys of the configuration and leaves every comment where it is."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intercom import paths
from intercom.cli.command import Command, UsageError
from intercom.cli.config_file import replace_text
from intercom.errors import IntercomError


def set_keys(path: Path, changes: Sequence[str]) -> int:
    """Change keys, if the result can be used. Raises ConfigError with all that would be wrong."""
    import tomllib  # noqa: PLC0415  (slow to load, as is what follows)

    from intercom.config.loader import parse  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise IntercomError(f"{path}: {error.strerror}; use sudo?") from error
    new = changed(text, [parted(change) for change in changes])
    config = parse(tomllib.loads(new), path, in_service=False)
    if new == text:
        print(f"{path}: says so already")
        return 0
    replace_text(path, new)
    for warning in config.warnings:
        print(f"warning: {warning}")
    print(f"{path}: changed; now: sudo intercom reload")
    return 0


def parted(change: str) -> tuple[list[str], str | None]:
    """Return where the key is, and its new value; None to take it out. Raises UsageError."""
    place, given, value = change.partition("=")
    keys = place.strip().split(".")
    if not all(keys) or not (given or place.startswith("-")):
        raise UsageError(f"{change!r}: give SECTION.KEY=VALUE, or -SECTION.KEY to take it out")
    keys[0] = keys[0].removeprefix("-")
    return keys, value.strip() if given else None


def changed(text: str, changes: Sequence[tuple[list[str], str | None]]) -> str:
    """Return the text of a configuration with these keys changed. Raises UsageError for what cannot be."""
    import tomlkit  # noqa: PLC0415  (only this and setup change files)
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        document = tomlkit.parse(text)
        for keys, value in changes:
            section: Any = document
            for number, name in enumerate(keys[:-1]):
                if name not in section:
                    # A section of sections shows only its parts: "[accounts.home]" without "[accounts]".
                    section[name] = tomlkit.table(is_super_table=number < len(keys) - 2)
                section = section[name]
            if value is None:
                del section[keys[-1]]
            else:
                section[keys[-1]] = _value(value)
        return tomlkit.dumps(document)
    except (TOMLKitError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"that cannot be changed: {error}") from error


def _value(text: str) -> Any:
    """Return a value as TOML understands it; what it does not understand is a text."""
    import tomllib  # noqa: PLC0415  (as above)

    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "changes", nargs="+", metavar="SECTION.KEY=VALUE", help="what to change; -SECTION.KEY takes it out"
    )
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="change the configuration",
    more=(
        "Comments and order stay. Nothing is written when the result could not be used. "
        "The door goes by it after `intercom reload`. What a shell shows to others (a password, a code) better goes "
        "into a file of its own."
    ),
    examples=(
        "sudo intercom set calls.ring_s=20 name='Front door'",
        """sudo intercom set 'buttons.front.targets=["201", "202"]'""",
        "sudo intercom set -- -calls.text_missed_to",
    ),
    exits={1: "the result could not be used, and nothing was changed"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: set_keys(arguments.config, arguments.changes),
)
