"""The process behind lab.room: one JACK client, one thread that takes orders.

JACK calls `_period` from its own thread every card period; it only copies. Everything else, also the
connecting of ports (which JACK forbids inside its callbacks), happens in the main thread.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import jack
import numpy as np

from lab.processes import Process, start
from lab.tones import Samples

MEMORY_S = 900


def launch(name: str, far: Connection, env: Mapping[str, str], log_dir: Path) -> Process:
    """Start the room's process on one end of a pipe."""
    argv = [sys.executable, "-m", "lab.room_process", name, str(far.fileno())]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**env, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return start(name, argv, log_dir, environment, pass_fds=[far.fileno()])


@dataclass
class Voice:
    """Something the visitor says: once, or over and over."""

    signal: Samples = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    loop: bool = False
    position: int = 0
    started: threading.Event = field(default_factory=threading.Event)
    started_at: float = 0.0

    def speak(self, out: Samples, at: float) -> None:
        """Fill a period; what is beyond the end stays silent."""
        if not self.started.is_set():
            self.started_at = at
            self.started.set()
        filled = 0
        while filled < len(out) and self.position < len(self.signal):
            part = self.signal[self.position : self.position + len(out) - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            self.position += len(part)
            if self.loop and self.position == len(self.signal):
                self.position = 0


class Echo:
    """What comes back from the loudspeaker: later, softer, blurred by the walls, bent by the loudspeaker itself."""

    def __init__(self, delay: int, gain_db: float, reverberation: int, distortion: float) -> None:
        """`delay` and `reverberation` (until it is 60 dB down) in samples; `distortion` 0 is none, 3 a bad speaker."""
        self.delay, self._distortion = delay, distortion
        response = np.zeros(max(reverberation, 1), dtype=np.float32)
        response += np.random.default_rng(3).standard_normal(len(response)) * np.exp(
            -6.9 * np.arange(len(response)) / len(response)
        )
        response[0] = 4.0
        self._response = response * (10 ** (gain_db / 20) / np.sqrt(np.sum(np.square(response))))
        self._tail = np.zeros(len(response) - 1, dtype=np.float32)

    def of(self, heard: Samples) -> Samples:
        """The echo of the next period."""
        if self._distortion:
            heard = np.tanh(self._distortion * heard) / self._distortion + 0.1 * heard * heard
        whole = np.convolve(heard, self._response).astype(np.float32)
        whole[: len(self._tail)] += self._tail
        self._tail = whole[len(heard) :]
        return whole[: len(heard)]


class Ailment:
    """A part that has become weak above a pitch: a first-order shelf, or everything alike from 0 Hz."""

    def __init__(self, gain_db: float, from_hz: float, rate: int) -> None:
        self._gain = 10 ** (gain_db / 20)
        self._keep = float(np.exp(-2 * np.pi * from_hz / rate)) if from_hz else 0.0
        self._low = 0.0

    def pass_through(self, period: Samples) -> Samples:
        if self._gain == 1:
            return period
        if not self._keep:
            return (self._gain * period).astype(np.float32)
        out = np.empty_like(period)
        low = self._low
        for at, sample in enumerate(period):
            low = self._keep * low + (1 - self._keep) * float(sample)
            out[at] = low + self._gain * (float(sample) - low)
        self._low = low
        return out


class RoomClient:
    """The room as JACK sees it."""

    def __init__(self, name: str, pipe: Connection) -> None:
        self._pipe = pipe
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._client = client = jack.Client(name, no_start_server=True)
        self._rate, self._period_size = client.samplerate, client.blocksize
        periods = MEMORY_S * self._rate // self._period_size
        self._stamps = np.zeros(periods, dtype=np.float64)  # monotonic time of each period's start
        self._heard = np.zeros(periods * self._period_size, dtype=np.float32)
        self._spoken = np.zeros_like(self._heard)
        self._periods = 0  # recorded so far
        self._voice = Voice()
        self._echo: Echo | None = None
        self._noise_gain = 0.0
        self._ailing = {"microphone": Ailment(0, 0, self._rate), "loudspeaker": Ailment(0, 0, self._rate)}
        self._noise = np.random.default_rng(1).standard_normal(self._rate).astype(np.float32)
        self._known: tuple[str, ...] = ()
        self._xruns = 0
        self._mouth = client.outports.register("mouth")
        self._ear = client.inports.register("ear")
        client.set_process_callback(self._period)
        client.set_xrun_callback(self._xrun)
        client.set_port_registration_callback(lambda *_: self._wake(), only_available=False)
        client.set_graph_order_callback(self._wake)
        client.set_shutdown_callback(lambda *_: self._wake(b"q"))
        client.activate()

    # In JACK's threads

    def _period(self, frames: int) -> None:
        now = time.monotonic() - self._client.frames_since_cycle_start / self._rate
        if self._periods == len(self._stamps):  # a quarter of an hour is over: deaf and dumb
            self._mouth.get_array()[:] = 0
            return
        at = self._periods * frames
        self._heard[at : at + frames] = self._ear.get_array()
        spoken = self._spoken[at : at + frames]
        self._voice.speak(spoken, now)
        echo = self._echo
        if echo is not None and at >= echo.delay:
            back = at - echo.delay
            spoken += self._ailing["loudspeaker"].pass_through(echo.of(self._heard[back : back + frames]))
        if self._noise_gain:
            offset = at % (len(self._noise) - frames)
            spoken += self._noise_gain * self._noise[offset : offset + frames]
        spoken[:] = self._ailing["microphone"].pass_through(spoken)
        self._mouth.get_array()[:] = spoken
        self._stamps[self._periods] = now
        self._periods += 1

    def _xrun(self, delay: float) -> None:
        self._xruns += 1

    def _wake(self, what: bytes = b"w") -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, what)

    # In the main thread

    def run(self) -> None:
        """Serve until the pipe or the JACK server is closed."""
        while True:
            for ready in wait([self._pipe, self._wake_read]):
                if ready is self._pipe:
                    order, *values = self._pipe.recv()
                    self._pipe.send(("answer", getattr(self, f"do_{order}")(*values)))
                elif b"q" in os.read(self._wake_read, 4096):
                    raise EOFError("the JACK server has gone")
                else:
                    self._look_around()

    def _foreign(self) -> list[jack.Port]:
        try:
            ports = self._client.get_ports(is_audio=True)
        except jack.JackError:
            # One of them went while they were listed: its going wakes us again.
            self._wake()
            return []
        return [port for port in ports if not port.name.startswith(("system:", f"{self._client.name}:"))]

    def _look_around(self) -> None:
        at = time.monotonic()
        ports = self._foreign()
        names = tuple(port.name for port in ports)
        if names != self._known:
            self._known = names
            self._pipe.send(("ports", (at, names)))
        for port in ports:
            ours = self._mouth if port.is_input else self._ear
            # Refused until its owner is active; then the graph changes, and we are here again.
            with contextlib.suppress(jack.JackError):
                if port.name not in (there.name for there in self._client.get_all_connections(ours)):
                    self._client.connect(*((ours, port) if port.is_input else (port, ours)))

    def _between(self, memory: Samples, since: float, until: float | None) -> Samples:
        stamps = self._stamps[: self._periods]
        first = np.searchsorted(stamps, since)
        last = len(stamps) if until is None else np.searchsorted(stamps, until)
        return memory[first * self._period_size : last * self._period_size].copy()

    # Orders; see lab.room

    def do_ready(self) -> bool:
        self._look_around()
        return True

    def do_say(self, signal: Samples, loop: bool) -> float:
        voice = self._voice = Voice(signal, loop)
        voice.started.wait(5)
        return voice.started_at

    def do_echo(self, delay: int, gain_db: float | None, reverberation: int, distortion: float) -> bool:
        self._echo = None if gain_db is None else Echo(delay, gain_db, reverberation, distortion)
        return True

    def do_noise(self, dbfs: float | None) -> bool:
        self._noise_gain = 0.0 if dbfs is None else 10 ** (dbfs / 20)
        return True

    def do_ail(self, part: str, gain_db: float, from_hz: float) -> bool:
        self._ailing[part] = Ailment(gain_db, from_hz, self._rate)
        return True

    def do_heard(self, since: float, until: float | None) -> Samples:
        return self._between(self._heard, since, until)

    def do_spoken(self, since: float, until: float | None) -> Samples:
        return self._between(self._spoken, since, until)

    def do_started(self) -> float:
        return float(self._stamps[0])

    def do_xruns(self) -> int:
        return self._xruns

    def do_ports(self) -> tuple[str, ...]:
        return tuple(port.name for port in self._foreign())


if __name__ == "__main__":
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        RoomClient(sys.argv[1], Connection(int(sys.argv[2]))).run()
    os._exit(0)  # JACK's threads may hang in a dying server
