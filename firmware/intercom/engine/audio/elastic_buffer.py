# SPDX-License-Identifier: GPL-2.0-or-later
"""A microphone on another card than the loudspeaker: two clocks, of which the loudspeaker's is the master.

The microphone's periods wait in a small buffer. How full it is, averaged over seconds, steers the rate of conversion
by some millionths, so that it neither runs dry nor grows: nobody hears that, and no sample is left out.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

AVERAGE_S = 2.0  # the fill jumps by a period with each callback; only its mean tells the clocks apart
PULL = 0.1  # per second: a buffer that is off by 10 ms is corrected by 1000 millionths at first
HOLD = PULL**2 / 4  # critically damped: no swinging
MOST = 0.003  # of the rate: cheap quartzes are 10 times better
FULL_PERIODS = 6  # more than this is left over from a stall, and is dropped


class ElasticBuffer:
    """Takes what the microphone's clock brings, gives what the loudspeaker's clock asks for."""

    def __init__(self, rate_hz: int, period: int, target: int) -> None:
        """All in samples of ours; `target` is how many wait on average."""
        self._rate_hz, self._period, self._target = rate_hz, period, target
        self._waiting: deque[Samples] = deque()
        self._rest: Samples = np.zeros(0, np.int16)
        self._put = self._taken = 0
        self._mean, self._pulled = 0.0, 0.0
        self._begun = False
        self.speed = 1.0
        """By how much more than nominal the conversion should make."""
        self.holes = 0
        """How often there was too little, or too much."""

    @property
    def fill(self) -> int:
        """Samples that wait."""
        return self._put - self._taken

    def put(self, samples: Samples) -> None:
        """Bring some, on the microphone's thread."""
        self._waiting.append(samples)
        self._put += len(samples)

    def take(self) -> Samples:
        """One period, on the loudspeaker's thread; silence until the buffer is filled for the first time."""
        if not self._begun:
            if self.fill < self._target:
                return np.zeros(self._period, np.int16)
            self._begun, self._mean = True, float(self._target)
        if self.fill > self._target + FULL_PERIODS * self._period:
            self._drop(self.fill - self._target)
        while len(self._rest) < self._period and self._waiting:
            self._rest = np.concatenate([self._rest, self._waiting.popleft()])
        self._steer()
        out, self._rest = self._rest[: self._period], self._rest[self._period :]
        self._taken += len(out)
        if len(out) < self._period:  # it ran dry: fill it anew instead of stuttering
            self.holes += 1
            self._begun = False
            return np.pad(out, (self._period - len(out), 0))
        return out

    def _steer(self) -> None:
        seconds = self._period / self._rate_hz
        self._mean += (self.fill - self._mean) * seconds / AVERAGE_S
        late = (self._target - self._mean) / self._rate_hz
        self._pulled = max(-MOST, min(MOST, self._pulled + HOLD * late * seconds))
        self.speed = 1 + max(-MOST, min(MOST, PULL * late + self._pulled))

    def _drop(self, count: int) -> None:
        self.holes += 1
        rest = np.concatenate([self._rest, *(self._waiting.popleft() for _ in range(len(self._waiting)))])
        self._rest = rest[count:]
        self._taken += min(count, len(rest))
        self._mean = float(self._target)
