# SPDX-License-Identifier: GPL-2.0-or-later
"""How long no packet of a leg has come: PJSIP counts them, and does not say when it did."""


class Stillness:
    """Of one stream, from one look at its counter to the next."""

    def __init__(self) -> None:
        self._received = 0
        self._came_at: float | None = None

    def since(self, received: int, now: float, *, held: bool) -> float:
        """Return for how many seconds the counter has stood; 0 on hold, where silence is meant.

        `received` counts the packets so far; a re-INVITE begins anew. `now` is in seconds of CLOCK_MONOTONIC.
        """
        if self._came_at is None or held or received != self._received:
            self._received, self._came_at = received, now
        return round(now - self._came_at, 1)
