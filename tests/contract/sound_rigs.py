"""A sound card's user for tests: the engine's `Sound` with a conference that is made up."""

from __future__ import annotations

import threading
import time
from typing import Any, TypeVar

import numpy as np

from intercom.core.events import Event
from intercom.engine.audio.controller import Sound
from intercom.engine.audio.tones import Tones
from lab.processes import wait_until

RATE, PERIOD_MS = 16000, 10
PERIOD = RATE * PERIOD_MS // 1000
T = TypeVar("T", bound=Event)


class FakeBridge:
    """A conference with one call that says `says` over and over, and remembers what it was told."""

    def __init__(self) -> None:
        self.says = np.zeros(PERIOD, np.int16)
        self.told: list[np.ndarray] = []
        self.trouble: Exception | None = None
        self.threads: set[int] = set()
        self._at, self._inside = 0, threading.Lock()

    def put(self, frame: bytes) -> None:
        """Take what is said: first in each period, so that it is sent in the same one."""
        assert self._inside.acquire(blocking=False), "two clocks at once, or two puts without a get"
        self.threads.add(threading.get_ident())
        self.told.append(np.frombuffer(frame, np.int16))

    def get(self) -> bytes:
        self._inside.release()  # RuntimeError where nothing was put before
        if self.trouble:
            trouble, self.trouble = self.trouble, None
            raise trouble
        frame = np.take(self.says, range(self._at, self._at + PERIOD), mode="wrap")
        self._at = (self._at + PERIOD) % len(self.says)
        return frame.tobytes()

    def told_since(self, period: int) -> np.ndarray:
        return np.concatenate(self.told[period:]) / np.float32(32768)


class Door:
    """A Sound with its events."""

    def __init__(
        self, bridge: Any, echo: bool = False, card_in: str = "system", card_out: str = "system", **levels: float
    ) -> None:
        self.bridge = bridge
        self.events: list[tuple[float, Event]] = []
        self.registered: list[tuple[str, int]] = []
        self.sound = Sound(
            bridge=bridge,
            tones=Tones(RATE),
            rate_hz=RATE,
            period_ms=PERIOD_MS,
            card_in=card_in,
            card_out=card_out,
            echo=echo,
            **levels,
            post=lambda event: self.events.append((time.monotonic(), event)),
            register_thread=lambda name: self.registered.append((name, threading.get_ident())),
        )

    def told(self, kind: type[T]) -> list[T]:
        return [event for _, event in list(self.events) if isinstance(event, kind)]

    def when(self, event: Event) -> float:
        return next(at for at, known in self.events if known == event)

    def wait_for(self, kind: type[T], count: int = 1, seconds: float = 8) -> T:
        wait_until(lambda: len(self.told(kind)) >= count, seconds, f"{kind.__name__} is posted")
        return self.told(kind)[count - 1]

    def wait_beats(self, count: int, seconds: float = 5) -> None:
        target = self.sound.beats + count
        wait_until(lambda: self.sound.beats >= target, seconds, f"{count} periods more")
