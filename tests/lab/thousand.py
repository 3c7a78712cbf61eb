"""Many visits in a row, and what the processes hold meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EARLY = 50
"""After so many visits everything has been in use once, and from then on nothing may grow."""
SOCKETS_S = 0.03
"""PJLIB keeps a closed socket's place for half a second, and has 64 of them: so long between two visits."""


@dataclass(frozen=True)
class Usage:
    """What a process holds."""

    kib: int
    """Resident memory of its own, in KiB: without what it shares with the virtual sound card's server (105 MB)."""
    files: int
    threads: int


def usage(pid: int) -> Usage:
    """Return what a process holds now."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    kib = sum(int(status[name].split()[0]) for name in ("RssAnon", "RssFile"))
    return Usage(kib, len(list((process / "fd").iterdir())), int(status["Threads"]))


def over_tcp(text: str) -> str:
    """Edit a configuration so."""
    return text.replace('user = "door"\n', 'user = "door"\ntransport = "tcp"\n')
