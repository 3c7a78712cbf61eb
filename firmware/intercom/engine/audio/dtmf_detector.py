# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that come as tones in the sound itself: DTMF (ITU-T Q.23), told apart from speech and timed after ITU-T Q.24.

For phones and gateways that know no better way. Every 10 ms the last 20 ms are measured at each of the eight
frequencies and a little beside them (Goertzel's measure, as one matrix). They hold a key when one tone of either group
holds nearly all the energy, both are about equally loud, and neither is off by more than 2.3 %.

| of Q.24 | there | here |
| --- | --- | --- |
| a tone counts from | 40 ms | 3 hits in a row: never below 24 ms, always from 40 ms |
| a pause counts from | 40 ms | 3 misses in a row: always from 40 ms |
| an interruption that does not count | 10 ms | at most 2 misses |
| off in frequency, counts; does not | 1.5 %; 3.5 % | 1.5 %; 3.5 %, decided half-way |
| high group over low group | -8 to +4 dB | -9 to +5 dB |
| level of a tone | from -25 dBm0 | from -32 dBm0, which is -35 dB of full scale |

A visitor can play tones, too, and a phone on its loudspeaker sends them back. So what the door itself has sent within
the last second is no key of the phone's.
"""

import numpy as np
import numpy.typing as npt

HOP_S = 0.01
ROWS = (697.0, 770.0, 852.0, 941.0)
COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = ("123A", "456B", "789C", "*0#D")
BESIDE = (-0.035, -0.011, 0.0, 0.011, 0.035)
"""Where each frequency is measured; one that is loudest at either end is another one."""
SHARE = 0.7
"""Of the energy that the two tones must hold."""
TWIST = (10 ** (-9 / 10), 10 ** (5 / 10))
QUIETEST = 0.5 * (32768 * 10 ** (-35 / 20)) ** 2
"""Mean square of the fainter tone."""
HITS = MISSES = 3
ECHO_HOPS = 100
"""How long what was sent may take to come back: far longer than any line."""
ROOM_HOPS = 50
"""How long a key from the phone may sound in the room, and so in what is sent."""

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]


class _Ear:
    """One direction of the sound: which key, if any, each 10 ms hold."""

    def __init__(self, rate_hz: int) -> None:
        self.hop = round(rate_hz * HOP_S)
        near = np.outer((*ROWS, *COLUMNS), 1 + np.array(BESIDE)).ravel()
        turns = 2 * np.pi * np.outer(np.arange(2 * self.hop) / rate_hz, near)
        self._waves: Floats = np.hstack([np.cos(turns), np.sin(turns)])
        self._window: Floats = np.zeros(2 * self.hop)

    def key(self, samples: Samples) -> str:
        """Take the next 10 ms; return the key that the last 20 ms hold, or nothing."""
        window = self._window
        window[: self.hop] = window[self.hop :]
        window[self.hop :] = samples
        energy = float(window @ window)
        if energy < 2 * QUIETEST * len(window):
            return ""
        parts = (window @ self._waves).reshape(2, -1)
        # Energy that a sine of this frequency has in the window.
        power = np.square(parts).sum(axis=0).reshape(2, len(ROWS), len(BESIDE)) * (2 / len(window))
        row, off_row = divmod(int(power[0].argmax()), len(BESIDE))
        column, off_column = divmod(int(power[1].argmax()), len(BESIDE))
        low, high = float(power[0].max()), float(power[1].max())
        fits = {off_row, off_column}.isdisjoint((0, len(BESIDE) - 1)) and TWIST[0] * low <= high <= TWIST[1] * low
        if fits and low + high >= SHARE * energy and min(low, high) >= QUIETEST * len(window):
            return KEYS[row][column]
        return ""


class DtmfDetector:
    """The keys in what the far end says. It belongs to one leg, and to the thread of the sound's clock."""

    def __init__(self, rate_hz: int) -> None:
        self._theirs, self._ours = _Ear(rate_hz), _Ear(rate_hz)
        self._hops = 0
        self._key, self._hits, self._misses = "", 0, 0
        self._refused = False
        """Whether the tone that sounds now is an echo of what was sent."""
        self._sent: dict[str, int] = {}
        """When each key was last in what is sent, and came from the door's own side."""
        self._heard: dict[str, int] = {}
        """When each was last heard from the far end, and was no echo."""

    def take(self, heard: Samples, sent: Samples) -> list[str]:
        """Take the next period of both directions, a multiple of 10 ms; return the keys that count since the last."""
        keys, hop = [], self._theirs.hop
        for start in range(0, len(heard), hop):
            self._hops += 1
            ours = self._ours.key(sent[start : start + hop])
            if ours and self._hops - self._heard.get(ours, -ROOM_HOPS) >= ROOM_HOPS:
                self._sent[ours] = self._hops
            if self._follow(self._theirs.key(heard[start : start + hop])):
                keys.append(self._key)
        return keys

    def _follow(self, key: str) -> bool:
        """Count hits and misses; return whether a key counts from here on."""
        if key and key == self._key:
            self._hits, self._misses = self._hits + 1, 0
        elif key and (not self._key or self._misses or self._hits < HITS):
            self._key, self._hits, self._misses = key, 1, 0
            self._refused = self._hops - self._sent.get(key, -ECHO_HOPS) < ECHO_HOPS
        elif self._key:
            self._misses += 1
            if self._misses >= MISSES or self._hits < HITS:
                self._key = ""
        if self._key and not self._refused:
            self._heard[self._key] = self._hops
        return bool(key) and key == self._key and self._hits == HITS and not self._refused
