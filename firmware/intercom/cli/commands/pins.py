# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom pins`: where everything is wired, and what the boot loader has to know of it."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command
from intercom.cli.terminal import paint_for, table
from intercom.config.gpio_pins import HEADER
from intercom.config.model import Config

_PLACES = {bcm: place for place, bcm in HEADER.items()}
_OPPOSITE = {"high": "low", "low": "high"}


@dataclass(frozen=True, slots=True)
class Wired:
    """One pin that the configuration names."""

    use: str
    pin: str
    """"GPIO17"."""
    output: bool
    rest: str
    """The level at which nothing happens: "high" or "low"."""


def pins(path: Path, *, boot: bool) -> int:
    """Show the pins of a configuration, or what belongs into config.txt. Raises ConfigError."""
    from intercom.config.loader import load  # noqa: PLC0415  (reads TOML)

    found = list(wired(load(path, in_service=False)))
    if boot:
        print("\n".join(boot_lines(found)))
    else:
        rows = [
            [one.use, one.pin, str(_PLACES.get(int(one.pin[4:]), "-")), "out" if one.output else "in", one.rest]
            for one in found
        ]
        print("\n".join(table(("use", "pin", ">header pin", "direction", "at rest"), rows, paint_for(sys.stdout))))
    return 0


def wired(config: Config) -> Iterator[Wired]:
    """Yield every pin of a configuration. Keypads scan theirs, so they have no level at rest and are left out."""
    for button in config.buttons:
        yield Wired(f"button {button.key}", button.pin, False, "high" if button.pull == "up" else "low")
    shut = {"closed": "low", "open": "high"}
    for door in config.doors:
        yield Wired(f"strike {door.key}", door.strike_pin, True, _OPPOSITE[door.active])
        if door.exit_pin:
            yield Wired(f"exit button {door.key}", door.exit_pin, False, "high")
        if door.contact_pin:
            yield Wired(f"contact {door.key}", door.contact_pin, False, shut[door.contact_shut])
    for tamper in config.tampers:
        yield Wired(f"tamper {tamper.key}", tamper.pin, False, shut[tamper.shut])
    if config.lamp is not None:
        lamp = config.lamp
        for name, pin in (("", lamp.pin), (" red", lamp.red), (" green", lamp.green), (" blue", lamp.blue)):
            if pin:
                yield Wired(f"lamp{name}", pin, True, _OPPOSITE[lamp.active])


def boot_lines(found: list[Wired]) -> Iterator[str]:
    """Yield what config.txt has to say: outputs at rest from power-on. A comment needs a line of its own there."""
    for one in found:
        if one.output:
            yield f"# {one.use}: an output at its safe level"
            yield f"gpio={one.pin.removeprefix('GPIO')}=op,{'dl' if one.rest == 'low' else 'dh'}"
    yield "# a line whose program died becomes an input again, instead of keeping its level"
    yield "dtparam=strict_gpiod"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--boot", action="store_true", help="print what belongs into /boot/firmware/config.txt")
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="show where everything is wired",
    more="The configuration's pins: places on the 40-pin header, and the level at which nothing happens.",
    examples=("intercom pins", "intercom pins --boot"),
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: pins(arguments.config, boot=arguments.boot),
)
