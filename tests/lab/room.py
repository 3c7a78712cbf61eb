"""The room at the door: a visitor who speaks into the microphone, and ears at the loudspeaker.

The room runs in a process of its own (room_process.py), so that neither side disturbs the other's
clock. Whatever opens the card (PortAudio, that is the door) is connected to the room by itself.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from lab.jackd import Jackd
from lab.processes import LabError, Process
from lab.room_process import launch
from lab.tones import Samples, write_wav


@dataclass(frozen=True)
class PortNews:
    """The card was opened or closed, and when."""

    at: float
    ports: tuple[str, ...]


class Room:
    """Speaks, hears, and sees whether the card is open."""

    def __init__(self, jackd: Jackd, log_dir: Path, name: str = "room") -> None:
        self.rate = jackd.rate
        self._news = threading.Condition()
        self._history: list[PortNews] = []
        self._answer: Any = None
        self._lock = threading.Lock()
        self._connection, far = Pipe()
        self.process: Process = launch(name, far, jackd.env, log_dir)
        far.close()
        self._answered = threading.Event()
        threading.Thread(target=self._read, name=name, daemon=True).start()
        self._ask("ready")

    def say(self, signal: Samples, loop: bool = False) -> float:
        """The visitor speaks into the microphone from now on; the monotonic time of the first sample."""
        return float(self._ask("say", np.asarray(signal, dtype=np.float32), loop))

    def hush(self) -> None:
        """The visitor falls silent."""
        self._ask("say", np.zeros(0, dtype=np.float32), False)

    def echo(
        self,
        delay_ms: float = 20.0,
        gain_db: float | None = -12.0,
        reverberation_s: float = 0.0,
        distortion: float = 0.0,
    ) -> None:
        """The loudspeaker is heard in the microphone; `gain_db=None` ends it. See lab.room_process.Echo."""
        self._ask("echo", round(delay_ms * self.rate / 1000), gain_db, round(reverberation_s * self.rate), distortion)

    def noise(self, level_dbfs: float | None) -> None:
        """White noise in the microphone; None ends it."""
        self._ask("noise", level_dbfs)

    def ail(self, part: str, gain_db: float = 0.0, from_hz: float = 0.0) -> None:
        """Have the "microphone" or the "loudspeaker" change by `gain_db`, from a pitch upward; 0 dB heals it."""
        self._ask("ail", part, gain_db, from_hz)

    def heard(self, since: float = 0.0, until: float | None = None) -> Samples:
        """What the loudspeaker played between two monotonic times, at `rate`."""
        samples: Samples = self._ask("heard", since, until)
        return samples

    def spoken(self, since: float = 0.0, until: float | None = None) -> Samples:
        """What the microphone was given in that time: voice, echo and noise."""
        samples: Samples = self._ask("spoken", since, until)
        return samples

    def started_at(self) -> float:
        """The monotonic time of the first sample heard."""
        return float(self._ask("started"))

    def xruns(self) -> int:
        """How many periods the card has lost since the start."""
        return int(self._ask("xruns"))

    def save(self, path: Path, since: float = 0.0, until: float | None = None) -> Path:
        """What was heard, as WAV."""
        return write_wav(path, self.heard(since, until), self.rate)

    def ports(self) -> tuple[str, ...]:
        """The ports of whoever has the card open now."""
        return tuple(self._ask("ports"))

    def ports_open(self) -> bool:
        """Whether anybody has the card open: outside a visit nobody may."""
        return bool(self.ports())

    def port_history(self) -> list[PortNews]:
        """Every opening and closing of the card so far."""
        with self._news:
            return list(self._history)

    def await_ports(self, open: bool, seconds: float = 15.0) -> float:
        """Await that the card is open, or closed; the monotonic time of the change (or now, if it was so)."""
        deadline = time.monotonic() + seconds
        if self.ports_open() == open:
            with self._news:
                return self._history[-1].at if self._history else time.monotonic()
        with self._news:
            while not self._history or bool(self._history[-1].ports) != open:
                left = deadline - time.monotonic()
                if left <= 0 or not self.process.running:
                    wanted = "open" if open else "closed"
                    raise LabError(
                        f"the sound card is not {wanted} after {seconds:g} s; the room's log ends:\n"
                        f"{self.process.log_tail()}"
                    )
                self._news.wait(left)
            return self._history[-1].at

    def stop(self) -> None:
        """Leave the room."""
        self._connection.close()
        self.process.stop()

    def _ask(self, order: str, *values: object) -> Any:
        with self._lock:
            self._answered.clear()
            try:
                self._connection.send((order, *values))
            except OSError as error:
                raise LabError(f"the room is gone ({error}); its log ends:\n{self.process.log_tail()}") from error
            if not self._answered.wait(10) or self._answer is None:
                raise LabError(f"the room does not answer {order!r}; its log ends:\n{self.process.log_tail()}")
            return self._answer

    def _read(self) -> None:
        try:
            while True:
                kind, value = self._connection.recv()
                if kind == "answer":
                    self._answer = value
                    self._answered.set()
                    continue
                with self._news:
                    self._history.append(PortNews(*value))
                    self._news.notify_all()
        except (EOFError, OSError, TypeError):  # stopped, on either side
            self._answer = None
            self._answered.set()
            with self._news:
                self._news.notify_all()
