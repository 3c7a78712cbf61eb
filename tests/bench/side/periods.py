"""Drives so many periods of audio, with canceller and suppressor: `periods.py NUMBER`.

A stand-in takes the place of PJSIP's bridge, whose start takes another number of instructions each time.
"""

import os
import sys

import numpy as np
from bench.side.counted import SETTINGS

from intercom.core.commands import Audio
from intercom.engine.sound import Sound
from intercom.engine.tones import Tones

noise = np.random.default_rng(1).standard_normal(SETTINGS.rate_hz * SETTINGS.period_ms // 1000)
microphone = (3000 * noise).astype(np.int16)


class Bridge:
    """A far end that says something and hears nothing."""

    def get(self) -> object:
        return microphone

    def put(self, samples: object) -> None:
        """Nobody hears it."""


sound = Sound(
    bridge=Bridge(),
    tones=Tones(SETTINGS.rate_hz, SETTINGS.country, {}),
    rate_hz=SETTINGS.rate_hz,
    period_ms=SETTINGS.period_ms,
    card_in="none such",
    card_out="none such",
    echo=True,
    post=lambda event: None,
    register_thread=lambda name: None,
)
period = sound._period
period.audio = Audio(card=True, hear="leg", speak="leg")
for _ in range(int(sys.argv[1])):
    period.with_card(microphone.tobytes())
os._exit(0)
