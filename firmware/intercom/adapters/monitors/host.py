# SPDX-License-Identifier: GPL-2.0-or-later
"""The Pi itself: disk, temperature, supply, clock, memory and what is written, looked at twice a minute.

A trouble begins at one limit and ends at an easier one, so that a value on the edge does not fill the journal. What
this machine does not have, or does not let us read, is no trouble.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from intercom.adapters.monitors.clock import HostClock
from intercom.adapters.monitors.disk_writes import DiskWrites, folder_bytes
from intercom.adapters.storage.writer import Storage
from intercom.core.events import ConditionBegan, ConditionEnded
from intercom.daemon.ports import Post

EVERY_S = 30.0
KIB, MIB = 1 << 10, 1 << 20
DISK_SHARE, DISK_SHARE_OK = 0.05, 0.06
"""Of a file system's space, or of its inodes."""
DISK_BYTES, DISK_BYTES_OK = 50 * MIB, 60 * MIB
SMALL_BYTES = 200 * MIB
"""Smaller file systems (a tmpfs) are not asked for `DISK_BYTES`: they may have been made so."""
HOT_C, HOT_OK_C = 80.0, 75.0
"""A Pi slows down from 80 degrees Celsius on."""
MEMORY_SHARE, MEMORY_SHARE_OK = 0.05, 0.07
WRITTEN_BYTES, WRITTEN_BYTES_OK = 500 * MIB, 400 * MIB
"""In a day. A card for 16 GB takes some terabytes in its life; a door that is well writes some kilobytes a visit."""


class Machine:
    """Tells what is wrong with the machine."""

    def __init__(
        self,
        post: Post,
        *,
        root: Path = Path("/"),
        state_folder: Path | None = None,
        every_s: float = EVERY_S,
        space: Callable[[Path], os.statvfs_result] = os.statvfs,
        wall: HostClock | None = None,
        writes: DiskWrites | None = None,
        storage: Storage | None = None,
    ) -> None:
        """Look at the machine under `root`, every so many seconds, and tell changes by `post`.

        `state_folder` is where the intercom writes, a disk of its own perhaps. `wall` is the machine's clock, and
        `storage` keeps what is known of it. `writes` is what counts our own writing.
        """
        self._writes, self._storage = writes, storage
        self._post, self._root, self._every_s, self._space = post, root, every_s, space
        self._wall = wall or HostClock(root=root)
        self._folders = (root,) if state_folder is None else (root, state_folder)
        self._present: set[str] = set()
        self._checks: dict[str, Callable[[bool], str]] = {
            "disk": self._disk,
            "temperature": self._temperature,
            "supply": self._supply,
            "clock": self._time,
            "memory": self._memory,
            "writing": self._writing,
        }

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self._wall.ask()
            self.look()
            if self._storage is not None:
                await asyncio.to_thread(self._wall.keep, self._storage)
            await asyncio.sleep(self._every_s)

    def look(self) -> None:
        """Look once, and tell what has changed. It takes well under a millisecond on a machine that is well."""
        for condition, check in self._checks.items():
            was = condition in self._present
            try:
                trouble = check(was)
            except (OSError, ValueError, OverflowError):
                trouble = ""
            if trouble and not was:
                self._present.add(condition)
                self._post(ConditionBegan(condition, trouble))
            elif was and not trouble:
                self._present.remove(condition)
                self._post(ConditionEnded(condition))

    def clock_known(self) -> bool:
        """Whether the clock can be believed, now."""
        return self._wall.known()

    def readings(self) -> dict[str, float | str]:
        """Return what can be read now, as far as it exists.

        "temperature_c", "supply", "clock", "disk_free_mb"; by the door itself "written_kb" since the start,
        "written_day_kb" in the last day, and "state_kb" kept.
        """
        found: dict[str, float | str] = {}
        if degrees := self._degrees():
            found["temperature_c"] = round(max(degrees), 1)
        if (weak := self._weak_supply()) is not None:
            found["supply"] = "weak" if weak else "well"
        with contextlib.suppress(OSError, ValueError, OverflowError):
            found["clock"] = "not set" if self._wall.trouble() else "set"
        with contextlib.suppress(OSError):
            disk = self._space(self._folders[-1])
            found["disk_free_mb"] = round(disk.f_bavail * disk.f_frsize / MIB)
        if self._writes is not None:
            found["written_kb"], found["written_day_kb"] = self._writes.total() // KIB, self._writes.day()[0] // KIB
            found["state_kb"] = -(-folder_bytes(self._folders[-1]) // KIB) if len(self._folders) > 1 else 0
        return found

    # Each check is told whether its trouble is there already, and returns the trouble, or "" when all is well.

    def _disk(self, was: bool) -> str:
        share = DISK_SHARE_OK if was else DISK_SHARE
        least = DISK_BYTES_OK if was else DISK_BYTES
        for folder in self._folders:
            try:
                disk = self._space(folder)
            except OSError:
                continue
            if not disk.f_blocks or _is_image(disk):
                continue
            free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
            if free < share * total or (free < least and total >= SMALL_BYTES):
                return f"{free / MIB:.0f} MB of {total / MIB:.0f} MB are free on {folder}: delete what is not needed"
            if disk.f_files and disk.f_favail < share * disk.f_files:  # some file systems have no such number
                return f"{disk.f_favail} of {disk.f_files} inodes are free on {folder}: delete many small files"
        return ""

    def _temperature(self, was: bool) -> str:
        degrees = self._degrees()
        if not degrees or (hottest := max(degrees)) < (HOT_OK_C if was else HOT_C):
            return ""
        return f"{hottest:.0f} °C, the Pi slows down from {HOT_C:.0f} °C on: give it air or shade"

    def _supply(self, was: bool) -> str:
        """The firmware's own alarm (Linux: drivers/hwmon/raspberrypi-hwmon.c); it has its own hysteresis."""
        return (
            "less than 4.63 V: use a stronger power supply and a shorter, thicker cable" if self._weak_supply() else ""
        )

    def _degrees(self) -> list[float]:
        return [n / 1000 for n in _numbers(self._root.glob("sys/class/thermal/thermal_zone*/temp"))]

    def _weak_supply(self) -> bool | None:
        alarms = [
            name.with_name("in0_lcrit_alarm")
            for name in self._root.glob("sys/class/hwmon/*/name")
            if _text(name) == "rpi_volt"
        ]
        return 1 in _numbers(alarms) if alarms else None

    def _time(self, was: bool) -> str:
        return self._wall.trouble()

    def _writing(self, was: bool) -> str:
        written, seconds = self._writes.day() if self._writes is not None else (0, 0.0)
        if written < (WRITTEN_BYTES_OK if was else WRITTEN_BYTES):
            return ""
        return f"{written / MIB:.0f} MB in {seconds / 3600:.0f} h: see what the journal tells over and over"

    def _memory(self, was: bool) -> str:
        lines = _text(self._root / "proc/meminfo")
        found = {key: int(kib) for key, kib in re.findall(r"^(MemTotal|MemAvailable): +(\d+) kB$", lines, re.MULTILINE)}
        total, available = found.get("MemTotal", 0), found.get("MemAvailable")
        if available is None or available >= total * (MEMORY_SHARE_OK if was else MEMORY_SHARE):
            return ""
        return f"{available / 1024:.0f} MB of {total / 1024:.0f} MB are available: stop what else runs here"


def _is_image(disk: os.statvfs_result) -> bool:
    """Whether a file system was made full (squashfs). Read-only alone says nothing: systemd's sandbox makes / so."""
    full = disk.f_files and not disk.f_favail and not disk.f_bavail
    return bool(full and disk.f_flag & os.ST_RDONLY)


def _numbers(paths: Iterator[Path] | list[Path]) -> Iterator[int]:
    """Return the numbers in those files that have one: a sensor may be asleep, or gone."""
    for path in paths:
        text = _text(path)
        if re.fullmatch(r"-?[0-9]{1,9}", text):
            yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
