"""What is made of two recordings: levels, delays, echo return loss enhancement, and PESQ."""

from __future__ import annotations

import os
import sys

import numpy as np
from numpy.typing import NDArray

sys.path += os.environ["INTERCOM_BENCH_PATH"].split(os.pathsep)
from pesq import PesqError, pesq

RATE = 16000
Wave = NDArray[np.float32]


class Track:
    """Sound with the monotonic time of its first sample."""

    def __init__(self, samples: NDArray[np.generic], began: float) -> None:
        scale = 32768 if samples.dtype == np.int16 else 1
        self.samples: Wave = (samples / scale).astype(np.float32)
        self.began = began

    def part(self, since: float, seconds: float) -> Wave:
        """So many seconds of it from a moment on; what is missing is silence."""
        first, count = round((since - self.began) * RATE), round(seconds * RATE)
        whole = np.zeros(count, np.float32)
        have = self.samples[max(first, 0) : max(first + count, 0)]
        whole[max(-first, 0) : max(-first, 0) + len(have)] = have
        return whole


def level(wave: Wave) -> float:
    """RMS in dBFS, -99 for silence."""
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(wave, dtype=np.float64))) + 10**-4.95))


def lag(early: Wave, late: Wave, most_s: float = 1.0) -> float:
    """By how many seconds `late` follows `early`, 0 to `most_s`: where they are most alike."""
    size = 1 << (len(early) + len(late)).bit_length()
    match = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(early, size)), size)
    return int(np.abs(match[: round(most_s * RATE)]).argmax()) / RATE


def quality(clean: Wave, heard: Wave) -> float:
    """PESQ, wide band (ITU-T P.862.2): 1.0 to 4.6; nan where it finds no words."""
    try:
        return float(pesq(RATE, clean, heard, "wb"))
    except (PesqError, ValueError):
        return float("nan")
