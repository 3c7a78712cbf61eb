# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trial of the sound does in each period of the card: measure levels, or play a sweep and record it.

The sweep is exponential (Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine
technique", AES 108, 2000): each octave gets the same time, and what the loudspeaker distorts ends up before the impulse
response, not in it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from intercom.core.acoustics import BANDS_HZ, FLOOR_DB, Acoustics
from intercom.core.events import LoudnessMeasured

Samples = npt.NDArray[np.int16]
Wave = npt.NDArray[np.floating[Any]]

METER_S = 0.1
TALK_S = 1.0  # how often it is told how loud a conversation is: for somebody who watches it over SSH
SETTLE_S = 0.3  # after its opening a card may thump
NOISE_S = 0.5
SWEEP_S = 1.0
LATEST_S = 0.24  # for the sweep's way through card and air
WINDOW_S = 0.155  # of the impulse response: the door's surroundings, not the valley behind them
LOWEST_HZ, HIGHEST_HZ = 120.0, 7000.0
PEAK = 10 ** (-18 / 20)


class Probe(Protocol):
    """Sees each period of an open card."""

    def period(self, microphone: bytes, loudspeaker: bytes) -> bytes:
        """Take both, int16; return what is to be played. On the card's thread: nothing waits."""


class Meter:
    """Tells how loud both directions are."""

    def __init__(self, rate_hz: int, tell: Callable[[LoudnessMeasured], None], every_s: float = METER_S) -> None:
        self._wanted, self._tell = int(2 * rate_hz * every_s), tell
        self._came: list[bytes] = []
        self._went: list[bytes] = []

    def period(self, microphone: bytes, loudspeaker: bytes) -> bytes:
        """Take both."""
        self._came.append(microphone)
        self._went.append(loudspeaker)
        if len(self._came) * len(microphone) >= self._wanted:
            levels = _db([_power(self._came), _power(self._went)])
            self._came, self._went = [], []
            self._tell(LoudnessMeasured(round(levels[0], 1), round(levels[1], 1)))
        return loudspeaker


class Sweep:
    """Listens, plays a sweep, listens, and says once that all is recorded."""

    def __init__(self, rate_hz: int, done: Callable[[], None]) -> None:
        self._rate_hz, self._done = rate_hz, done
        self._played = sweep(rate_hz)
        self._starts = round((SETTLE_S + NOISE_S) * rate_hz)
        length = self._starts + len(self._played) + round((LATEST_S + WINDOW_S) * rate_hz)
        self._heard = np.zeros(length, np.int16)
        self._at = 0
        self.over = False

    def period(self, microphone: bytes, loudspeaker: bytes) -> bytes:
        """Record one period, and play what is due in it."""
        if self.over:
            return loudspeaker
        heard, played = np.frombuffer(microphone, np.int16), np.frombuffer(loudspeaker, np.int16).copy()
        first, last = self._at, min(self._at + len(heard), len(self._heard))
        self._heard[first:last] = heard[: last - first]
        start, end = max(first, self._starts), min(last, self._starts + len(self._played))
        if start < end:
            played[start - first : end - first] = self._played[start - self._starts : end - self._starts]
        self._at = last
        if last == len(self._heard):
            self.over = True
            self._done()
        return played.tobytes()

    def acoustics(self) -> Acoustics:
        """Return what was heard. It takes some milliseconds: not for the card's thread."""
        rate = self._rate_hz
        heard = self._heard / 32768.0
        noise = heard[round(SETTLE_S * rate) : self._starts]
        response = _impulse_response(heard[self._starts :], self._played / 32768.0)
        window = round(WINDOW_S * rate)
        peak = int(np.abs(response[: round(LATEST_S * rate)]).argmax())
        begins = max(0, peak - round(0.005 * rate))
        later = round((LATEST_S + 0.005) * rate)
        return Acoustics(
            response_db=_bands(_spectrum(response[begins : begins + window], rate), len),
            floor_db=_bands(_spectrum(response[later : later + window - round(0.005 * rate)], rate), len),
            noise_db=_bands(_spectrum(noise, rate), lambda _: len(noise) ** 2 / 2),
            delay_ms=round(1000 * peak / rate, 2),
        )


def sweep(rate_hz: int) -> Samples:
    """Return the sweep, soft at both ends."""
    time = np.arange(round(SWEEP_S * rate_hz)) / rate_hz
    growth = np.log(HIGHEST_HZ / LOWEST_HZ)
    wave = np.sin(2 * np.pi * LOWEST_HZ * SWEEP_S / growth * (np.exp(time / SWEEP_S * growth) - 1))
    edge = np.clip(np.minimum(time, SWEEP_S - time) / 0.03, 0, 1)
    made: Samples = np.rint(wave * np.sin(edge * np.pi / 2) ** 2 * PEAK * 32767).astype(np.int16)
    return made


def _impulse_response(heard: Wave, played: Wave) -> Wave:
    size = 1 << (len(heard) + len(played) - 1).bit_length()
    one, other = np.fft.rfft(heard, size), np.fft.rfft(played, size)
    energy = np.abs(other) ** 2
    response: Wave = np.fft.irfft(one * other.conj() / (energy + 1e-5 * energy.max()), size)
    return response


def _spectrum(signal: Wave, rate_hz: int) -> tuple[Wave, Wave]:
    """Frequencies, and the energy at each."""
    hz: Wave = np.arange(len(signal) // 2 + 1) * (rate_hz / len(signal))
    energy: Wave = np.abs(np.fft.rfft(signal)) ** 2
    return hz, energy


def _bands(spectrum: tuple[Wave, Wave], whole: Callable[[Wave], float]) -> tuple[float, ...]:
    """Energy in each octave in dB, in shares of `whole`."""
    hz, energy = spectrum
    octaves = (energy[(hz >= middle / 2**0.5) & (hz < middle * 2**0.5)] for middle in BANDS_HZ)
    return tuple(round(float(_db(octave.sum() / whole(octave))), 1) for octave in octaves)


def _power(periods: list[bytes]) -> float:
    samples = np.frombuffer(b"".join(periods), np.int16).astype(np.float32)
    return float(np.square(samples, out=samples).mean(dtype=np.float64)) / 32768**2


def _db(power: npt.ArrayLike) -> Wave:
    """Decibels, down to the floor."""
    decibels: Wave = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    return decibels
