# SPDX-License-Identifier: GPL-2.0-or-later
"""How long nothing of a leg has come, and whether its sound flows: PJSIP counts packets without their time."""

ENOUGH = 5
"""So many packets before the answer are sound; a few that open a way through a router are none."""
GONE_S = 2.0
"""Sound that has stopped for this long before the answer is over."""


class RtpActivity:
    """Of one stream, from one look at its counters to the next."""

    def __init__(self) -> None:
        self._received: tuple[int, ...] = ()
        self._came_at: float | None = None

    def since(self, *received: int, now: float, held: bool) -> float:
        """Return for how many seconds the counters have stood; 0 on hold, where silence is meant.

        `received` are the packets so far; a re-INVITE begins anew. `now` is in seconds of CLOCK_MONOTONIC.
        """
        if self._came_at is None or held or received != self._received:
            self._received, self._came_at = received, now
        return round(now - self._came_at, 1)


class Flow:
    """Whether sound flows before the answer: by what an SDP says nobody can know (RFC 3960 section 3.2)."""

    def __init__(self) -> None:
        self.flows = False
        self._began_with = self._seen = 0
        self._seen_at = 0.0

    def look(self, received: int, now: float) -> bool:
        """Take up how many packets came so far; return whether that changed anything.

        `now` is in seconds of CLOCK_MONOTONIC.
        """
        if received < self._seen:  # another stream
            self._began_with = 0
        if received != self._seen:
            self._seen, self._seen_at = received, now
        gone = now - self._seen_at >= GONE_S
        if gone:
            self._began_with = received
        before, self.flows = self.flows, not gone and (self.flows or received - self._began_with >= ENOUGH)
        return self.flows != before
