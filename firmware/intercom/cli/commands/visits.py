# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom visits`: who rang, who answered, how quickly, and how it ended."""

import argparse
import contextlib
import heapq
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from intercom import paths
from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command, UsageError, count
from intercom.cli.terminal import DIM, Paint, paint_for, table
from intercom.control.client import granted
from intercom.core.commands import Kind
from intercom.core.events import SoundCheckKind
from intercom.errors import ControlError, IntercomError

Record = dict[str, Any]
HEADS = ("time", "button", "whom", ">to ring ms", ">to talk ms", ">talked s", "outcome")
SHOWN = 20
TROUBLES = (Kind.CONDITION_BEGAN, Kind.CONDITION_ENDED, Kind.STARTED)
"""What outages are made of: a start ends those before it."""
REPORTED = "30 days"
"""What a report is about unless told otherwise."""


def visits(socket: Path, since: str | None, limit: int, *, as_json: bool, histogram: bool = False) -> int:
    """Show the last `limit` visits, the newest at the bottom. Raises ValueError for a bad `since`."""
    found = list(islice(_known(socket, since), limit))[::-1]
    paint = paint_for(sys.stdout)
    if as_json:
        print(json.dumps(found, indent=2))
    elif found:
        print("\n".join([*rows(found, paint), *_summary(found, paint, histogram=histogram)]))
    else:
        print("no visits")
    return 0


def doors(socket: Path, since: str | None, limit: int, *, as_json: bool) -> int:
    """Show who opened the doors, and who was locked out, the newest at the bottom; also without the daemon.

    Raises ValueError for a bad `since`, IntercomError when nothing can be read.
    """
    from intercom.adapters.storage.evidence import Evidence  # noqa: PLC0415  (only this needs it)
    from intercom.adapters.systemd.time_spec import moment  # noqa: PLC0415

    oldest = moment(since, datetime.now().astimezone()).timestamp() if since else 0.0
    try:
        kept = granted(socket, {"do": "evidence"})["evidence"]
    except ControlError as error:
        kept = Evidence(_readable_state(socket, error)).load()
    found = [record for record in kept if record["at"] >= oldest][-limit:]
    if as_json:
        print(json.dumps(found, indent=2))
    for record in found if not as_json else ():
        again = f" ({record['times']} times more)" if record.get("times") else ""
        at = datetime.fromtimestamp(record["at"]).astimezone()
        print(f"{at:%Y-%m-%d %H:%M:%S}  {printable(str(record.get('text', '')))}{again}")
    if not found and not as_json:
        print("nobody opened a door")
    return 0


def write_report(socket: Path, since: str | None, path: Path) -> int:
    """Write a report as a page into a file. Raises ValueError for a bad `since`."""
    from intercom.adapters.systemd.time_spec import moment  # noqa: PLC0415  (only this and the table's --since need it)
    from intercom.cli.report import page, statistics  # noqa: PLC0415

    now = time.time()
    began = moment(since or REPORTED, datetime.now().astimezone()).timestamp()
    found = list(_known(socket, since or REPORTED))[::-1]
    wrong = statistics.outages(_told(TROUBLES, since or REPORTED), now)
    tests = [test for test in _told((Kind.TRIAL_ENDED,), since or REPORTED) if test.get("trial") == SoundCheckKind.TEST]
    name = "The door"
    with contextlib.suppress(IntercomError, KeyError):  # a report of a door that is down is the one that is wanted most
        name = str(granted(socket, {"do": "status"})["status"]["name"])
    try:
        path.write_text(page.page(found, wrong, began, now, name, tests), encoding="utf-8")
    except OSError as error:
        raise IntercomError(f"{path}: {error.strerror}") from error
    print(f"{path}: {len(found)} visits, {len(wrong)} troubles")
    return 0


def rows(records: Sequence[Record], paint: Paint) -> list[str]:
    """Return the table of final records, in their order."""
    return table(HEADS, [row(record) for record in records], paint)


def row(record: Record) -> list[str]:
    """Return the cells of one final record."""
    line = record.get("timeline")
    moments = line if isinstance(line, dict) else {}
    at = record.get("at")
    return [
        f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}" if isinstance(at, int | float) else "",
        str(record.get("button", "")) or "(called)",
        str(record.get("shown") or record.get("target", "")),
        _number(moments.get("ringing"), 0),
        _number(moments.get("answered"), 0),
        _number(record.get("talked_s") or None, 1),
        str(record.get("outcome", "")),
    ]


def _summary(records: Sequence[Record], paint: Paint, *, histogram: bool) -> Iterator[str]:
    """Yield how quick they were, when there are several."""
    from intercom.cli.report import statistics  # noqa: PLC0415  (status, which shows the table too, does without)

    for name, moment in (("press to ring", "ringing"), ("press to talk", "answered")):
        values = [ms for _, ms in statistics.moments(records, moment)]
        if len(values) > 1:
            if moment == "ringing" or histogram:
                yield ""
            yield f"{paint(name, DIM)}  {statistics.told(values)}"
            yield from statistics.bars(values) if histogram else ()


def _number(value: object, decimals: int) -> str:
    return f"{value:.{decimals}f}" if isinstance(value, int | float) else ""


def _known(socket: Path, since: str | None) -> Iterator[Record]:
    """Yield the visits, the newest first: those of the journal, and those that only the daemon knows of.

    A journal may begin at the last start, have gaps, be missing, or closed to us. Raises IntercomError when there is
    neither.
    """
    recorded = _recorded(since)
    try:
        remembered = list(_remembered(socket, since))
    except IntercomError:
        if recorded is None:
            raise
        remembered = []
    seen = set()
    for record in heapq.merge(recorded or (), remembered, key=lambda record: -record.get("at", 0.0)):
        if record.get("visit") not in seen:
            seen.add(record.get("visit"))
            yield record


def _recorded(since: str | None) -> Iterator[Record] | None:
    """Return the visits that journald keeps, the newest first; None where there are none to be read."""
    from intercom.adapters.systemd import journal  # noqa: PLC0415  (only this command pays for libsystemd)

    if not journal.SOCKET.exists():
        return None
    try:
        found = journal.read_visits(since)
        first = next(found, None)
    except OSError:
        return None
    return None if first is None else (record for part in ([first], found) for record in part)


def _told(kinds: tuple[Kind, ...], since: str) -> list[Record]:
    """Return what journald keeps of some kinds, in the order in which it happened."""
    from intercom.adapters.systemd import journal  # noqa: PLC0415  (as above)

    try:
        return list(journal.read_records(kinds, since))[::-1] if journal.SOCKET.exists() else []
    except OSError:
        return []


def _remembered(socket: Path, since: str | None) -> Iterator[Record]:
    """Yield the visits of the door's own diary, the newest first: the daemon tells them, or without it its file."""
    from intercom.adapters.systemd.time_spec import moment  # noqa: PLC0415  (as above)

    oldest = moment(since, datetime.now().astimezone()).timestamp() if since else 0.0
    try:
        kept = granted(socket, {"do": "visits"})["visits"]
    except ControlError as error:
        from intercom.adapters.storage.visit_history import VisitHistory  # noqa: PLC0415  (only without the daemon)

        file = _readable_state(socket, error) / "visits"
        if not os.access(file, os.F_OK):
            raise
        kept = VisitHistory(file).load()[::-1]
    yield from (record for record in kept if record.get("at", 0.0) >= oldest)


def _readable_state(socket: Path, error: ControlError) -> Path:
    """Return the folder of the door's state. Raises ControlError, with why it is wanted, where we may not read it."""
    folder = paths.STATE if socket == paths.SOCKET else socket.parent
    if os.access(folder, os.R_OK | os.X_OK):
        return folder
    raise ControlError(f"{error}; and its own files in {folder} cannot be read: use sudo") from error


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="WHEN", help='"today", "2h", "3 days ago", "2026-03-01 14:02"')
    parser.add_argument(
        "-n", dest="limit", type=count, default=SHOWN, metavar="N", help="how many, default: %(default)s"
    )
    parser.add_argument("--histogram", action="store_true", help="show how quickly it rang, and was answered")
    parser.add_argument("--doors", action="store_true", help="who opened the doors, and who was locked out, instead")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help=f"write a page with plots; of {REPORTED} unless told otherwise"
    )


def _run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.html:
            return write_report(arguments.socket, arguments.since, arguments.html)
        if arguments.doors:
            return doors(arguments.socket, arguments.since, arguments.limit, as_json=arguments.json)
        show = {"as_json": arguments.json, "histogram": arguments.histogram}
        return visits(arguments.socket, arguments.since, arguments.limit, **show)
    except ValueError as error:
        if isinstance(error, IntercomError):
            raise
        raise UsageError(str(error)) from error


COMMAND = Command(
    purpose="what happened at the door",
    more="Out of the journal, and of the door's own diary where that reaches back farther. "
    "Milliseconds count from the press.",
    examples=(
        "intercom visits --since yesterday -n 5",
        "intercom visits --since '7 days' -n 1000 --histogram",
        "intercom visits --since '30 days' --html report.html",
        "intercom visits --doors --since yesterday",
    ),
    arguments=_arguments,
    run=_run,
)
