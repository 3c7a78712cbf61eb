"""A wall clock that jumps, or time itself that goes slowly, for one process, by libfaketime.

The clock of the machine itself is left alone.
"""

from __future__ import annotations

from pathlib import Path

from lab.processes import LabError


def library() -> str:
    """Where libfaketime is."""
    for place in sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        return str(place)
    raise LabError("libfaketime is not installed: ./setup.sh test does it")


class Clock:
    """A clock that is right until it is shifted. CLOCK_MONOTONIC goes on as ever, as the kernel has it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.shift(0)
        self.env = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        """What the process needs in its environment."""

    def shift(self, seconds: int) -> None:
        """Have it go before or after the right time, at once."""
        self._file.write_text(f"{seconds:+d}")


def at_pace(pace: float) -> dict[str, str]:
    """Return the environment of a process for which every clock, and every sleep, goes at this pace."""
    return {"LD_PRELOAD": library(), "FAKETIME": f"+0 x{pace:g}"}
