# SPDX-License-Identifier: GPL-2.0-or-later
"""How well the echo is taken out, judged from what a card period plays, records and sends.

An echo rises and falls with what the loudspeaker plays, whatever the room does to its waveform: so envelopes are
compared, in six bands of the telephone's range, and not waveforms. Independent speech reaches a correlation of 0.3,
echo 0.6 to 0.9 (simulated rooms, linear and not). The card's thread only keeps the periods; whoever has the time makes
notes of them, all at once, and judges those.
"""

import contextlib
from collections import deque
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

Energies = npt.NDArray[np.float64]

NOTES_S = 3.0
"""How far back a judgement looks: the last 2 s of the microphone, and what was played up to 1 s before them."""
LAG_S = 1.0
"""The longest way from loudspeaker to microphone that is still recognised."""
SMOOTH_S = 0.05  # about a room's memory; shorter, and reverberation blurs the likeness
EDGES_HZ = (300, 600, 1000, 1600, 2400, 3400, 4600)
LIKE = 0.5
"""Correlation from which on what the microphone hears counts as echo."""
LEFT_LIKE = 0.35
"""The same of what is sent: a canceller at work bends what it leaves."""
LATE = 5
"""Periods."""
FAINT_DB = -45.0
"""An echo this far below what is played is none: a room's own is 30 dB louder."""
SILENT_DBFS = -50.0
"""What is quieter than this is heard by nobody at the other end."""
POOR_DB = 12.0
"""An echo that is audible at the other end, and of which no more than this was taken out, disturbs a conversation."""


@dataclass(frozen=True, slots=True)
class EchoReport:
    """The last two seconds, as far as they tell anything."""

    echo: bool | None
    """Whether the microphone hears the loudspeaker; None while nobody can tell (silence, or the visitor speaks)."""
    gain_db: float = 0.0
    """Echo return loss enhancement: the microphone's energy over that of what is sent. Only where `echo` is True."""
    left_dbfs: float = -90.0
    """Level of what is sent."""
    delay_s: float = 0.0
    """From loudspeaker to microphone."""
    left: bool = False
    """Whether what is sent still rises and falls with what is played."""

    @property
    def poor(self) -> bool:
        """Whether the other end hears itself."""
        return bool(self.echo) and self.left and self.gain_db < POOR_DB and self.left_dbfs > SILENT_DBFS


class EchoMeter:
    """What one card period after the other played, recorded and sent."""

    def __init__(self, rate_hz: int, period_ms: int) -> None:
        self._samples = rate_hz * period_ms // 1000
        self._period_s = period_ms / 1000
        self._edges = np.array([hz * period_ms // 1000 for hz in EDGES_HZ[:-1]])
        self._end = EDGES_HZ[-1] * period_ms // 1000
        self._window = np.hanning(self._samples).astype(np.float32)
        # A full-scale sine comes out as the energy of its samples: 0.5 a sample.
        self._scale = 2 / (float(np.square(self._window).sum()) * self._samples * 32768.0**2)
        self._wanted = round(NOTES_S / self._period_s)
        self._fresh: deque[tuple[bytes, bytes, bytes]] = deque(maxlen=self._wanted)
        self._notes: Energies = np.zeros((0, 3, len(self._edges)))
        self._forget = False

    def reset(self) -> None:
        """Forget everything: the card was closed in between."""
        self._fresh.clear()
        self._forget = True

    def take(self, played: bytes, recorded: bytes, sent: bytes) -> None:
        """Keep one period: int16 each. For one thread; `judge` may run in another meanwhile."""
        self._fresh.append((played, recorded, sent))

    def judge(self) -> EchoReport:
        """Judge the last NOTES_S. Some 1 ms on a PC; wants no more than two a second."""
        self._note()
        if len(self._notes) < self._wanted:
            return EchoReport(None)
        notes = self._notes * self._scale
        lags = round(LAG_S / self._period_s)
        played, recorded, sent = (_envelope(notes[:, which], round(SMOOTH_S / self._period_s)) for which in range(3))
        left_dbfs = _decibels(notes[lags:, 2].sum(axis=1).mean())
        spread = played.std(axis=0)
        loudest = float(spread.max())
        if _decibels(loudest**2) < SILENT_DBFS or spread.sum() < 0.3 * played.mean(axis=0).sum():
            return EchoReport(None, left_dbfs=left_dbfs)
        # Each band counts alike, but one in which nothing was played would only bring noise.
        weight = np.where(spread > 0.03 * loudest, 1 / np.maximum(spread, 0.03 * loudest), 0.0)
        likeness, slope, lag = _follow(played * weight, recorded * weight, lags)
        if likeness < LIKE or _decibels(slope**2) < FAINT_DB:
            return EchoReport(self._alone(played * weight, recorded * weight, lags), left_dbfs=left_dbfs)
        gain_db = _decibels(notes[lags:, 1].sum() / max(float(notes[lags:, 2].sum()), 1e-12))
        left = _stays(played * weight, sent * weight, lags, lag)
        return EchoReport(True, gain_db, left_dbfs, lag * self._period_s, left)

    def _note(self) -> None:
        """Make notes of what was kept since the last time: energies, (periods, 3, bands)."""
        if self._forget:
            self._forget = False
            self._notes = self._notes[:0]
        periods = []
        with contextlib.suppress(IndexError):  # empty
            while True:
                periods.append(self._fresh.popleft())
        frames = np.frombuffer(b"".join(chain.from_iterable(periods)), np.int16).reshape(-1, 3, self._samples)
        spectrum = np.fft.rfft(frames * self._window)[:, :, : self._end]
        energies = np.square(spectrum.real) + np.square(spectrum.imag)
        fresh = np.add.reduceat(energies, self._edges, axis=2)
        self._notes = np.concatenate([self._notes, fresh])[-self._wanted :]

    @staticmethod
    def _alone(played: Energies, recorded: Energies, lags: int) -> bool | None:
        """False when the microphone hardly stirred while the loudspeaker played all the time; else nobody can tell."""
        stirred = float(np.square(recorded[lags:] - recorded[lags:].mean(axis=0)).sum())
        spoke = [float(np.square(part - part.mean(axis=0)).sum()) for part in (played[lags:], played[:-lags])]
        return False if _decibels(stirred / (min(spoke) + 1e-12)) < FAINT_DB else None


def _envelope(energies: Energies, over: int) -> Energies:
    """Amplitudes, smoothed over some periods: (periods - over + 1, bands)."""
    total = np.cumsum(np.vstack([np.zeros((1, energies.shape[1])), energies]), axis=0)
    smooth: Energies = np.sqrt(np.maximum(total[over:] - total[:-over], 0.0) / over)
    return smooth


def _follow(played: Energies, recorded: Energies, lags: int) -> tuple[float, float, int]:
    """How like `recorded` is to `played` some periods before, how loud beside it, and how many periods: the best."""
    late = recorded[lags:] - recorded[lags:].mean(axis=0)
    # (lags, periods, bands): what was played `lag` periods before.
    views = np.lib.stride_tricks.sliding_window_view(played, len(late), axis=0)[::-1].swapaxes(1, 2)
    before = views - views.mean(axis=1, keepdims=True)
    common = np.einsum("ltb,tb->l", before, late)
    own = np.einsum("ltb,ltb->l", before, before) + 1e-12
    likeness = common / np.sqrt(own * (float(np.square(late).sum()) + 1e-12))
    best = int(likeness.argmax())
    return float(likeness[best]), float(max(common[best] / own[best], 1e-6)), best


def _stays(played: Energies, sent: Energies, lags: int, lag: int) -> bool:
    """Whether what is sent is like what was played `lag` periods before, or a little later: what is left comes late."""
    first, last = max(lag - LATE, 0), min(lag + LATE, lags)
    end = len(played) - first
    return _follow(played[lags - last : end], sent[lags - last + first :], last - first)[0] > LEFT_LIKE


def _decibels(ratio: float) -> float:
    return 10 * float(np.log10(max(float(ratio), 1e-9)))
