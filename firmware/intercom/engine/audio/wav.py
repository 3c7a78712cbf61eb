# SPDX-License-Identifier: GPL-2.0-or-later
"""Sounds from files: read, checked, brought to one channel, our rate and a level that leaves room for a voice."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intercom import wav_file
from intercom.engine.audio.resample import resampled

Samples = npt.NDArray[np.int16]

LOUDEST = 10 ** (-9 / 20)
"""Of full scale: what is louder is made softer."""


def read(path: Path, rate_hz: int, longest_s: float = wav_file.LONGEST_S) -> Samples:
    """Return a WAV file's sound: int16, (samples,), at `rate_hz`, at most `longest_s` seconds long.

    Raises SoundFileError, which names the file and says what to do.
    """
    data, rate, channels, width = wav_file.opened(path, longest_s)
    sound = _floats(data, width).reshape(-1, channels).mean(axis=1)
    loudest = float(np.abs(sound).max(initial=0))
    if loudest < wav_file.SOFTEST:
        raise wav_file.silent(path)
    return _samples(resampled(sound.astype(np.float32), rate, rate_hz), loudest)


def write(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write one channel of int16."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())


def _floats(data: bytes, width: int) -> npt.NDArray[np.float64]:
    """PCM as it stands in the file; 8 bits are unsigned, all others signed."""
    if width == 1:
        return (np.frombuffer(data, np.uint8) - 128.0) / 128
    if width == 3:
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8)[: len(padded) * 3].reshape(-1, 3)
        return padded.view("<i4").reshape(-1) / 2.0**31
    whole = len(data) // width * width
    return np.frombuffer(data[:whole], f"<i{width}") / 2.0 ** (8 * width - 1)


def _samples(sound: npt.NDArray[np.float32], loudest: float) -> Samples:
    made: Samples = np.rint(np.clip(sound * min(1.0, LOUDEST / loudest), -1, 1) * 32767).astype(np.int16)
    made.flags.writeable = False
    return made
