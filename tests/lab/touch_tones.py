"""Keys as tones in the sound (ITU-T Q.23), as phones send them that know nothing better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16000
ALL = "1234567890*#ABCD"
DBM0 = -3.14
"""What a sine of 0 dBm0 has of full scale, in dB (ITU-T G.711)."""
_HZ = {
    key: (low, high)
    for low, keys in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
    for key, high in zip(keys, (1209, 1336, 1477, 1633), strict=True)
}
Samples = NDArray[np.float32]


def tone(key: str, ms: float, *, dbm0: float = -10, off: float = 0.0, twist_db: float = 0.0) -> Samples:
    """A key's two tones; `twist_db` is how much louder the higher one is, `off` by how much both are out of tune."""
    t = np.arange(round(RATE * ms / 1000)) / RATE
    low, high = (10 ** ((dbm0 + DBM0 + extra) / 20) for extra in (min(0, -twist_db), min(0, twist_db)))
    row, column = (2 * np.pi * hz * (1 + off) * t for hz in _HZ[key])
    return np.asarray(low * np.sin(row) + high * np.sin(column), np.float32)


def silence(ms: float) -> Samples:
    """Nothing."""
    return np.zeros(round(RATE * ms / 1000), np.float32)


def keyed(keys: str, ms: float, pause_ms: float, **how: float) -> Samples:
    """Keys one after the other, from an instant that fits no period of 10 ms."""
    parts = [part for key in keys for part in (tone(key, ms, **how), silence(pause_ms))]
    return np.concatenate([silence(103), *parts, silence(100)])
