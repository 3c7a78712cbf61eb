# SPDX-License-Identifier: GPL-2.0-or-later
"""How loud a period is: for the audio thread."""

import math

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def power(frame: Samples) -> float:
    """Return the mean square of the samples, 0 to 32768 squared."""
    wide = frame.astype(np.float32)
    return float(wide @ wide) / len(frame)


def dbfs(mean_square: float) -> float:
    """Return what that is in dB below a full square wave; -100 for silence."""
    return 10 * math.log10(mean_square / 32768**2 + 1e-10)
