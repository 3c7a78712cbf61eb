# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the clock can be believed. A Pi has none of its own: after a power cut it goes on from some hour of the past.

It counts as set once a time service has said so in this boot: systemd-timesyncd by a file, any other (chrony, ntpd) by
what the kernel says of its clock. intercom.service may not ask the kernel (`ProtectClock=`), so systemd's timedated is
asked there, which may. Nobody to ask is no clock that was set.

The latest time that a set clock has shown is kept, and a clock that shows less is wrong, whoever set it.
"""

import asyncio
import contextlib
import ctypes
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from intercom.adapters.storage.visit_snapshot import BOOT_ID
from intercom.adapters.storage.writer import Storage
from intercom.process import whole_files

YEAR = 2026
"""This file is younger than any clock that says less."""
KEPT_EVERY_S = 86_400.0
"""How often the latest time is written, in seconds: a memory card wears out."""
SLACK_S = 60.0
"""By how much a time service may put a set clock back."""
ASKED_EVERY_S = (30.0,) * 10 + (600.0,)
"""How long to wait from one question to timedated to the next: each wakes it, and the journal tells that."""
PATIENCE_S = 10.0
"""How long it may think, in seconds."""
LONGEST = 1000
"""Bytes of the stamp that are read."""
ADVICE = "give the Pi a network with a time server (NTP)"
STA_UNSYNC, TIME_STRUCT_ROOM = 0x40, 512


class HostClock:
    """The clock of this machine, and what is known of it."""

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        stamp: Path | None = None,
        synchronised: Callable[[], bool | None] | None = None,
        clock: Callable[[], float] = time.time,
        timedatectl: str = "timedatectl",
        boot_id: Path = BOOT_ID,
    ) -> None:
        """Look at the machine under `root`. `stamp` is the file of the latest time; None keeps none.

        `synchronised` asks the kernel about its clock; None is "cannot tell". `clock` is in seconds of the epoch.
        """
        self._timesync = root / "run/systemd/timesync"
        self._stamp, self._synchronised, self._clock = stamp, synchronised or kernel_clock, clock
        self._timedatectl, self._asked, self._asks_at = timedatectl, 0, -math.inf
        self._boot = boot_id.read_text().strip() if boot_id.exists() else ""
        self._latest, boot = self._read()
        self._was_set = bool(self._boot) and boot == self._boot
        """In this boot."""
        self._kept_at = self._latest if self._was_set else -math.inf

    def trouble(self) -> str:
        """Return why the clock cannot be believed, and what to do; nothing when it can. Raises OverflowError."""
        now = self._clock()
        year = time.gmtime(now).tm_year
        if year < YEAR:
            return f"the clock says {year}: {ADVICE}"
        if now < self._latest - SLACK_S:
            said, seen = (time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)) for at in (now, self._latest))
            known = f"the clock says {said}, and it was set to {seen} before: {ADVICE}"
            return f"{known}; if that was wrong, remove {self._stamp} and restart the door"
        # systemd-timesyncd.service(8): the file is there once it has set the clock.
        self._was_set = self._was_set or (self._timesync / "synchronized").exists() or self._synchronised() is True
        return "" if self._was_set else f"the clock is not synchronised: {ADVICE}"

    def known(self) -> bool:
        """Whether it can be believed, now."""
        try:
            return not self.trouble()
        except (OSError, ValueError, OverflowError):
            return False

    async def ask(self) -> None:
        """Ask timedated where nobody else can tell, now and then."""
        now = time.monotonic()
        if self._was_set or self._timesync.is_dir() or self._synchronised() is not None or now < self._asks_at:
            return
        self._asks_at = now + ASKED_EVERY_S[min(self._asked, len(ASKED_EVERY_S) - 1)]
        self._asked += 1
        self._was_set = await self._timedated() == "yes"

    async def _timedated(self) -> str:
        """Return what it says: "yes", "no", or nothing where there is none, or none that answers."""
        words = ("show", "--property=NTPSynchronized", "--value")
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            asked = await asyncio.create_subprocess_exec(
                self._timedatectl, *words, stdin=none, stdout=pipe, stderr=none
            )
        except OSError:
            return ""
        try:
            told, _ = await asyncio.wait_for(asked.communicate(), PATIENCE_S)
        except TimeoutError:
            return ""
        finally:
            if asked.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    asked.kill()
                await asked.wait()
        return told.decode(errors="replace").strip()

    def keep(self, store: Storage) -> None:
        """Write the latest time, where it is known and long not written. It may take as long as a memory card likes."""
        now = self._clock()
        if self._stamp is None or not self.known() or now < self._kept_at + KEPT_EVERY_S:
            return
        self._latest = self._kept_at = now
        note = json.dumps({"latest": now, "boot": self._boot}).encode()
        store.replace(self._stamp, note, lasting=True)

    def _read(self) -> tuple[float, str]:
        """Return the latest time and the boot that it is of; none where there is no such note, or it is damaged."""
        try:
            if self._stamp is not None:
                note = json.loads(whole_files.read(self._stamp, LONGEST))
                if math.isfinite(latest := float(note["latest"])):
                    time.gmtime(latest)
                    return latest, str(note["boot"])
        except (OSError, ValueError, TypeError, LookupError, RecursionError, OverflowError):
            pass
        return -math.inf, ""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)), and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * TIME_STRUCT_ROOM),
    )


def kernel_clock() -> bool | None:
    """Return whether the kernel's clock is synchronised (adjtimex(2)); None when it may not be asked.

    systemd's `ProtectClock=` forbids it (EPERM), and so intercom.service does.
    """
    timex = _Timex()  # modes 0: only read
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & STA_UNSYNC
