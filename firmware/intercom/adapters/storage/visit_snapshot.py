# SPDX-License-Identifier: GPL-2.0-or-later
"""The visit that is under way, in a file that outlives the daemon, and no more: not the boot of the Pi.

What is still to be told by text has a file of its own, which does outlive the boot.

The visit's file belongs on a tmpfs (/run): there it costs no flash memory, and power that fails takes it along.
Nothing is synced, because a dead process does not take the page cache with it.
"""

import contextlib
import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intercom.core.snapshot import NOTHING, Pending, Press, Stage, Untold
from intercom.process import whole_files

FORMAT = 3
"""Another number when `Pending` changes: what an older daemon wrote is not guessed at."""
LONGEST = 64 * 1024
"""Bytes; whatever is longer is not ours."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each boot (random(4)): CLOCK_MONOTONIC begins anew with it."""


class SnapshotStore:
    """A place for one visit."""

    def __init__(self, path: Path, *, boot_id: Path = BOOT_ID) -> None:
        """Keep it at `path`, in a folder that is there and is ours."""
        self._path = path
        self._boot = _text(boot_id)
        self._complained = False

    def keep(self, pending: Pending | None) -> bool:
        """Write what is pending, or remove it. Return whether that worked; why not is told on stderr, once.

        Who reads meanwhile sees the old or the new, never a part (rename(2)).
        """
        try:
            if pending is None:
                self._path.unlink(missing_ok=True)
            else:
                note = {"format": FORMAT, "boot": self._boot, "pending": asdict(pending)}
                whole_files.replace(self._path, json.dumps(note).encode())
        except (OSError, ValueError) as error:
            if not self._complained:
                print(f"intercom: a visit would not survive a crash: {self._path}: {error}", file=sys.stderr)
            self._complained = True
            return False
        self._complained = False
        return True

    def load(self) -> Pending | None:
        """Return what the daemon before this one left behind in this boot; remove whatever is not that."""
        pending = None
        # RecursionError and OverflowError: rubbish may be deep and large.
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError, RecursionError, OverflowError):
            pending = self._parse(whole_files.read(self._path, LONGEST))
        if pending is None:
            with contextlib.suppress(OSError, ValueError):
                self._path.unlink()
        return pending

    def _parse(self, text: bytes) -> Pending:
        """Return what a note says. Raises ValueError, TypeError, LookupError, RecursionError or OverflowError."""
        note = json.loads(text)
        if note["format"] != FORMAT or not self._boot or note["boot"] != self._boot:
            raise ValueError("of another time")
        told = note["pending"]
        stages = tuple(
            Stage(tuple(_is(str, target) for target in _is(list, stage["targets"])), _number(stage["ring_s"]),
                  _is(str, stage["profile"]))
            for stage in _is(list, told["stages"])
        )  # fmt: skip
        words = {key: _is(str, told[key]) for key in ("visit", "button", "by")}
        return Pending(
            **words,
            began_at=_number(told["began_at"]),
            dialled=_is(int, told["dialled"]),
            stages=stages,
            called_back=_is(bool, told["called_back"]),
            cuts=_is(int, told["cuts"]),
            rang=_is(bool, told["rang"]),
            talked=_is(bool, told["talked"]),
            wrong_codes=_is(int, told["wrong_codes"]),
        )


def _is(kind: type, value: Any) -> Any:
    if type(value) is not kind:  # not isinstance: true is an int to Python
        raise TypeError(f"not {kind.__name__}: {value!r}")
    return value


def _number(value: Any) -> float:
    number = float(value if type(value) is int else _is(float, value))
    if not math.isfinite(number):
        raise ValueError(f"not a number: {value!r}")
    return number


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


class UntoldFile:
    """A place for what is still to be told by text. It outlives the boot too, so its instants are dated anew."""

    def __init__(self, path: Path, *, boot_id: Path = BOOT_ID) -> None:
        """Keep it at `path`, in a folder that is there and is ours."""
        self._path = path
        self._boot = _text(boot_id)
        self._complained = False

    def keep(self, untold: Untold) -> bool:
        """Write it, or remove the file where nothing is left to tell. Return whether that worked."""
        try:
            if untold == NOTHING:
                self._path.unlink(missing_ok=True)
            else:
                offset_s = time.time() - time.monotonic()
                note = {"format": 1, "boot": self._boot, "offset_s": offset_s, "untold": asdict(untold)}
                whole_files.replace(self._path, json.dumps(note).encode())
        except (OSError, ValueError) as error:
            if not self._complained:
                print(f"intercom: texts would not survive a restart: {self._path}: {error}", file=sys.stderr)
            self._complained = True
            return False
        self._complained = False
        return True

    def load(self) -> Untold:
        """Return what the daemon before this one left behind; nothing where that cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError, RecursionError, OverflowError):
            note = json.loads(whole_files.read(self._path, LONGEST))
            if note["format"] == 1:
                shift = None if self._boot and note["boot"] == self._boot else _number(note["offset_s"])
                told = note["untold"]
                return Untold(
                    tuple(_press(one, shift) for one in _is(list, told["missed"])),
                    max(0, _is(int, told["more"])),
                    tuple(_press(one, shift) for one in _is(list, told["unanswered"])),
                )
        return NOTHING


def _press(told: Any, shift_s: float | None) -> Press:
    """Return a press; one of an earlier boot is dated by the clock on the wall, as it was known then."""
    at, epoch_s = _number(told["at"]), told["epoch_s"]
    if epoch_s is not None:
        epoch_s = _number(epoch_s)
    elif shift_s is not None:
        epoch_s = at + shift_s
    return Press(_is(str, told["button"]), at, _is(str, told["outcome"]), epoch_s)
