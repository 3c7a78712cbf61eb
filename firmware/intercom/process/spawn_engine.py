# SPDX-License-Identifier: GPL-2.0-or-later
"""A voice engine's process, begun: the first one before the daemon has read its own code.

Each takes half a second of a PC to read its modules, and much longer on a Pi. An engine does nothing without its
settings, so it may read while the daemon does. Whoever imports this must not import much.
"""

import os
import signal
import socket
import sys


class SpawnedEngine:
    """A process that waits for its settings, and our end of the socket to it. A dataclass takes long to import."""

    def __init__(self, pid: int, link: socket.socket) -> None:
        self.pid, self.link = pid, link


_first: list[SpawnedEngine] = []


def begin() -> SpawnedEngine:
    """Start a process. It ends by itself when our end of the socket is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        argv = [sys.executable, "-P", "-m", "intercom.engine", str(theirs.fileno())]
        # Python ignores these two, and a program that it starts would, too.
        pid = os.posix_spawn(sys.executable, argv, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    return SpawnedEngine(pid, ours)


def prespawn() -> None:
    """Start the first one, if that has not been done."""
    if not _first:
        _first.append(begin())


def take() -> SpawnedEngine:
    """Return the first one, if nobody has taken it; else a new one."""
    return _first.pop() if _first else begin()
