# SPDX-License-Identifier: GPL-2.0-or-later
"""Between the sound card's own samples and ours: rate, channels, level.

The converter is libsamplerate's "sinc fastest": 97 dB of signal to noise, flat to 6.4 kHz at our 16 kHz, and it holds a
sound back for 1.2 ms each way. What soxr gives a period late (up to 40 ms, in large blocks) it gives at once.
"""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import samplerate

Samples = npt.NDArray[np.int16]
Wave = npt.NDArray[np.float32]

CONVERTER = "sinc_fastest"
SPARE = 2
"""Samples of ours kept back, so that a period which rounding makes one shorter is no hole."""
DEAD_DB = 30.0
"""A channel this far below its neighbour has no microphone on it."""
RATES_HZ = (16000, 48000, 32000, 44100, 96000, 24000, 8000)
"""What cards are asked for, the best first: our own, then what converts best."""

# Samples of one kind into a buffer of the other, and how many (samplerate.h). Shorter than a switch of threads, so
# Python's lock is kept.
_libsamplerate = ctypes.PyDLL(str(samplerate.__file__))
_to_ints, _to_floats = _libsamplerate.src_float_to_short_array, _libsamplerate.src_short_to_float_array
for _function in (_to_ints, _to_floats):
    _function.restype = None


@dataclass(frozen=True, slots=True)
class Format:
    """How a card is open, in both directions alike."""

    rate_hz: int
    channels: int


def formats(most_in: int, most_out: int) -> list[Format]:
    """Return what a card of so many channels is asked for, the likeliest first.

    Two channels before one, because a lone microphone may sit on either of them. Of a card that has two where we ask
    for one, PortAudio takes the first microphone, and plays to both loudspeakers.
    """
    counts = [2, 1] if min(most_in, most_out) > 1 else [1]
    return [Format(rate, channels) for rate in RATES_HZ for channels in counts]


class Rate:
    """One direction's change of rate: what goes in comes out a period later at most, and always whole periods."""

    def __init__(self, from_hz: int, to_hz: int, samples: int) -> None:
        """`samples` is the length of a period that comes out."""
        self.ratio = to_hz / from_hz
        """Samples out for one that goes in."""
        self._samples = samples
        self._same = from_hz == to_hz
        self._resampler = samplerate.Resampler(CONVERTER, channels=1)
        self._rest: Wave = np.zeros(0, np.float32)
        self._begun = False

    def flow(self, wave: Wave, speed: float) -> Wave:
        """Take one period, give what comes of it: about a period, as `speed` (about 1) would have it."""
        changed: Wave = self._resampler.process(wave, self.ratio * speed)
        return changed

    def period(self, wave: Wave) -> Wave:
        """Take one period, give one."""
        if self._same:
            return wave
        rest = np.concatenate([self._rest, self._resampler.process(wave, self.ratio)])
        if not self._begun:
            self._begun = True
            rest = np.concatenate([np.zeros(max(0, self._samples - len(rest)) + SPARE, np.float32), rest])
        out, self._rest = rest[: self._samples], rest[self._samples :]
        return out if len(out) == self._samples else np.pad(out, (0, self._samples - len(out)))


class Converter:
    """Both directions of one open card. The card speaks float32, interleaved; we speak int16, mono; both as bytes.

    Where the card has our rate, one channel and no level to be changed, nothing but libsamplerate's own conversion of
    samples is left, which clips: two calls a period.
    """

    def __init__(self, rate_hz: int, period_ms: int, card: Format, microphone_db: float, loudspeaker_db: float) -> None:
        """`rate_hz` is ours. The two levels are added to what passes, in dB; what gets too loud is clipped."""
        self.card = card
        self.frames = card.rate_hz * period_ms // 1000
        """Length of the card's period, in its own samples."""
        self.silence = bytes(4 * self.frames * card.channels)
        self._samples = rate_hz * period_ms // 1000
        self._same = card == Format(rate_hz, 1)
        self._up = Rate(card.rate_hz, rate_hz, self._samples)
        self._down = Rate(rate_hz, card.rate_hz, self.frames)
        self._gain_up, self._gain_down = (np.float32(10 ** (db / 20)) for db in (microphone_db, loudspeaker_db))
        self._raw_up, self._raw_down = self._same and not microphone_db, self._same and not loudspeaker_db
        self._energy = np.zeros(card.channels)
        self._floats = ctypes.create_string_buffer(4 * self._samples)
        self._ints = ctypes.create_string_buffer(2 * self._samples)

    def microphone(self, data: bytes) -> bytes:
        """One period of the card's for one of ours."""
        if self._raw_up:
            _to_ints(data, self._ints, min(len(data) // 4, self._samples))
            return self._ints.raw
        return _rounded(self._up.period(self._one_channel(np.frombuffer(data, np.float32))) * self._gain_up)

    def microphone_at(self, data: bytes, speed: float) -> Samples:
        """One period of a card with a clock of its own, for about one of ours: as `speed` (about 1) would have it."""
        wave = self._up.flow(self._one_channel(np.frombuffer(data, np.float32)), speed)
        return np.frombuffer(_rounded(wave * self._gain_up), np.int16)

    def loudspeaker(self, samples: bytes) -> bytes:
        """One period of ours for one of the card's, on all its channels alike."""
        _to_floats(samples, self._floats, self._samples)
        if self._raw_down:
            return self._floats.raw
        wave = self._down.period(np.frombuffer(self._floats.raw, np.float32)) * self._gain_down
        np.clip(wave, -1, 1, out=wave)
        channels = self.card.channels
        return (wave if channels == 1 else np.repeat(wave, channels)).tobytes()

    def _one_channel(self, wave: Wave) -> Wave:
        """The mean of those channels that have a microphone."""
        channels = self.card.channels
        if channels == 1:
            return wave
        pair = wave.reshape(-1, channels)
        self._energy = 0.98 * self._energy + np.square(pair, dtype=np.float64).sum(axis=0)
        live = self._energy >= self._energy.max() * 10 ** (-DEAD_DB / 10)
        mean: Wave = pair[:, live].mean(axis=1, dtype=np.float32)
        return mean


def _rounded(wave: Wave) -> bytes:
    """Samples as int16; what is beyond them is clipped."""
    ints = ctypes.create_string_buffer(2 * len(wave))
    _to_ints(wave.tobytes(), ints, len(wave))
    return ints.raw


def resampled(wave: Wave, from_hz: int, to_hz: int) -> Wave:
    """Return a whole sound at another rate, as well as it can be done."""
    if from_hz == to_hz:
        return wave
    changed: Wave = samplerate.resample(wave, to_hz / from_hz, "sinc_best")
    return changed
