"""Drives so many periods of audio, with canceller and suppressor, through the real bridge: `periods.py NUMBER`."""

import os
import sys

import numpy as np
from bench.side.counted import SETTINGS

from intercom.core.commands import Audio
from intercom.engine import sip
from intercom.engine.conference import Bridge
from intercom.engine.sound import Sound
from intercom.engine.tones import Tones

phone = sip.Telephone(SETTINGS, lambda event: None)
phone.start()
bridge = Bridge(sip.library(), SETTINGS.rate_hz, SETTINGS.period_ms)
bridge.attach()
sound = Sound(
    bridge=bridge,
    tones=Tones(SETTINGS.rate_hz, SETTINGS.country, {}),
    rate_hz=SETTINGS.rate_hz,
    period_ms=SETTINGS.period_ms,
    card_in="none such",
    card_out="none such",
    echo=True,
    post=lambda event: None,
    register_thread=phone.register_thread,
)
period = sound._period
period.audio = Audio(card=True, hear="leg", speak="leg")
microphone = (3000 * np.random.default_rng(1).standard_normal(SETTINGS.rate_hz * SETTINGS.period_ms // 1000)).astype(
    "i2"
)
for _ in range(int(sys.argv[1])):
    period.with_card(microphone.tobytes())
os._exit(0)
