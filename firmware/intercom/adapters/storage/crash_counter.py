# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the daemon died soon after its start: a note beside the control socket, which outlives it, not the boot.

systemd starts a dead daemon again after a second, for ever, and before version 254 it cannot wait longer each time.
"""

import contextlib
import json
import time
from pathlib import Path

from intercom.adapters.storage.writer import Storage
from intercom.process.whole_files import read

_LONGEST = 256
"""Bytes; a longer note is none of ours."""
YOUNG_S = 60.0
"""A daemon that died sooner than this after its start has died young. The watchdog takes 20 s for one that is stuck."""


class CrashCounter:
    """The note of one daemon for the next."""

    def __init__(self, path: Path, storage: Storage | None = None) -> None:
        """Nothing is read or written yet. `storage` tells what cannot be written."""
        self._path, self._storage = path, storage or Storage()

    def begin(self, rest_s: tuple[float, ...]) -> int:
        """Note that a daemon starts; return how many in a row died young before it.

        `rest_s` says how long the n-th of them rests before it does anything that could kill it.
        """
        now = time.monotonic()
        young, at = self._read()
        rested_s = rest_s[min(young, len(rest_s) - 1)]
        young = young + 1 if at <= now < at + rested_s + YOUNG_S else 0
        # A full disk is no reason not to start; only the next count is lost.
        self._storage.replace(self._path, json.dumps({"young": young, "at": now}).encode())
        return young

    def end(self) -> None:
        """Note an orderly end: whoever restarts the service by hand waits for nothing."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _read(self) -> tuple[int, float]:
        """Return how many died young, and when the last one started; nobody ever, where there is no such note."""
        try:
            noted = json.loads(read(self._path, _LONGEST))
            return max(0, int(noted["young"])), float(noted["at"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return 0, float("-inf")
