# SPDX-License-Identifier: GPL-2.0-or-later
"""How loud a period is: int16 in, for the audio thread."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def power(frame: Samples) -> float:
    """Return the mean square of the samples, 0 to 32768 squared."""
    return float(np.mean(np.square(frame, dtype=np.float64)))


def dbfs(frame: Samples) -> float:
    """Return the level in dB below a full square wave; -100 for silence."""
    return 10 * float(np.log10(power(frame) / 32768**2 + 1e-10))
