# SPDX-License-Identifier: GPL-2.0-or-later
"""Listens how a conversation sounds: judges its echo twice a second, and tells every two seconds what was measured."""

from collections.abc import Callable

import numpy as np

from intercom.core.commands import Audio
from intercom.core.events import EchoPersisted, Event, SoundMeasured
from intercom.engine.audio.controller import Sound
from intercom.engine.sip.user_agent import Telephone

JUDGE_S = 0.5
MEASURE_S = 2.0
"""The first time this long after the answer: whoever has sent nothing by then is not heard."""
POOR_S = 3.0
"""So long a room may show that its echo cannot be taken out. A canceller needs one second to learn it."""


class CallMonitor:
    """The leg that talks, if there is one. For the main thread."""

    def __init__(self, phone: Telephone, sound: Sound, post: Callable[[Event], None]) -> None:
        self._phone, self._sound, self._post = phone, sound, post
        self._leg = ""
        self._judge_at = self._measure_at = 0.0
        self._gains: list[float] = []
        self._poor_s = 0.0

    def set(self, audio: Audio, now: float) -> None:
        """Follow the level of the sound."""
        if audio.speak != self._leg:
            self._leg = audio.speak
            self._gains, self._poor_s = [], 0.0
            self._measure_at = now + MEASURE_S
            self._sound.alive()  # what was heard before the answer does not count

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._judge_at:
            # Also before the answer: the chime and the ringback tell whether this room has an echo at all.
            self._judge_at = now + JUDGE_S
            self._judge()
        if self._leg and now >= self._measure_at:
            self._measure_at = now + MEASURE_S
            self._phone.measure(self._leg)
            microphone, heard = self._sound.alive()
            echo_db = round(float(np.median(self._gains)), 1) if self._gains else None
            self._post(SoundMeasured(self._leg, microphone, heard, echo_db))

    def _judge(self) -> None:
        judgement = self._sound.judge()
        if not self._leg or judgement is None or not judgement.echo:
            return
        self._gains.append(judgement.gain_db)
        self._poor_s = self._poor_s + JUDGE_S if judgement.poor else 0.0
        if self._poor_s == POOR_S:
            self._post(EchoPersisted(self._leg, round(float(np.median(self._gains)), 1)))
