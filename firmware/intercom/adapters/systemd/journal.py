# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd.journal: records with fields, written to journald and read back.

libsystemd waits for ever when journald's queue is full, with Python's one lock in its hand, and drops a record in
silence when there is no journald. Both would be worst when everything else goes wrong too, so each record is preceded
by a look at the queue: full means to keep the record for later, gone means standard error.
"""

import contextlib
import json
import math
import select
import socket
import sys
from collections import deque
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from systemd import journal

from intercom.adapters.systemd.conditions import message_id, message_ids
from intercom.adapters.systemd.records import TABLE, Priority, printable, sentence
from intercom.adapters.systemd.time_spec import moment
from intercom.core.commands import Kind, Report

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "intercom"
KEPT = 1000
"""Records kept while journald does not read; then the oldest go."""
_NUMBERS = frozenset({"code", "left", "lasted_s", "took_ms", "expires_s", "total_ms", "talked_s", "pulse_s"})
"""Fields that are numbers when they are read back. A caller named 0201 is none."""


_GROUPS = frozenset({"timeline", "sound"})
"""Fields that hold several numbers, each with its name."""


class StderrJournal:
    """Where there is no journald: one line per record on standard error."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard error unless told otherwise."""
        self._stream = stream

    def record(self, report: Report) -> None:
        """Write one record. Never raises."""
        fields = {name: _plain(value) for name, value in report.fields.items() if value != ""}
        self.log(TABLE[report.kind].priority, _with_fields(sentence(report), fields))

    def log(self, level: int, text: str) -> None:
        """Write a line that is no record of ours; standard error has no levels. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            print(printable(text), file=self._stream or sys.stderr, flush=True)


class Journal:
    """journald."""

    def __init__(self) -> None:
        """Connect to nothing yet: journald is looked for at every record, since it may be restarted."""
        self._kept: deque[tuple[str, dict[str, str]]] = deque(maxlen=KEPT)
        self._stderr = StderrJournal()

    def record(self, report: Report) -> None:
        """Write one record with all its fields. Never raises and never waits."""
        if not self._kept and _room() is None:
            self._stderr.record(report)
            return
        try:
            entry = TABLE[report.kind]
            fields = {"MESSAGE_ID": message_id(report), "PRIORITY": str(int(entry.priority))}
            self._send(sentence(report), {**fields, "INTERCOM_KIND": report.kind.value, **_fields(report)})
        except Exception as error:  # noqa: BLE001  (a door without a journal is still a door)
            self._stderr.log(Priority.ERROR, f"not recorded: {report.kind}: {error!r}")

    def log(self, level: int, text: str) -> None:
        """Write a line that is no record of ours. `level` is a syslog priority. Never raises and never waits."""
        try:
            self._send(text, {"PRIORITY": str(int(level))})
        except Exception:  # noqa: BLE001  (as above)
            self._stderr.log(level, text)

    def _send(self, message: str, fields: dict[str, str]) -> None:
        self._kept.append((message, fields))
        while self._kept:
            room = _room()
            if room is False:
                return
            text, more = self._kept.popleft()
            if room:
                journal.send(text, SYSLOG_IDENTIFIER=IDENTIFIER, **more)
            else:
                self._stderr.log(int(more["PRIORITY"]), _with_fields(text, more))


def read_visits(since: str | None = None, path: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the final records of visits out of journald, the newest first; the rest is as in `read_records`."""
    for record in read_records((Kind.VISIT_ENDED,), since, path):
        del record["kind"]
        yield record


def read_records(
    kinds: Collection[Kind], since: str | None = None, path: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield our records of some kinds out of journald, the newest first.

    Each has the report's fields, lower case, "kind", and "at", seconds of the wall clock. `since` is the oldest moment
    wanted (`since.moment`), `path` a folder of journal files instead of the system's. Raises ValueError for a bad
    `since`, and OSError when the journal cannot be read.
    """
    oldest = moment(since, datetime.now().astimezone()).timestamp() if since else -math.inf
    with journal.Reader(path=path) as reader:
        for number in frozenset().union(*map(message_ids, kinds)):
            reader.add_match(MESSAGE_ID=number)
        reader.seek_tail()
        while entry := reader.get_previous():
            at = entry["__REALTIME_TIMESTAMP"].timestamp()
            if at < oldest:
                return
            yield {**_read_back(entry), "at": at}


def _room() -> bool | None:
    """Return whether journald takes a record now; None when there is no journald."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(SOCKET))
        except OSError:
            return None
        poll = select.poll()
        # A datagram socket is writable while the queue at the other end is not full.
        poll.register(probe, select.POLLOUT)
        return bool(poll.poll(0))


def _fields(report: Report) -> dict[str, str]:
    """Return a report's fields as journald takes them: A-Z, 0-9 and _, not longer than 64."""
    fields: dict[str, str] = {}
    for name, value in report.fields.items():
        if isinstance(value, dict):
            for moment_name, ms in value.items():
                fields[_name(f"MS_{moment_name}")] = _plain(ms)
        if value != "":
            fields[_name(name)] = _plain(value)
    return fields


def _name(name: str) -> str:
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    return f"INTERCOM_{cleaned.upper()}"[:64]


def _with_fields(text: str, fields: dict[str, str]) -> str:
    return f"{text}  {{{' '.join(f'{name}={value}' for name, value in fields.items())}}}" if fields else text


def _plain(value: object) -> str:
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    # Half a surrogate pair is no text to journald.
    return text.encode(errors="backslashreplace").decode()


def _read_back(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a record's fields as they were reported, as far as they can be understood."""
    fields: dict[str, Any] = {}
    for name, value in entry.items():
        key = name.removeprefix("INTERCOM_").lower()
        if not name.startswith("INTERCOM_") or key.startswith("ms_") or not isinstance(value, str):
            continue
        fields[key] = value
        if key in _NUMBERS or key in _GROUPS:
            with contextlib.suppress(ValueError):
                fields[key] = json.loads(value)
    return fields
