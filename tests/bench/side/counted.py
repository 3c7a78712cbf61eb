"""Instructions, counted by valgrind: what a processor has to do, however fast it is and whoever else wants it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.engine_settings import engine_settings
from lab.processes import LabError

SETTINGS = engine_settings(bind="127.0.0.9", echo=True, user_agent="intercom/bench")
_COLLECTED = re.compile(r"Collected : (\d+)")
_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)


def valgrind(folder: Path) -> list[str]:
    """Return what comes before a command that is counted."""
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind.%p"]


def script(folder: Path, *arguments: str) -> int:
    """Return how many a Python with these arguments takes."""
    done = subprocess.run(
        [*valgrind(folder), sys.executable, "-P", *arguments], capture_output=True, text=True, check=False
    )
    if not (found := _COLLECTED.findall(done.stderr)):
        raise LabError(f"valgrind has counted nothing; it ends:\n{done.stderr[-2000:]}")
    return int(found[-1])


def since(folder: Path, pids: Sequence[int]) -> int:
    """Return how many some running processes took since their start, or since this was last asked."""
    return sum(_dump(folder, pid) for pid in pids)


def during(folder: Path, pids: Sequence[int], span: Callable[[], object]) -> int:
    """Return how many they take in a span of time."""
    for pid in pids:
        _order(pid, "zero")
    span()
    return since(folder, pids)


def _dump(folder: Path, pid: int) -> int:
    before = set(folder.glob(f"callgrind.{pid}.*"))
    _order(pid, "dump")
    (new,) = set(folder.glob(f"callgrind.{pid}.*")) - before
    found = _TOTAL.search(new.read_text())
    if found is None:
        raise LabError(f"valgrind's {new.name} has no total")
    return int(found[1])


def _order(pid: int, order: str) -> None:
    """Give an order to a valgrind that runs; it is obeyed when this returns, also by a process that sleeps."""
    done = subprocess.run(["vgdb", f"--pid={pid}", order], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"valgrind of process {pid} does not take the order {order}: {done.stderr[-500:]}")


def difference(more: int, less: int, steps: int) -> float:
    """Return how many one step takes, of two counts that differ in that many."""
    return (more - less) / steps
