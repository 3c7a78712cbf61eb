# SPDX-License-Identifier: GPL-2.0-or-later
"""What a receiver has yet to be told: every record in its order, and the newest status.

A record stays at the head until its receiver has taken it. So the one that was in flight when a broker or a web server
died is told again: each at least once, and in order.
"""

import asyncio
from collections import deque
from typing import Any

KEPT = 500
"""Records that are kept for a receiver that cannot be reached; then the oldest goes."""
LEAST_S = 1.0
"""The shortest wait between two tries, in seconds."""


class Outbox:
    """Records and status for one receiver."""

    def __init__(self) -> None:
        self._records: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self.status: dict[str, Any] | None = None
        """The daemon's newest status; None while it does not answer."""
        self.followed = False
        """Whether it is known yet whether the daemon answers."""
        self.lost = 0
        """Records that were dropped because there were too many."""

    def add(self, status: dict[str, Any] | None, records: list[dict[str, Any]]) -> None:
        """Take what the daemon has told."""
        self.status, self.followed = status, True
        for record in records:
            if len(self._records) >= KEPT:
                self._records.popleft()
                self.lost += 1
            self._records.append(record)
        self._news.set()
        if records:
            self._urgent.set()

    @property
    def head(self) -> dict[str, Any] | None:
        """The record that is to be told next."""
        return self._records[0] if self._records else None

    def done(self, record: dict[str, Any]) -> None:
        """Forget a record: it was taken, or never will be."""
        if self._records and self._records[0] is record:
            self._records.popleft()

    def look_again(self) -> None:
        """Have `changed` return, though the daemon has told nothing new."""
        self._news.set()

    async def changed(self) -> None:
        """Await something new; what was new before the last call is not."""
        await self._news.wait()
        self._news.clear()

    async def pause(self, seconds: float) -> None:
        """Wait before the next try; a record that comes meanwhile ends it, after `LEAST_S` at the earliest."""
        least = min(seconds, LEAST_S)
        self._urgent.clear()
        await asyncio.sleep(least)
        try:
            await asyncio.wait_for(self._urgent.wait(), seconds - least)
        except TimeoutError:
            return
