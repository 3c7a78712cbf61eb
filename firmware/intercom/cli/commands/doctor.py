# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom doctor`: looks at everything in order, and says of the first broken thing what to do."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intercom import paths
from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.doctor_checks.finding import Finding, Health
from intercom.cli.terminal import BAD, BOLD, DIM, GOOD, WARN, Paint, paint_for
from intercom.control.client import granted
from intercom.core.events import Event
from intercom.errors import ControlError, IntercomError

MARKS = {
    Health.WELL: ("ok", GOOD),
    Health.UNWISE: ("better", WARN),
    Health.BROKEN: ("BROKEN", BAD),
    Health.SKIPPED: ("-", DIM),
}
UNWISE_EXIT = 4


def doctor(socket: Path, config: Path, *, echo: str = "", offline: bool = False) -> int:
    """Look at everything; return 1 when something is broken, 4 when something should be better."""
    paint = paint_for(sys.stdout)
    found: list[Finding] = []
    for finding in _findings(socket, config, echo, offline=offline):
        found.append(finding)
        print(_told(finding, paint), flush=True)
    worst = next((one for one in found if one.health is Health.BROKEN), None)
    worst = worst or next((one for one in found if one.health is Health.UNWISE), None)
    print()
    if worst is None:
        print(f"{paint('All is well.', GOOD)}")
        return 0
    print(f"{paint('First of all:', BOLD)} {printable(worst.sentence())}")
    return 1 if worst.health is Health.BROKEN else UNWISE_EXIT


def _findings(socket: Path, path: Path, echo: str, *, offline: bool) -> Iterator[Finding]:
    from intercom.adapters.monitors.host import Machine  # noqa: PLC0415  (none of these is loaded to complete a command)
    from intercom.cli.doctor_checks import account as account_checks  # noqa: PLC0415
    from intercom.cli.doctor_checks import host  # noqa: PLC0415

    config, found = host.configuration(path)
    yield from found
    status, why = _status(socket)
    yield host.daemon(status, why)
    yield host.telephone(status, datetime.now(tz=UTC).date())
    readings = Machine(_ignore).readings()
    if config is not None:
        yield from host.pins(config, status)
        yield host.card(config, status)
        yield host.mixer(config)
        for account in () if offline else config.accounts:
            yield from account_checks.checks(account, config.network.bind, echo)
    yield host.clock(readings)
    yield host.disk(readings)
    yield host.supply(readings)


def _ignore(_event: Event, _at: float | None = None) -> None:
    """Nobody is told: the daemon watches for itself."""


def _status(socket: Path) -> tuple[dict[str, Any] | None, str]:
    """Return what the daemon says of itself; None and why when there is none to ask."""
    try:
        return granted(socket, {"do": "status"})["status"], ""
    except ControlError as error:
        return None, str(error).partition(":")[0]
    except IntercomError as error:
        return None, str(error)


def _told(finding: Finding, paint: Paint) -> str:
    word, colour = MARKS[finding.health]
    return f"{paint(f'{word:<6}', colour)}  {finding.what:<18} {printable(finding.seen)}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--echo",
        default="",
        metavar="NUMBER",
        help="call the service's echo number, and hear whether sound goes both ways",
    )
    parser.add_argument("--offline", action="store_true", help="leave the network out")


COMMAND = Command(
    purpose="what is broken, and what to do about it",
    more=(
        "Looks at configuration, daemon, pins, card, mixer, names, servers, certificates, logins, addresses, sound, "
        "clock, disk and supply, in this order. "
        "What the running daemon owns it asks the daemon for, and no registration is touched. "
        "Run it as root, or as a member of the group intercom."
    ),
    examples=("sudo intercom doctor", "sudo intercom doctor --echo 600", "sudo intercom doctor --offline"),
    exits={
        0: "all is well",
        1: "something is broken",
        UNWISE_EXIT: "nothing is broken, but something should be better",
    },
    arguments=_arguments,
    run=lambda arguments: doctor(arguments.socket, arguments.config, echo=arguments.echo, offline=arguments.offline),
)
