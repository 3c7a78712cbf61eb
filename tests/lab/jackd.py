"""jackd with its dummy driver: a full-duplex sound card without a sound card, with an exact clock.

PortAudio lists it (host API JACK, device "system") in every process that has `Jackd.env`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

import jack

from lab import clock
from lab.processes import Process, start, wait_until

_numbers = itertools.count(1)


class Jackd:
    """A JACK server with a name of its own, or with that of one that ended: the same card, plugged in again."""

    def __init__(
        self,
        log_dir: Path,
        rate: int = 16000,
        period: int = 160,
        channels: int = 1,
        name: str = "",
        *,
        slowness: int = 1,
    ) -> None:
        """A card that is slow takes so many times as long for a period as its rate says."""
        self.rate, self.period = rate, period
        self.name = name or f"lab-{os.getpid()}-{next(_numbers)}"
        # Clients must never start a server themselves, and never find another's.
        self.env = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        driver = ["-d", "dummy", "-r", str(rate), "-p", str(period)]
        driver += ["-C", str(channels), "-P", str(channels)]
        env = clock.at_pace(1 / slowness) if slowness > 1 else {}
        self.process: Process = start("jackd", ["jackd", "-r", "-n", self.name, *driver], log_dir, env)
        jack.set_error_function(lambda message: None)  # refused attempts are expected
        jack.set_info_function(lambda message: None)
        wait_until(self._accepts, 10, "jackd takes clients", self.process)

    def _accepts(self) -> bool:
        with contextlib.suppress(jack.JackError):
            jack.Client("probe", servername=self.name, no_start_server=True).close()
            return True
        return False

    def stop(self) -> None:
        """End it: to PortAudio the sound card is gone."""
        self.process.stop()
