"""Instructions, counted by valgrind: what a processor has to do, however fast it is and whoever else wants it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from socket import SHUT_RDWR, socketpair

from contract.sip_peers import Peer, account

from intercom.core.events import EngineBeat, EngineStarted
from intercom.engine import wire
from lab.engine_settings import engine_settings
from lab.processes import LabError

SETTINGS = engine_settings(bind="127.0.0.9", echo=True, user_agent="intercom/bench")
PATIENCE_S = 300.0
_COLLECTED = re.compile(r"Collected : (\d+)")


def valgrind(folder: Path) -> list[str]:
    """Return what comes before a command that is counted."""
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind.%p"]


def collected(log: str) -> int:
    """Return how many instructions valgrind has counted."""
    if not (found := _COLLECTED.findall(log)):
        raise LabError(f"valgrind has counted nothing; it ends:\n{log[-2000:]}")
    return int(found[-1])


def script(folder: Path, *arguments: str) -> int:
    """Return how many a Python with these arguments takes."""
    done = subprocess.run(
        [*valgrind(folder), sys.executable, "-P", *arguments], capture_output=True, text=True, check=False
    )
    return collected(done.stderr)


def engine(folder: Path, beats: int) -> int:
    """Return how many a voice engine takes that starts and beats so often."""
    peer = Peer("127.0.0.20", REGISTER=200)
    ours, theirs = socketpair()
    with theirs:
        command = [*valgrind(folder), sys.executable, "-P", "-m", "intercom.engine", str(theirs.fileno())]
        log = (folder / "engine.log").open("w+")
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stderr=log)
    ours.sendall(wire.encode(replace(SETTINGS, accounts=(account(peer),))))
    news = _News(ours)
    news.wait(EngineStarted)
    for _ in range(beats):
        news.wait(EngineBeat)
    ours.shutdown(SHUT_RDWR)
    process.wait(PATIENCE_S)
    peer.close()
    log.seek(0)
    return collected(log.read())


class _News:
    """What the engine tells."""

    def __init__(self, link: object) -> None:
        self._file = link.makefile("rb")

    def wait(self, kind: type) -> None:
        """Await the next event of a kind."""
        until = time.monotonic() + PATIENCE_S
        for line in self._file:
            if isinstance(wire.decode(line)[1], kind):
                return
            if time.monotonic() > until:
                break
        raise LabError(f"no {kind.__name__}")


def difference(more: int, less: int, steps: int) -> float:
    """Return how many one step takes, of two counts that differ in that many."""
    return (more - less) / steps


def estimate(instructions: float, per_cycle: float, hertz: float) -> float:
    """Return how long a processor takes, in seconds."""
    return instructions / (per_cycle * hertz)


def rows(counts: Sequence[tuple[str, float]], per_cycle: float, hertz: float) -> list[str]:
    """Return the table, in Markdown."""
    lines = ["| | instructions, millions | estimate for a Zero 2 W |", "| --- | --- | --- |"]
    for name, count in counts:
        seconds = estimate(count, per_cycle, hertz)
        shown = f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
        lines.append(f"| {name} | {count / 1e6:.3g} | {shown} |")
    return lines
