# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that the door presses on a call, one after the other, in the time that the far end needs to hear them."""

from collections import deque

KEY_S = 0.3
"""From one key to the next: PJSIP sounds each for 200 ms."""
PAUSE_S = 0.5
"""What a `w` waits."""


class Keys:
    """What is still to be pressed, and when."""

    def __init__(self, keys: str, now: float) -> None:
        """Begin at once; `now` is in seconds of CLOCK_MONOTONIC."""
        self._left = deque(keys)
        self._due_at = now

    def due(self, now: float) -> str:
        """Return the key that is to be pressed now, or nothing. Asked late, it hurries nothing."""
        while self._left and now >= self._due_at:
            key = self._left.popleft()
            self._due_at = now + (PAUSE_S if key == "w" else KEY_S)
            if key != "w":
                return key
        return ""
