"""Speech-like test tones, and their measurement.

Noise suppressors take a steady tone for noise and remove it. These tones come in syllables, four a
second with pauses between, so they pass as speech; find_tone() measures in the syllables only.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
SYLLABLES_PER_SECOND = 4.0
SPOKEN_SHARE = 0.65  # of a syllable's time; the rest is a pause
FRAME_S = 0.032
SILENCE_DBFS = -90.0


@dataclass(frozen=True)
class ToneReport:
    """What find_tone() found."""

    level_dbfs: float  # of the tone in its syllables; a full-scale sine is -3
    peak_hz: float  # strongest frequency near the one that was sought, or anywhere when it is absent
    purity: float  # share of the energy in the syllables that is the tone's, 0 to 1
    present_s: float  # how long the tone was the strongest thing heard, pauses not counted

    @property
    def heard(self) -> bool:
        """Whether a listener would say that the tone was there."""
        return self.present_s >= 0.3 and self.purity >= 0.5


def speech_tone(hz: float, seconds: float, rate: int = 16000, level_dbfs: float = -15.0) -> Samples:
    """A tone in syllables; its level is that of the syllables' middle (a full-scale sine is -3)."""
    t = np.arange(round(seconds * rate)) / rate
    phase = (t * SYLLABLES_PER_SECOND) % 1.0
    envelope = np.where(phase < SPOKEN_SHARE, np.sqrt(np.abs(np.sin(np.pi * phase / SPOKEN_SHARE))), 0.0)
    # A little vibrato, as in a voice.
    carrier = np.sin(2 * np.pi * hz * t + 0.3 * np.sin(2 * np.pi * 5.0 * t))
    amplitude = 10 ** (level_dbfs / 20) * np.sqrt(2)
    tone: Samples = (amplitude * envelope * carrier).astype(np.float32)
    return tone


def babble(seconds: float, rate: int = 16000, level_dbfs: float = -24.0, seed: int = 1) -> Samples:
    """Noise that rises, falls and changes its colour as words do, and never repeats; for echo, which repetition
    would hide. Its level is that of the loud syllables."""
    rng = np.random.default_rng(seed)
    count, syllable = round(seconds * rate), rate // 20
    parts = count // syllable + 2
    loud = np.repeat(rng.choice([0.0, 0.2, 1.0], parts, p=[0.35, 0.25, 0.4]), syllable)[:count]
    loud = np.convolve(loud, np.hanning(rate // 25) / (rate // 50), "same")
    white = rng.standard_normal(count)
    sum_ = np.cumsum(white)
    dark = sum_ - np.convolve(sum_, np.ones(60) / 60, "same")
    mixed = np.repeat(rng.random(parts), syllable)[:count]
    voice = loud * (mixed * dark / dark.std() + (1 - mixed) * white)
    scaled: Samples = (voice * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(voice[loud > 0.5] ** 2))).astype(np.float32)
    return scaled


def chirp(rate: int = 16000, seconds: float = 0.05, level: float = 0.5) -> Samples:
    """A short sweep, 400 to 3200 Hz, for timing by correlation."""
    t = np.arange(round(rate * seconds)) / rate
    sweep = np.sin(2 * np.pi * (400 * t + (2800 / seconds / 2) * t * t))
    signal: Samples = (level * sweep * np.hanning(len(t))).astype(np.float32)
    return signal


def level_dbfs(samples: Samples) -> float:
    """RMS level; silence is -90."""
    if len(samples) == 0:
        return SILENCE_DBFS
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return max(SILENCE_DBFS, 20 * float(np.log10(max(rms, 1e-9))))


def find_tone(samples: Samples, rate: int, hz: float, tolerance_hz: float = 40.0) -> ToneReport:
    """Seek a speech-like tone in a recording."""
    size = round(FRAME_S * rate)
    count = len(samples) // size
    if count == 0:
        return ToneReport(SILENCE_DBFS, 0.0, 0.0, 0.0)
    window = np.hanning(size)
    frames = np.asarray(samples[: count * size], dtype=np.float64).reshape(count, size)
    # Zero padding to a finer grid: the peak is then found to about a hertz.
    power = np.abs(np.fft.rfft(frames * window, 8 * size, axis=1)) ** 2
    grid = np.fft.rfftfreq(8 * size, 1 / rate)
    power[:, grid < 60] = 0.0  # direct current and hum
    near = np.abs(grid - hz) <= max(tolerance_hz, 1.5 / FRAME_S)
    total, tone = power.sum(axis=1), power[:, near].sum(axis=1)
    # Energy of a frame in full scale: Parseval, one-sided spectrum, less the window's loss.
    scale = 2.0 / (8 * size * np.sum(window**2))
    audible = total * scale > 10 ** (-65 / 10)
    active = audible & (tone > 0.5 * total)
    if not active.any():
        loudest = float(grid[np.argmax(power.sum(axis=0))]) if audible.any() else 0.0
        return ToneReport(SILENCE_DBFS, loudest, 0.0, 0.0)
    strong = active & (tone > 0.25 * np.percentile(tone[active], 90))  # the syllables' middle
    level = 10 * np.log10(tone[strong].mean() * scale)
    spectrum = power[strong].sum(axis=0)
    spoken = audible & (total > 0.1 * np.percentile(total[audible], 90))
    return ToneReport(
        level_dbfs=round(float(level), 1),
        peak_hz=round(float(grid[np.argmax(np.where(near, spectrum, 0.0))]), 1),
        purity=round(float(tone[spoken].sum() / total[spoken].sum()), 3),
        present_s=round(float(active.sum()) * FRAME_S, 2),
    )


def write_wav(path: Path, samples: Samples, rate: int = 16000) -> Path:
    """Mono, 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples of the first channel, 16 bit, and the rate; of a file still being written, what is there."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        data = file.readframes(file.getnframes())
    data = data[: len(data) - len(data) % (2 * channels)]
    return (np.frombuffer(data, "<i2")[::channels] / 32768).astype(np.float32), rate
