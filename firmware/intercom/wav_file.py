# SPDX-License-Identifier: GPL-2.0-or-later
"""Sounds from files: opened and checked, without the library for numbers, which the daemon does not need."""

import os
import stat
import sys
import wave
from array import array
from pathlib import Path
from typing import NamedTuple

from intercom.errors import SoundFileError

LONGEST_S = 30.0
LONGEST_TONE_S = 3.5
"""A tone at a visit's end has this long before the card is closed (`Rules.closing_s`)."""
LONGEST = {"chime": 6.0, "ringback": 15.0, "listening": 2.5, "warning": 1.5, "door-open": 1.5, "wrong-code": 1.5}
"""Tone -> how long a file for it may be, in seconds. The last two sound into a conversation: no speech over speech."""
SOFTEST = 10 ** (-40 / 20)
"""Of full scale: a file whose peak is below this is silence."""
RATES_HZ = (8000, 96000)
REMEDY = "make one with: ffmpeg -i IN -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav"
_ARRAYS = {1: "B", 2: "h", 4: "i"}
_LOOK = 8192
"""Samples that are looked at together."""


class Recording(NamedTuple):
    """A WAV file's content: little-endian PCM, unsigned where a sample has one byte."""

    data: bytes
    rate_hz: int
    channels: int
    width: int
    """Bytes of one sample, 1 to 4."""


def opened(path: Path, longest_s: float = LONGEST_S) -> Recording:
    """Return what is in a WAV file. Raises SoundFileError, which names the file and says what to do."""
    try:
        # Not blocking: a pipe that nobody writes to would hold up the door.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as raw:
            if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
                raise SoundFileError(f"{path}: cannot be read: not a file")
            with wave.open(raw, "rb") as file:
                rate, width, frames = file.getframerate(), file.getsampwidth(), file.getnframes()
                if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
                    raise SoundFileError(f"{path}: {rate} Hz; must be {RATES_HZ[0]} to {RATES_HZ[1]}: {REMEDY}")
                if not 1 <= width <= 4:
                    raise SoundFileError(f"{path}: {8 * width} bits a sample; must be 8 to 32: {REMEDY}")
                if frames > longest_s * rate:
                    raise SoundFileError(f"{path}: {frames / rate:.1f} s long; must be at most {longest_s:g} s: cut it")
                whole = file.getnchannels() * width
                data = file.readframes(frames)
                return Recording(data[: len(data) // whole * whole], rate, file.getnchannels(), width)
    except OSError as error:
        raise SoundFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise SoundFileError(f"{path}: not a WAV file of plain PCM ({error}): {REMEDY}") from error


def check(path: Path, longest_s: float) -> None:
    """Return when a file can be played. Raises SoundFileError, which names the file and says what to do."""
    if not _is_heard(opened(path, longest_s)):
        raise silent(path)


def silent(path: Path) -> SoundFileError:
    """Return the complaint about a file of silence."""
    return SoundFileError(f"{path}: nothing to hear: its peak is below -40 dBFS")


def _is_heard(recording: Recording) -> bool:
    """Whether some sample is loud enough. Several channels are mixed later: one of them alone may be too soft then."""
    data, width = (_upper(recording.data), 2) if recording.width == 3 else (recording.data, recording.width)
    samples = array(_ARRAYS[width], data)
    if sys.byteorder == "big":
        samples.byteswap()
    middle, full = (128, 128) if width == 1 else (0, 1 << (8 * width - 1))
    for start in range(0, len(samples), _LOOK):
        some = samples[start : start + _LOOK]
        if max(max(some) - middle, middle - min(some)) >= SOFTEST * full:
            return True
    return False


def _upper(data: bytes) -> bytes:
    """Return the two upper bytes of each sample of three."""
    upper = bytearray(len(data) // 3 * 2)
    upper[0::2], upper[1::2] = data[1::3], data[2::3]
    return bytes(upper)
