# SPDX-License-Identifier: GPL-2.0-or-later
"""What Python knows of a thread that is not its own, kept from one callback to the next.

PortAudio's thread comes into Python a hundred times a second. For each time Python makes a thread state, maps 16 kB for
its frames, and throws both away again: on a PC that was more work than all that a callback does. The state is counted
(PyGILState_Ensure() in Python's C API reference): as long as somebody holds it, it stays.
"""

import ctypes
import threading

_LOCKED = 0  # PyGILState_LOCKED of Python's pystate.h: what Ensure answers inside a callback


class ForeignThread:
    """One such thread. `arrive` and `leave` are called in its callbacks, `left` from anywhere."""

    def __init__(self) -> None:
        self._thread = 0
        self._gone = threading.Event()

    def arrive(self) -> None:
        """Have the calling thread's state kept, until it leaves."""
        ctypes.pythonapi.PyGILState_Ensure()
        self._thread = threading.get_ident()

    def leave(self) -> None:
        """Let go of it. Harmless when it is, and on any other thread."""
        if self._thread == threading.get_ident():
            self._thread = 0
            ctypes.pythonapi.PyGILState_Release(_LOCKED)
        self._gone.set()

    def left(self, timeout_s: float) -> None:
        """Await that it has left, if it ever arrived. One that never calls again (a dead card) costs 20 kB."""
        if self._thread:
            self._gone.wait(timeout_s)
