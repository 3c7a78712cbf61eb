# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom house`: tells the house what happens at the door, by MQTT and webhooks."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.cli.command import Command
from intercom.errors import ConfigError

if TYPE_CHECKING:
    from intercom.integrations.settings import Settings

SETTINGS = Path("/etc/intercom/house.toml")


def house(socket: Path, path: Path) -> int:
    """Tell, until told to stop. Raises ConfigError with all that is wrong with the settings."""
    import asyncio  # noqa: PLC0415  (only this command tells anybody)

    from intercom.integrations.follower import Told, bridge  # noqa: PLC0415
    from intercom.integrations.webhooks import Caller  # noqa: PLC0415

    wanted = _settings(path)
    told: list[Told] = [Caller(webhook) for webhook in wanted.webhooks]
    if wanted.mqtt is not None:
        from intercom.integrations.mqtt import MqttPublisher  # noqa: PLC0415  (a library of its own)

        told.append(MqttPublisher(wanted.mqtt, socket))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(bridge(socket, told))
    return 0


def forget(path: Path) -> int:
    """Take back what the broker has retained of this door, and so what Home Assistant knows of it."""
    import asyncio  # noqa: PLC0415

    wanted = _settings(path)
    if wanted.mqtt is None:
        print("there is no [mqtt]: nothing was ever announced")
        return 0
    from intercom.integrations import mqtt  # noqa: PLC0415

    asyncio.run(mqtt.forget(wanted.mqtt))
    print(f"nothing of this door is left at {wanted.mqtt.server}")
    return 0


def _settings(path: Path) -> "Settings":
    from intercom.adapters.instance import MACHINE_ID, at_brokers  # noqa: PLC0415
    from intercom.integrations import settings  # noqa: PLC0415

    wanted = settings.load(path, identity := at_brokers())
    if wanted.mqtt is not None and not identity:
        hint = "sudo systemd-machine-id-setup"
        raise ConfigError([f"{MACHINE_ID}: this machine has no id, by which a broker tells doors apart: {hint}"])
    return wanted


def _run(arguments: argparse.Namespace) -> int:
    if arguments.check:
        _settings(arguments.config)
        print(f"{arguments.config}: nothing is wrong with it")
        return 0
    return forget(arguments.config) if arguments.forget else house(arguments.socket, arguments.config)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=SETTINGS, metavar="FILE", help="default: %(default)s")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="only say whether FILE is right")
    instead.add_argument(
        "--forget", action="store_true", help="take back all that the broker retains of this door, and end"
    )


COMMAND = Command(
    purpose="tell the house: MQTT, Home Assistant, webhooks",
    more=(
        "A process beside the daemon, so that no broker can hold the door up. It is off until there is a "
        "house.toml and `systemctl enable --now intercom-house`."
    ),
    examples=("intercom house --config house.toml", "sudo intercom house --forget"),
    exits={0: "told to stop, or done", 1: "the settings are wrong, or the broker does not let it forget"},
    arguments=_arguments,
    run=_run,
)
