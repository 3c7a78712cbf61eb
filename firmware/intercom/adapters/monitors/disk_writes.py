# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door's two processes write to disks: a memory card wears out by it, so a day's worth is a health value."""

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from intercom.process.disk_io import own_bytes

HOUR_S, HOURS = 3600.0, 24


class DiskWrites:
    """Adds them up."""

    def __init__(
        self,
        engine: Callable[[], int] = lambda: 0,
        *,
        own: Callable[[], int] = own_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count from now on; `engine` tells what the voice engines have written so far."""
        self._engine, self._own, self._clock = engine, own, clock
        self._marks = deque([(clock(), self.total())], maxlen=HOURS + 1)
        """When, and the total then: one an hour."""

    def total(self) -> int:
        """Return the bytes since the daemon's start."""
        return self._own() + self._engine()

    def day(self) -> tuple[int, float]:
        """Return the bytes of the last day, or since the start where that is less, and how many seconds that is."""
        now, total = self._clock(), self.total()
        while now - self._marks[-1][0] >= HOUR_S:
            self._marks.append((self._marks[-1][0] + HOUR_S, total))
        recent = [mark for mark in self._marks if now - mark[0] <= HOURS * HOUR_S]
        at, then = recent[0] if recent else self._marks[-1]
        return total - then, now - at


def folder_bytes(folder: Path) -> int:
    """Return how much the files of a folder hold; what goes away meanwhile counts nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(path, name).lstat().st_size
            except OSError:
                continue
    return total
