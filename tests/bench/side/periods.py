"""Has the sound card's callback called so many times: `periods.py NUMBER [bare]`; bare is without canceller and gain.

A stand-in takes the place of PJSIP's bridge, whose start takes another number of instructions each time.
"""

import os
import sys

import numpy as np
from bench.side.counted import SETTINGS

from intercom.core.commands import Audio
from intercom.engine.audio.controller import Sound
from intercom.engine.audio.resample import Converter, Format
from intercom.engine.audio.stream import Card, Making
from intercom.engine.audio.sweep import TALK_S, Meter
from intercom.engine.audio.tones import Tones

RATE_HZ, PERIOD_MS = SETTINGS.rate_hz, SETTINGS.period_ms
noise = 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ * PERIOD_MS // 1000)
said = (32768 * noise).astype(np.int16).tobytes()


class Bridge:
    """A far end that says something and hears nothing."""

    def get(self) -> bytes:
        return said

    def put(self, frame: bytes) -> None:
        """Nobody hears it."""


echo = "bare" not in sys.argv
sound = Sound(
    bridge=Bridge(),
    tones=Tones(RATE_HZ, SETTINGS.country, {}),
    rate_hz=RATE_HZ,
    period_ms=PERIOD_MS,
    card_in="none such",
    card_out="none such",
    echo=echo,
    gain=echo,
    post=lambda event: None,
    register_thread=lambda name: None,
)
period = sound._period
# Past `Sound.set`, whose worker would look for a card meanwhile.
period.audio, period.probe = Audio(card=True, hear="leg", speak="leg"), Meter(RATE_HZ, lambda event: None, TALK_S)
card = Card(period.with_card, Making(RATE_HZ, PERIOD_MS), lambda: None, lambda: None)
card._converter = Converter(RATE_HZ, PERIOD_MS, Format(RATE_HZ, 1), 0, 0)
card.driving = True
data = noise.astype(np.float32).tobytes()
for _ in range(int(sys.argv[1])):
    card._callback(data, RATE_HZ * PERIOD_MS // 1000, None, 0)
os._exit(0)
