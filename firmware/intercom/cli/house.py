# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom house`: tells the house what happens at the door, by MQTT and webhooks."""

import argparse
import contextlib
from pathlib import Path

from intercom.cli.command import Command

SETTINGS = Path("/etc/intercom/house.toml")


def house(socket: Path, path: Path) -> int:
    """Tell, until told to stop. Raises ConfigError with all that is wrong with the settings."""
    import asyncio  # noqa: PLC0415  (only this command tells anybody)

    from intercom.house import settings  # noqa: PLC0415
    from intercom.house.bridge import Told, bridge  # noqa: PLC0415
    from intercom.house.webhooks import Caller  # noqa: PLC0415

    wanted = settings.load(path)
    told: list[Told] = [Caller(webhook) for webhook in wanted.webhooks]
    if wanted.mqtt is not None:
        from intercom.house.mqtt import Broker  # noqa: PLC0415  (a library of its own)

        told.append(Broker(wanted.mqtt, socket))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(bridge(socket, told))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=SETTINGS, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="tell the house: MQTT, Home Assistant, webhooks",
    more=(
        "A process beside the daemon, so that no broker can hold the door up. It is off until there is a "
        "house.toml and `systemctl enable --now intercom-house`."
    ),
    examples=("intercom house --config house.toml",),
    exits={0: "told to stop", 1: "the settings are wrong"},
    arguments=_arguments,
    run=lambda arguments: house(arguments.socket, arguments.config),
)
