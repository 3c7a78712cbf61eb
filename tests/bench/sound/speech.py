"""The words of the benchmark: two voices of espeak-ng, which every machine makes alike."""

from __future__ import annotations

import io
import subprocess
import wave
from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16000
HOUSE = (
    "Hello, who is there please? I am upstairs, and it will take me a moment to come down to the door. "
    "Is it the parcel? Please wait one minute, I shall open the door for you. Thank you for your patience."
)
VISITOR = (
    "Good morning. I bring a parcel for number five, and I need a signature from you. "
    "It is quite heavy, so I would rather not leave it here in the rain. May I come in?"
)
VOICES = {HOUSE: ("en-gb", "150", "55"), VISITOR: ("en-us", "145", "30")}
Wave = NDArray[np.float32]


@cache
def spoken(words: str) -> Wave:
    """Return the words once: float32, 16 kHz, at an RMS of 0.08 (-22 dBFS) while they are spoken."""
    voice, speed, pitch = VOICES[words]
    command = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "--stdout", words]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(output)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(output[44:], "<i2").astype(np.float64)
    count = len(sound) * RATE // rate
    spectrum = np.fft.rfft(sound)[: count // 2 + 1]
    narrow = np.fft.irfft(spectrum, count)
    loud = narrow[np.abs(narrow) > 0.02 * np.abs(narrow).max()]
    level: Wave = (narrow * 0.08 / np.sqrt(np.mean(np.square(loud)))).astype(np.float32)
    return level


def lasting(words: str, seconds: float) -> Wave:
    """Return the words over and over, a quarter of a second between, for so long."""
    once = np.concatenate([spoken(words), np.zeros(RATE // 4, np.float32)])
    return np.resize(once, round(seconds * RATE))
