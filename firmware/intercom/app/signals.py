# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGHUP, SIGTERM and SIGINT, for a process that outlives its event loops.

`loop.add_signal_handler` gives a signal back to its default when the loop is closed, and SIGHUP's is to end the
process. So the handlers are set once; what comes while no daemon listens waits for the next one.
"""

import asyncio
import contextlib
import select
import signal
import socket
from collections.abc import Callable

HEARD = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Signals:
    """Hands each signal to the daemon of the moment, on its loop."""

    def __init__(self) -> None:
        """Take the signals over. Only in the main thread."""
        self._waiting: list[signal.Signals] = []
        self._before = {number: signal.signal(number, self._came) for number in HEARD}
        # A signal that another thread of the process gets wakes the loop through this (signal.set_wakeup_fd).
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)
        self._woken_before = signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)

    def serve(self, take: Callable[[signal.Signals], None]) -> None:
        """Have `take` called for each signal, those that wait first, until `leave`."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            with contextlib.suppress(BlockingIOError):
                self._out.recv(4096)
            while self._waiting:
                take(self._waiting.pop(0))

        loop.add_reader(self._out, look)
        loop.call_soon(look)

    def leave(self) -> None:
        """Have what comes from now on wait."""
        asyncio.get_running_loop().remove_reader(self._out)

    def asked_to_end(self) -> bool:
        """Tell whether SIGTERM or SIGINT waits."""
        return any(number is not signal.SIGHUP for number in self._waiting)

    def rest(self, seconds: float) -> None:
        """Wait, but no longer than until somebody asks the process to end."""
        if not self.asked_to_end():
            select.select([self._out], [], [], seconds)

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(self._woken_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._out.close()
        self._in.close()

    def _came(self, number: int, _: object) -> None:
        self._waiting.append(signal.Signals(number))
