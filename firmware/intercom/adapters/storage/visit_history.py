# SPDX-License-Identifier: GPL-2.0-or-later
"""The last visits, in a file that outlives a journal that is kept in memory (systemd/journald.conf).

One line of JSON for each, so a visit costs a memory card one block. A line that the power cut through is passed over.
"""

import json
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from intercom.adapters.storage.writer import Storage
from intercom.process.whole_files import read, replace

KEPT = 500
"""Visits; twice as many stand in the file before it is made anew with the last of them."""
LONGEST = 8 << 20
"""Bytes; whatever is longer is not ours."""
Record = dict[str, Any]


class VisitHistory:
    """A place for final records. A thread writes them, because a memory card may take its time."""

    def __init__(self, path: Path, *, kept: int = KEPT, holds: str = "visit", storage: Storage | None = None) -> None:
        """Keep them at `path`, in a folder that is there and is ours. Each record has a text in the field `holds`.

        `storage` tells what cannot be written.
        """
        self._storage = storage or Storage()
        self._unwritten: deque[str] = deque(maxlen=2 * KEPT)
        self._path, self._kept, self._holds = path, kept, holds
        self._thread = ThreadPoolExecutor(1, "diary")
        self._lines = 0

    def keep(self, record: Record) -> None:
        """Have a record written; return at once. What cannot be written is told, and tried again."""
        self._unwritten.append(json.dumps(record, default=str))
        self._thread.submit(self._storage.carry_out, self._path, self._write)

    def close(self) -> None:
        """Wait until the last one is written."""
        self._thread.shutdown(wait=True)

    def load(self) -> list[Record]:
        """Return the last records, the oldest first; none where nothing can be read."""
        try:
            lines = read(self._path, LONGEST).splitlines()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            print(f"intercom: earlier visits cannot be read: {self._path}: {error}", file=sys.stderr)
            return []
        self._lines = len(lines)
        found = (record for line in lines if (record := _parsed(line, self._holds)) is not None)
        return list(deque(found, maxlen=self._kept))

    def _write(self) -> None:
        """Write all that has not been written yet. Raises OSError."""
        while self._unwritten:
            line = self._unwritten[0]
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "r+b") as file:  # noqa: PTH123  (a descriptor, because of its flags)
                # After a line that was cut through, begin another.
                end = file.seek(0, os.SEEK_END)
                torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
                file.write((b"\n" if torn else b"") + line.encode() + b"\n")
                file.flush()
                os.fsync(descriptor)
            self._unwritten.popleft()
            self._lines += 1
            if self._lines > 2 * self._kept:
                self._shorten()

    def _shorten(self) -> None:
        """Put a file with the last records in its place."""
        kept = self.load()
        replace(self._path, "".join(f"{json.dumps(record)}\n" for record in kept).encode(), lasting=True)
        self._lines = len(kept)


def _parsed(line: bytes, holds: str) -> Record | None:
    """Return the record in a line; None where it is none of ours."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get(holds), str) and isinstance(found.get("at"), int | float)
    return found if whole else None
