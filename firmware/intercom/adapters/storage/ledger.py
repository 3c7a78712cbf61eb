# SPDX-License-Identifier: GPL-2.0-or-later
"""Uses of codes and lock-outs, in a file that outlives a loss of power.

Instants are CLOCK_MONOTONIC of one boot, and a Pi has no other clock that can be trusted at once. So what is left of a
lock-out goes on from the start of the next boot: pulling the plug never shortens it. What is left is written down at
each start, at each orderly end, and every few hours, so that no boot begins it anew.
"""

import asyncio
import json
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intercom.adapters.storage.visit_snapshot import BOOT_ID
from intercom.adapters.storage.writer import Storage
from intercom.core.door_state import AccessLedger, FailedAttempts
from intercom.core.rules import What
from intercom.process.whole_files import read

FORMAT = 2
LONGEST = 1 << 20
"""Bytes; whatever is longer is not ours."""
LONGEST_S = 100 * 86400.0
"""No instant of an account is further away than this."""
SETTLE_S = 6 * 3600.0
"""How often what is left is dated anew, while there is something: so much a loss of power adds to it at the most."""


class LedgerStore:
    """A place for one ledger. A thread writes it, because a memory card may take its time; the newest one wins."""

    def __init__(
        self,
        path: Path,
        *,
        boot_id: Path = BOOT_ID,
        clock: Callable[[], float] = time.monotonic,
        storage: Storage | None = None,
    ) -> None:
        """Keep it at `path`, in a folder that is there and is ours; `storage` tells what cannot be written."""
        self._storage = storage or Storage()
        self._path, self._clock = path, clock
        self._boot = boot_id.read_text().strip() if boot_id.exists() else ""
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._newest: AccessLedger | None = None
        self._kept = AccessLedger()
        """What is written, or will be."""

    def keep(self, ledger: AccessLedger) -> None:
        """Have a ledger written; return at once. What cannot be written is told."""
        self._newest = self._kept = ledger
        self._thread.submit(self._write)

    def settle(self) -> None:
        """Date what is left anew, where anything is: the next boot goes on from there."""
        if self._kept.tries:
            self.keep(self._kept)

    async def run(self) -> None:
        """Settle now and then, for ever."""
        while True:
            await asyncio.sleep(SETTLE_S)
            self.settle()

    def close(self) -> None:
        """Settle, and wait until that is written."""
        self.settle()
        self._thread.shutdown(wait=True)

    def load(self) -> AccessLedger:
        """Return what the daemon before this one left behind, in instants of this boot; empty where nothing is.

        It is dated anew at once, so that each boot goes on where the one before was, and not where an account began.
        """
        try:
            self._kept = self._parse(json.loads(read(self._path, LONGEST)))
        except FileNotFoundError:
            return AccessLedger()
        except (OSError, ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
            print(f"intercom: uses of codes and lock-outs are forgotten: {self._path}: {error}", file=sys.stderr)
            return AccessLedger()
        self.settle()
        return self._kept

    def _write(self) -> None:
        ledger, self._newest = self._newest, None
        if ledger is None:
            return  # one that came later has been written already
        note = {"format": FORMAT, "boot": self._boot, "at": self._clock(), **_plain(ledger)}
        self._storage.replace(self._path, json.dumps(note).encode(), lasting=True)

    def _parse(self, note: dict[str, Any]) -> AccessLedger:
        """Return what a note says. Raises ValueError, TypeError, LookupError or OverflowError."""
        if note["format"] not in (1, FORMAT):
            raise ValueError("of another version")
        uses = tuple((str(mark), int(used)) for mark, used in note["uses"])
        now = self._clock()
        shift = 0.0 if self._boot and note["boot"] == self._boot else now - _instant(note["at"])

        def moved(instant: Any) -> float:
            return min(_instant(instant) + shift, now + LONGEST_S)

        if note["format"] == 1:
            # Counted in another way, and for all kinds of entries together; a lock-out goes on until it is over.
            locked = [(str(one["name"]), moved(one["locked_until"])) for one in note["tries"]]
            ends = [(name, until) for name, until in locked if until > now]
            return AccessLedger(
                uses, tuple(FailedAttempts(name, what, locked_until=until) for name, until in ends for what in What)
            )
        return AccessLedger(
            uses,
            tuple(
                FailedAttempts(
                    str(one["name"]),
                    What(one["what"]),
                    tuple(moved(at) for at in one["whole_at"]),
                    moved(one["locked_until"]),
                    moved(one["noticed"]),
                    None if one["guessing_until"] is None else moved(one["guessing_until"]),
                    moved(one["slipped"]),
                )
                for one in note["tries"]
            ),
        )


def _plain(ledger: AccessLedger) -> dict[str, Any]:
    """Return a ledger as JSON can tell it."""
    return {
        "uses": ledger.uses,
        "tries": [{**asdict(one), "what": one.what.value} for one in ledger.tries],
    }


def _instant(value: Any) -> float:
    instant = float(value)
    if not math.isfinite(instant):
        raise ValueError(f"no instant: {value!r}")
    return instant
