# SPDX-License-Identifier: GPL-2.0-or-later
"""Sounds from files: read, checked, brought to one channel, our rate and a level that leaves room for a voice."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intercom.engine.convert import resampled
from intercom.errors import SoundFileError

Samples = npt.NDArray[np.int16]

LONGEST_S = 30.0
LONGEST_TONE_S = 3.5
"""A tone at a visit's end has this long before the card is closed (`Rules.closing_s`)."""
LONGEST = {"chime": 6.0, "ringback": 15.0, "listening": 2.5, "warning": 1.5, "door-open": 1.5, "wrong-code": 1.5}
"""Tone -> how long a file for it may be, in seconds. The last two sound into a conversation: no speech over speech."""
LOUDEST = 10 ** (-9 / 20)
"""Of full scale: what is louder is made softer."""
SOFTEST = 10 ** (-40 / 20)
RATES_HZ = (8000, 96000)
REMEDY = "make one with: ffmpeg -i IN -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav"


def read(path: Path, rate_hz: int, longest_s: float = LONGEST_S) -> Samples:
    """Return a WAV file's sound: int16, (samples,), at `rate_hz`, at most `longest_s` seconds long.

    Raises SoundFileError, which names the file and says what to do.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width, frames = (
                file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes(),
            )  # fmt: skip
            if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
                raise SoundFileError(f"{path}: {rate} Hz; must be {RATES_HZ[0]} to {RATES_HZ[1]}: {REMEDY}")
            if frames > longest_s * rate:
                raise SoundFileError(f"{path}: {frames / rate:.1f} s long; must be at most {longest_s:g} s: cut it")
            data = file.readframes(frames)
    except OSError as error:
        raise SoundFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError) as error:
        raise SoundFileError(f"{path}: not a WAV file of plain PCM ({error}): {REMEDY}") from error
    sound = _floats(data, width).reshape(-1, channels).mean(axis=1)
    loudest = float(np.abs(sound).max(initial=0))
    if loudest < SOFTEST:
        raise SoundFileError(f"{path}: nothing to hear: its peak is below -40 dBFS")
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
