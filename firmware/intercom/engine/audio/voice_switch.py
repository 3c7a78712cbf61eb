# SPDX-License-Identifier: GPL-2.0-or-later
"""One at a time: for a room whose echo nothing takes out, the voice that began first holds the line.

While the house speaks, and until its echo has died away, the microphone is held; while the visitor speaks, the
loudspeaker is. Whoever wants to break in must outlast the other for a second, so traffic that passes for a visitor
does not silence the house.
"""

import numpy as np
import numpy.typing as npt

from intercom.engine.audio.level import power

Samples = npt.NDArray[np.int16]

HELD = 10 ** (-40 / 20)
"""What is left of the direction that is held."""
SPEAKS = 10 ** (-42 / 20) * 32768
"""RMS of a frame that holds a voice; the echo of one that is softer is not worth a switch."""
VOICE = 0.6
"""Likelihood of speech from which on the microphone's frame counts as a voice."""
PAUSE_S = 0.3
"""A voice may pause this long, between words, without losing the line."""
BREAK_IN_S = 1.0
ECHO_S = 1.0
"""How long an echo may take that nothing takes out; a shorter one is told."""
RAMP = 0.25
"""Of the way to its goal that a gain goes each period: quick enough for a first syllable, too slow for a click."""


class Turns:
    """Whose turn it is. For the audio thread alone; all levels are those of one period."""

    def __init__(self, period_ms: int) -> None:
        self._period_s = period_ms / 1000
        self.echo_s = ECHO_S
        """How long the echo takes. Any thread may set it."""
        self._house = self._visitor = 0.0  # how long each holds the line from here on
        self._wants = 0.0  # how long the house has tried to break in
        self._up = self._down = 1.0

    def play(self, down: Samples) -> None:
        """Take what the house says; hold it, in place, while it is the visitor's turn."""
        speaks = _rms(down) > SPEAKS
        if speaks and self._visitor > 0:
            self._wants += self._period_s
        elif not speaks:
            self._wants = max(0.0, self._wants - self._period_s)
        if speaks and (self._visitor <= 0 or self._wants > BREAK_IN_S):
            self._visitor = self._wants = 0.0
            self._house = PAUSE_S + self.echo_s
        else:
            self._house = max(0.0, self._house - self._period_s)
        self._down = self._scale(down, self._down, HELD if self._visitor > 0 else 1.0)

    def record(self, up: Samples, speech: float) -> Samples:
        """Take what the visitor says; return it, held while it is the house's turn."""
        if self._house <= 0 and speech > VOICE and _rms(up) > SPEAKS:
            self._visitor = PAUSE_S
        else:
            self._visitor = max(0.0, self._visitor - self._period_s)
        held = up.copy()
        self._up = self._scale(held, self._up, HELD if self._house > 0 else 1.0)
        return held

    @staticmethod
    def _scale(frame: Samples, gain: float, goal: float) -> float:
        reached = goal if abs(goal - gain) < 0.01 else gain + RAMP * (goal - gain)
        if gain != 1.0 or reached != 1.0:
            frame[:] = frame * np.linspace(gain, reached, len(frame))
        return reached


def _rms(frame: Samples) -> float:
    return float(np.sqrt(power(frame)))
