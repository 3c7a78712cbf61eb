# SPDX-License-Identifier: GPL-2.0-or-later
"""Both speak at once: a little of the raw microphone under what the canceller makes of it.

AEC3 takes syllables of the visitor away while the house speaks, and there is nothing to set about that from Python.
While the visitor speaks, an echo that is SHARE of what it was is hidden under his voice, and his syllables are
understood: 1.3 -> 1.7 on PESQ's scale (ITU-T P.862.2) in a simulated room. While he is silent nothing is let through.
"""

import numpy as np
import numpy.typing as npt

from intercom.engine.audio.level import power

Samples = npt.NDArray[np.int16]

SHARE = 0.12
"""Of the raw microphone: 18 dB down."""
LEFT_DB = -10.0
"""The canceller leaves 25 to 55 dB less of an echo, and 0 to 6 dB less of a visitor."""
FAINT = 30.0
"""RMS of 32768 below which nobody speaks."""
SMOOTH_S = 0.06
HOLD_S = 0.2
"""A pause within a word."""
LATE_S = 0.008
"""By which AEC3 holds the sound (measured): without the same delay the two would be a comb."""
RAMP = 0.3
"""Of the way to its goal that the share goes each period."""


class DoubleTalkMixer:
    """How much of the raw microphone is let through. For the audio thread alone."""

    def __init__(self, rate_hz: int, period_ms: int) -> None:
        """Nothing is, until both have spoken."""
        self._period_s = period_ms / 1000
        self._late = round(LATE_S * rate_hz)
        self._ramp = np.linspace(0, 1, rate_hz * period_ms // 1000, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._before: Samples = np.zeros(self._late, np.int16)
        self._share = self._held_s = 0.0
        self._came = self._left = 0.0

    def mix(self, microphone: Samples, clean: Samples, *, echoless: bool) -> Samples:
        """Return the clean period with its share of the raw one; in a room without echo the raw one alone."""
        before, self._before = self._before, microphone
        goal = 1.0 if echoless else SHARE if self._visitor_speaks(microphone, clean) else 0.0
        last, self._share = self._share, goal + (1 - RAMP) * (self._share - goal)
        if abs(goal - self._share) < 0.01:
            self._share = goal
        if last == self._share == 0.0:
            return clean
        raw = np.concatenate([before[-self._late :], microphone[: -self._late]])
        if last == self._share == 1.0:
            return raw
        share = np.float32(last) + self._ramp * np.float32(self._share - last)
        mixed: Samples = (clean * (1 - share) + raw * share).astype(np.int16)
        return mixed

    def _visitor_speaks(self, microphone: Samples, clean: Samples) -> bool:
        keep = self._period_s / SMOOTH_S
        self._came += keep * (power(microphone) - self._came)
        self._left += keep * (power(clean) - self._left)
        speaks = self._left > max(FAINT**2, self._came * 10 ** (LEFT_DB / 10))
        self._held_s = HOLD_S if speaks else max(0.0, self._held_s - self._period_s)
        return self._held_s > 0
