# SPDX-License-Identifier: GPL-2.0-or-later
"""The loudspeaker's echo, and noise, taken out of the microphone: WebRTC's AEC3 and noise suppressor, as in Chrome.

It sees exactly the pair of frames that one card period plays and records, so there is no second clock that could
drift away under it. The delay between the two it finds by itself.
"""

import numpy as np
import numpy.typing as npt
from pywebrtc_audio import AudioProcessor

Samples = npt.NDArray[np.int16]

# 12 dB of 6, 12, 18 or 21: the step Chrome uses. More makes a voice at a windy door sound hollow.
NOISE_LEVEL = 1


class Canceller:
    """One microphone with the loudspeaker beside it. Only one thread may use it at a time."""

    def __init__(self, rate_hz: int, period_ms: int, noise_suppression: bool = True, gain: bool = False) -> None:
        """Raises ValueError unless a period is a whole number of the 10 ms frames that WebRTC works in."""
        if period_ms % 10:
            raise ValueError(f"the echo canceller works in steps of 10 ms, a period of {period_ms} ms does not fit")
        self._processor = AudioProcessor(
            sample_rate=rate_hz,
            echo_cancellation=True,
            noise_suppression=noise_suppression,
            ns_level=NOISE_LEVEL,
            auto_gain_control=gain,
        )

    def process(self, microphone: Samples, loudspeaker: Samples) -> Samples:
        """The clean microphone: int16, (samples,), as both arguments. ValueError when their lengths differ.

        `loudspeaker` is what is about to be played, tones included; its echo comes in a later period.
        """
        clean: Samples = self._processor.process(microphone, loudspeaker)
        return clean

    def reset(self) -> None:
        """Forget the room: the card was closed in between."""
        self._processor.reset()
