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

KEPT = 500
"""Visits; twice as many stand in the file before it is made anew with the last of them."""
LONGEST = 8 << 20
"""Bytes; whatever is longer is not ours."""
Record = dict[str, Any]


class Diary:
    """A place for final records. A thread writes them, because a memory card may take its time."""

    def __init__(self, path: Path, *, kept: int = KEPT, holds: str = "visit") -> None:
        """Keep them at `path`, in a folder that is there and is ours. Each record has a text in the field `holds`."""
        self._path, self._kept, self._holds = path, kept, holds
        self._thread = ThreadPoolExecutor(1, "diary")
        self._lines = 0
        self._complained = False

    def keep(self, record: Record) -> None:
        """Have a record written; return at once. What cannot be written is told on stderr, once."""
        self._thread.submit(self._write, json.dumps(record, default=str))

    def close(self) -> None:
        """Wait until the last one is written."""
        self._thread.shutdown(wait=True)

    def load(self) -> list[Record]:
        """Return the last records, the oldest first; none where nothing can be read."""
        try:
            with self._path.open("rb") as file:
                lines = file.read(LONGEST).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            print(f"intercom: earlier visits cannot be read: {self._path}: {error}", file=sys.stderr)
            return []
        self._lines = len(lines)
        found = (record for line in lines if (record := _parsed(line, self._holds)) is not None)
        return list(deque(found, maxlen=self._kept))

    def _write(self, line: str) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "r+b") as file:  # noqa: PTH123  (a descriptor, because of its flags)
                # After a line that was cut through, begin another.
                end = file.seek(0, os.SEEK_END)
                torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
                file.write((b"\n" if torn else b"") + line.encode() + b"\n")
                file.flush()
                os.fsync(descriptor)
            self._lines += 1
            if self._lines > 2 * self._kept:
                self._shorten()
        except OSError as error:
            if not self._complained:
                print(f"intercom: visits would not survive: {self._path}: {error}", file=sys.stderr)
            self._complained = True

    def _shorten(self) -> None:
        """Put a file with the last records in its place."""
        kept = self.load()
        fresh = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  (as above)
            file.writelines(f"{json.dumps(record)}\n" for record in kept)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self._path)
        self._lines = len(kept)


def _parsed(line: bytes, holds: str) -> Record | None:
    """Return the record in a line; None where it is none of ours."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get(holds), str) and isinstance(found.get("at"), int | float)
    return found if whole else None
