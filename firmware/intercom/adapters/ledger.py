# SPDX-License-Identifier: GPL-2.0-or-later
"""Uses of codes and lock-outs, in a file that outlives a loss of power.

Instants are CLOCK_MONOTONIC of one boot, and a Pi has no other clock that can be trusted at once. So what is left of a
lock-out goes on from the start of the next boot: pulling the plug never shortens it.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from intercom.adapters.pending import BOOT_ID
from intercom.core.doorway import Ledger, Tries

FORMAT = 1
LONGEST = 1 << 20
"""Bytes; whatever is longer is not ours."""


class LedgerFile:
    """A place for one ledger. A thread writes it, because a memory card may take its time; the newest one wins."""

    def __init__(self, path: Path, *, boot_id: Path = BOOT_ID, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep it at `path`, in a folder that is there and is ours."""
        self._path, self._clock = path, clock
        self._fresh = path.with_name(f".{path.name}.new")
        self._boot = boot_id.read_text().strip() if boot_id.exists() else ""
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._newest: Ledger | None = None
        self._complained = False

    def keep(self, ledger: Ledger) -> None:
        """Have a ledger written; return at once. What cannot be written is told on stderr, once."""
        self._newest = ledger
        self._thread.submit(self._write)

    def close(self) -> None:
        """Wait until the last one is written."""
        self._thread.shutdown(wait=True)

    def load(self) -> Ledger:
        """Return what the daemon before this one left behind, in instants of this boot; empty where nothing is."""
        try:
            with self._path.open("rb") as file:
                return self._parse(json.loads(file.read(LONGEST)))
        except FileNotFoundError:
            return Ledger()
        except (OSError, ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
            print(f"intercom: uses of codes and lock-outs are forgotten: {self._path}: {error}", file=sys.stderr)
            return Ledger()

    def _write(self) -> None:
        ledger, self._newest = self._newest, None
        if ledger is None:
            return  # one that came later has been written already
        note = {"format": FORMAT, "boot": self._boot, "at": self._clock(), **asdict(ledger)}
        try:
            descriptor = os.open(
                self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor, because of its flags)
                file.write(json.dumps(note).encode())
                file.flush()
                os.fsync(descriptor)
            self._fresh.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            if not self._complained:
                print(f"intercom: uses of codes would not survive: {self._path}: {error}", file=sys.stderr)
            self._complained = True

    def _parse(self, note: dict[str, Any]) -> Ledger:
        """Return what a note says. Raises ValueError, TypeError or LookupError."""
        if note["format"] != FORMAT:
            raise ValueError("of another version")
        shift = 0.0 if self._boot and note["boot"] == self._boot else self._clock() - float(note["at"])
        tries = tuple(
            Tries(str(one["name"]), tuple(float(at) for at in one["wrong"]), int(one["locks"]),
                  float(one["locked_until"]))
            for one in note["tries"]
        )  # fmt: skip
        moved = tuple(
            replace(one, wrong=tuple(at + shift for at in one.wrong), locked_until=one.locked_until + shift)
            for one in tries
        )
        return Ledger(tuple((str(code), int(used)) for code, used in note["uses"]), moved)


def _sync(folder: Path) -> None:
    """Make a rename last (fsync(2))."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
