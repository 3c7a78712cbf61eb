"""How far a run is, and how long it may yet take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence


class Progress:
    """Steps with an estimate of their seconds; what they took here corrects what is left."""

    def __init__(self, steps: Sequence[tuple[str, float]], now: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._now = steps, now
        self._began = self._step_began = now()
        self._place = -1
        self._pace = 1.0

    def next(self) -> None:
        """Begin the next step, and tell its name."""
        now = self._now()
        if self._place >= 0:
            planned = sum(seconds for _, seconds in self._steps[: self._place + 1])
            self._pace = (now - self._began) / planned
        self._place, self._step_began = self._place + 1, now
        self.say(self._steps[self._place][0])

    def left_s(self) -> float:
        """Return how long it may yet take."""
        of_this = self._pace * self._steps[self._place][1] - (self._now() - self._step_began)
        return max(of_this, 0.0) + self._pace * sum(seconds for _, seconds in self._steps[self._place + 1 :])

    def say(self, text: str) -> None:
        """Show a line: how far it is, and what it does."""
        told = f"[{clock(self._now() - self._began)}, {clock(self.left_s())} left] {text}"
        print(f"\033[2m{told}\033[0m" if sys.stderr.isatty() else told, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
