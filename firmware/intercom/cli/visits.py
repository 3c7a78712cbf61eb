# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom visits`: who rang, who answered, how quickly, and how it ended."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from intercom.cli.client import granted
from intercom.cli.command import Command, UsageError, count
from intercom.cli.screen import Paint, paint_for, table
from intercom.errors import IntercomError

HEADS = ("time", "button", "whom", ">to ring ms", ">to talk ms", ">talked s", "outcome")


def visits(socket: Path, since: str | None, limit: int, *, as_json: bool) -> int:
    """Show the last `limit` visits, the newest at the bottom. Raises ValueError for a bad `since`."""
    found = list(islice(_recorded(since) or _remembered(socket, since), limit))
    if as_json:
        print(json.dumps(found[::-1], indent=2))
    elif found:
        print("\n".join(rows(found[::-1], paint_for(sys.stdout))))
    else:
        print("no visits")
    return 0


def rows(records: Sequence[dict[str, Any]], paint: Paint) -> list[str]:
    """Return the table of final records, in their order."""
    return table(HEADS, [_row(record) for record in records], paint)


def _row(record: dict[str, Any]) -> list[str]:
    line = record.get("timeline")
    moments = line if isinstance(line, dict) else {}
    at = record.get("at")
    return [
        f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}" if isinstance(at, int | float) else "",
        str(record.get("button", "")) or "(called)",
        str(record.get("target", "")),
        _number(moments.get("ringing"), 0),
        _number(moments.get("answered"), 0),
        _number(record.get("talked_s") or None, 1),
        str(record.get("outcome", "")),
    ]


def _number(value: object, decimals: int) -> str:
    return f"{value:.{decimals}f}" if isinstance(value, int | float) else ""


def _recorded(since: str | None) -> Iterator[dict[str, Any]] | None:
    """Return the visits that journald keeps, the newest first; None where there are none to be read."""
    from intercom.adapters import journal  # noqa: PLC0415  (only this command pays for libsystemd)

    if not journal.SOCKET.exists():
        return None
    try:
        found = journal.read_visits(since)
        first = next(found, None)
    except OSError:
        return None
    return None if first is None else (record for part in ([first], found) for record in part)


def _remembered(socket: Path, since: str | None) -> Iterator[dict[str, Any]]:
    """Yield the visits since the daemon's start, the newest first: a journal may be missing, or closed to us."""
    from intercom.adapters.since import moment  # noqa: PLC0415  (as above)

    oldest = moment(since, datetime.now().astimezone()).timestamp() if since else 0.0
    kept = granted(socket, {"do": "visits"})["visits"]
    yield from (record for record in kept if record.get("at", 0.0) >= oldest)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="WHEN", help='"today", "2h", "3 days ago", "2026-03-01 14:02"')
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("-n", dest="limit", type=count, default=20, metavar="N", help="how many, default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    try:
        return visits(arguments.socket, arguments.since, arguments.limit, as_json=arguments.json)
    except ValueError as error:
        if isinstance(error, IntercomError):
            raise
        raise UsageError(str(error)) from error


COMMAND = Command(
    purpose="what happened at the door",
    examples=("intercom visits", "intercom visits --since yesterday -n 5"),
    arguments=_arguments,
    run=_run,
)
