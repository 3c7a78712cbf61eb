"""A real systemd-journald in our private /run, and its records as they arrive.

Needs `namespace.enter()`: the socket of a journald has one fixed place in the file system.
A record is found within about 0.1 s; its own time stamps are exact.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from systemd import journal

from lab.processes import LabError, Process, start, wait_until

PROGRAMME = Path("/lib/systemd/systemd-journald")
SOCKET = Path("/run/systemd/journal/socket")
STORE = Path("/run/log/journal")
SETTINGS = """\
[Journal]
Storage=volatile
ReadKMsg=no
Audit=no
RateLimitIntervalSec=0
RateLimitBurst=0
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
"""

Record = dict[str, Any]


class Journald:
    """The journal of this test run."""

    def __init__(self, log_dir: Path) -> None:
        if SOCKET.exists():
            raise LabError(f"{SOCKET} exists: another journald owns this /run; enter the namespace first")
        settings = Path("/run/systemd/journald.conf.d/lab.conf")
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(SETTINGS)
        # Containers sometimes have an empty one.
        if not _text("/etc/machine-id"):
            raise LabError("journald needs /etc/machine-id: run systemd-machine-id-setup once")
        self.process: Process = start("journald", [PROGRAMME], log_dir)
        wait_until(self._accepts, 5, "journald accepts records", self.process)

    @staticmethod
    def _accepts() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect(str(SOCKET))
            return STORE.is_dir()
        return False

    def records(self, since: float | None = None, **match: str | int) -> list[Record]:
        """All records with these fields (`SYSLOG_IDENTIFIER="intercom"`), oldest first.

        `since` is a wall clock time, seconds.
        """
        with self._reader(since, match) as reader:
            return list(reader)

    def await_record(
        self,
        predicate: Callable[[Record], object],
        seconds: float,
        since: float | None = None,
        **match: str | int,
    ) -> Record:
        """The first record that pleases, be it already there or still to come."""
        deadline = time.monotonic() + seconds
        seen: list[str] = []
        with self._reader(since, match) as reader:
            while True:
                for entry in reader:
                    record: Record = entry
                    if predicate(record):
                        return record
                    seen.append(f"{record.get('SYSLOG_IDENTIFIER', '?')}: {record.get('MESSAGE', '')}")
                left = deadline - time.monotonic()
                if left <= 0:
                    tail = "\n".join(seen[-25:]) or "(none)"
                    raise LabError(f"no such record within {seconds:g} s; the journal's last:\n{tail}")
                # Blocks on the journal's inotify descriptor; short turns, because records can be read
                # well before journald tells of them.
                reader.wait(min(left, 0.1))

    @contextlib.contextmanager
    def _reader(self, since: float | None, match: dict[str, str | int]) -> Iterator[journal.Reader]:
        with journal.Reader(path=str(STORE)) as reader:
            for field, value in match.items():
                reader.add_match(f"{field}={value}")
            if since is not None:
                reader.seek_realtime(since)
            reader.get_events()  # so that nothing can come between reading and waiting
            yield reader

    def stop(self) -> None:
        """End it; the records remain readable until /run goes."""
        self.process.stop()
        with contextlib.suppress(OSError):
            SOCKET.unlink()


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip()
    return ""
