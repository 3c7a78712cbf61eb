# SPDX-License-Identifier: GPL-2.0-or-later
"""The loudspeaker's echo, and noise, taken out of the microphone: WebRTC's AEC3 and noise suppressor, as in Chrome.

It sees exactly the pair of frames that one card period plays and records, so there is no second clock that could
drift away under it. The delay between the two it finds by itself, up to half a second.

The two stand one after the other, not in one AudioProcessor: in a simulated room that holds a visitor who speaks at
the same time as the house by 0.4 to 1 dB instead of 2, and what is wanted of a room without echo becomes possible.
WebRTC's own gain control (AGC2) is left out: it lifts what is left of the echo by up to 25 dB.
"""

import numpy as np
import numpy.typing as npt
from pywebrtc_audio import EchoCanceller, NoiseSuppressor

from intercom.engine.audio.double_talk import DoubleTalkMixer

Samples = npt.NDArray[np.int16]

# 12 dB of 6, 12, 18 or 21: the step Chrome uses. More makes a voice at a windy door sound hollow.
NOISE_LEVEL = 1


class Canceller:
    """One microphone with the loudspeaker beside it. Only one thread may use it at a time."""

    def __init__(self, rate_hz: int, period_ms: int) -> None:
        """Raises ValueError unless a period is a whole number of the 10 ms frames that WebRTC works in."""
        if period_ms % 10:
            raise ValueError(f"the echo canceller works in steps of 10 ms, a period of {period_ms} ms does not fit")
        self.echoless = False
        """Set while the room has no echo at all (a headset, a loudspeaker switched off): AEC3 waits for one that must
        come, and meanwhile holds a visitor who speaks at the same time as the house by 25 to 40 dB. It goes on
        learning, but what it makes is not used. Any thread may set it."""
        self._canceller = EchoCanceller(sample_rate=rate_hz)
        self._suppressor = NoiseSuppressor(sample_rate=rate_hz, level=NOISE_LEVEL)
        self._raw = DoubleTalkMixer(rate_hz, period_ms)

    @property
    def speech(self) -> float:
        """How likely the last period held a voice, 0 to 1, as the noise suppressor sees it."""
        return float(self._suppressor.speech_probability)

    def process(self, microphone: Samples, loudspeaker: Samples) -> Samples:
        """The clean microphone: int16, (samples,), as both arguments. ValueError when their lengths differ.

        `loudspeaker` is what was given out last, tones included: its echo comes in this period at the earliest.
        """
        clean: Samples = self._canceller.process(microphone, loudspeaker)
        clean = self._raw.mix(microphone, clean, echoless=self.echoless)
        quiet: Samples = self._suppressor.process(clean)
        return quiet

    def reset(self) -> None:
        """Forget the room: the card was closed in between."""
        self.echoless = False
        self._canceller.reset()
        self._raw.reset()
        self._suppressor.reset()
