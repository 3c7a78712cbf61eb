# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers: how many knocked, told at most once an hour. Who is one is decided in ../../pjsip/gate.c."""

from collections.abc import Callable

from intercom.core.events import StrangersRefused

HOUR_S = 3600.0


class Strangers:
    """Sums up what was refused. The first knock is told at once, what follows it once an hour."""

    def __init__(self, refused: Callable[[], tuple[int, str, str]]) -> None:
        """`refused` returns the count so far, who was the last one, and what he sent."""
        self._refused = refused
        self._told = 0
        self._told_at: float | None = None

    def news(self, now: float) -> StrangersRefused | None:
        """Return what there is to tell at an instant, in seconds; None when there is nothing, or not yet."""
        if self._told_at is not None and now < self._told_at + HOUR_S:
            return None
        count, source, request = self._refused()
        if count == self._told:
            return None
        new, self._told, self._told_at = count - self._told, count, now
        return StrangersRefused(new, source, request or "something")
