"""What processes use, as the kernel counts it: processor time, wake-ups, memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Use:
    """Of a group of processes since their start; a difference tells a span of time."""

    at: float
    cpu_s: float
    wakeups: int

    def until(self, later: Use) -> tuple[float, float]:
        """Return how much of a core, in percent, and how many wake-ups a second."""
        seconds = later.at - self.at
        return 100 * (later.cpu_s - self.cpu_s) / seconds, (later.wakeups - self.wakeups) / seconds


def family(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def use(pids: Sequence[int]) -> Use:
    """Return what they have used: time on a processor to the nanosecond, and voluntary switches of all threads.

    A thread switches voluntarily when it goes to sleep, so there is one for each time it was woken.
    """
    cpu, wakeups = 0, 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            cpu += int((task / "schedstat").read_text().split()[0])
            wakeups += int((task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return Use(time.monotonic(), cpu / 1e9, wakeups)


def memory_mb(pids: Sequence[int]) -> float:
    """Return their proportional set size as if nothing else ran on the machine, in megabytes.

    The kernel's own figure splits a page among all who map it, and here other Pythons and PJSIPs run beside. So what
    comes from a file and was not changed counts once for the group, at the most that one of them has in memory.
    """
    own, shared = 0, defaultdict[str, int](int)
    for pid in pids:
        files, name = defaultdict[str, int](int), ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            key, _, rest = line.partition(":")
            if "-" in key.split()[0] and " " in key:
                name = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) == 6 else ""
            elif name.startswith("/"):
                if key == "Rss":
                    files[name] += int(rest.split()[0])
                elif key == "Private_Dirty":
                    files[name] -= int(rest.split()[0])
                    own += int(rest.split()[0])
            elif key == "Pss":
                own += int(rest.split()[0])
        for file, size in files.items():
            shared[file] = max(shared[file], size)
    return (own + sum(shared.values())) / 1024


def resident_mb(pids: Sequence[int]) -> float:
    """Return how much of them is in memory, what they share counted for each, in megabytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
