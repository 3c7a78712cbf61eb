# SPDX-License-Identifier: GPL-2.0-or-later
"""A visitor who speaks softly, or stands too near: brought to a usual loudness, slowly and within bounds.

WebRTC's own gain control lifts what is left of an echo by up to 25 dB, because it takes it for somebody who whispers.
This one learns from the visitor alone: while the house is silent, and the noise suppressor is sure of a voice. What it
has learned it keeps, also while both speak: visitor and residue are lifted alike, and by no more than MOST_DB.
"""

import math

import numpy as np
import numpy.typing as npt

from intercom.engine.audio.level import dbfs, power

Samples = npt.NDArray[np.int16]

SOFT_DBFS, LOUD_DBFS = -26.0, -18.0
"""Level of a voice while it speaks: from what telephone networks are planned for (ITU-T P.56 and G.101, -26 dBov) to
what begins to be too loud at an ear. In between nothing is changed."""
MOST_DB, LEAST_DB = 12.0, -9.0
NOISE_DBFS = -54.0
"""What is lifted of a noisy street at most."""
VOICE = 0.8
"""Likelihood of speech from which on a period is the visitor's."""
FAINT_DBFS = -55.0
"""Nobody speaks so softly; it is a far-off street, or what is left of the house."""
HOUSE = 10 ** (-55 / 10) * 32768**2
"""Mean square from which on the house speaks."""
HOUSE_S = 0.5
"""After the house has spoken its echo is still about."""
LEARN_S = 0.4
"""Of a voice, until its level is mostly known."""
UP_DB_S, DOWN_DB_S = 4.0, 20.0
PEAK = 28000.0
"""Of 32767. What would get higher is made softer at once."""


class Gain:
    """The gain of one microphone. For the audio thread alone."""

    def __init__(self, period_ms: int) -> None:
        """It begins with no gain at all."""
        self.gain_db = 0.0
        """What is added now, in dB."""
        self._period_s = period_ms / 1000
        self._voice_dbfs: float | None = None
        self._noise_dbfs = -90.0
        self._house_s = 0.0  # since when it is silent
        self._last = 1.0

    def process(self, clean: Samples, loudspeaker: Samples, speech: float) -> Samples:
        """Return the microphone's period at its loudness. `speech`: how likely it holds a voice, 0 to 1."""
        self._house_s = 0.0 if power(loudspeaker) > HOUSE else self._house_s + self._period_s
        now_power = power(clean)
        if self._house_s >= HOUSE_S:
            self._learn(dbfs(now_power), speech)
        wanted = 10 ** (self.gain_db / 20)
        # No sample is higher than all of them together.
        if wanted * math.sqrt(now_power * len(clean)) < PEAK:
            now = wanted
        else:
            peak = float(np.abs(clean.astype(np.int32)).max(initial=1)) * wanted
            now = wanted * min(1.0, PEAK / peak)
        last, self._last = self._last, now
        if now == last:
            return clean if now == 1.0 else (clean * np.float32(now)).astype(np.int16)
        ramp = np.linspace(last, now, len(clean), dtype=np.float32)
        loud: Samples = np.clip(clean * ramp, -32768, 32767).astype(np.int16)
        return loud

    def _learn(self, level: float, speech: float) -> None:
        if speech >= VOICE and level > FAINT_DBFS:
            known = level if self._voice_dbfs is None else self._voice_dbfs
            self._voice_dbfs = known + (level - known) * self._period_s / LEARN_S
            self._approach(self._voice_dbfs)
        elif speech < 1 - VOICE:
            self._noise_dbfs += (level - self._noise_dbfs) * self._period_s / LEARN_S

    def _approach(self, voice: float) -> None:
        most = min(MOST_DB, max(0.0, NOISE_DBFS - self._noise_dbfs))
        wanted = max(0.0, SOFT_DBFS - voice) + min(0.0, LOUD_DBFS - voice)
        goal = min(most, max(LEAST_DB, wanted))
        step = goal - self.gain_db
        self.gain_db += min(UP_DB_S * self._period_s, max(-DOWN_DB_S * self._period_s, step))
