"""The service manager's part towards one daemon: it hears sd_notify(3), and starts again what starves its watchdog.

What systemd itself makes of it is not played here; only what the daemon tells, and that a restart heals.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from lab.processes import LabError


class Manager:
    """Hears one daemon."""

    def __init__(self, path: Path, watchdog_s: float) -> None:
        """Listen on `path`; the daemon is told that its watchdog bites after so many seconds."""
        self.watchdog_s = watchdog_s
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(round(watchdog_s * 1e6))}
        """What the daemon needs in its environment."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._news = threading.Condition()
        self._words: list[tuple[float, str]] = []
        threading.Thread(target=self._listen, name="manager", daemon=True).start()

    def await_word(self, word: str, seconds: float = 10, since: float = 0.0) -> float:
        """Await a word that was said after a monotonic time; when it was."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for at, said in self._words:
                    if at >= since and said.startswith(word):
                        return at
                if not self._news.wait(max(0.0, deadline - time.monotonic())):
                    raise LabError(f"no {word} within {seconds:g} s; the last words: {self._words[-5:]}")

    def await_hunger(self, seconds: float = 30) -> float:
        """Await that the watchdog was not fed for its time; how long it was."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                last = max((at for at, said in self._words if said == "WATCHDOG=1"), default=0.0)
                hungry_s = time.monotonic() - last
                if hungry_s >= self.watchdog_s:
                    return hungry_s
                if time.monotonic() > deadline:
                    raise LabError(f"the watchdog is still fed after {seconds:g} s")
                self._news.wait(self.watchdog_s - hungry_s)

    def longest_hunger(self, since: float) -> float:
        """How long, in seconds, the watchdog once waited for food since a monotonic time."""
        with self._news:
            fed = [at for at, said in self._words if said == "WATCHDOG=1" and at >= since]
        return max((late - early for early, late in zip([since, *fed], [*fed, time.monotonic()], strict=True)))

    def stop(self) -> None:
        """Hear nothing any more."""
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                said = self._socket.recv(4096).decode()
            except OSError:
                return
            with self._news:
                self._words.append((time.monotonic(), said))
                self._news.notify_all()
