"""The figures: what they mean, what was aimed at, what becomes of samples. Less is better with every one of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OURS, BARESIP, LOOP = "the intercom", "gpiozero and baresip", "pjsua2, every 50 ms"
"""The contestants."""
Samples = Mapping[str, Sequence[float]]
"""Of one figure: by contestant, in its unit. A measurement that never came to its end is infinite."""
ENOUGH_FOR_P99 = 100
WORSE = 1.25
"""A ratio that grew by this is told."""


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    key: str
    text: str
    unit: str
    aim: str = ""
    met: Callable[[Results], bool] | None = None
    """Whether the aim is met, by the medians; None where there is none."""
    plot: bool = False


@dataclass(frozen=True)
class Results:
    """All samples of a run, by figure and contestant; who is ours, and the others."""

    samples: Mapping[str, Samples]
    ours: str
    others: Sequence[str]

    def median(self, key: str, who: str = "") -> float:
        """Return a median; NaN, with which no comparison holds, where nothing was measured."""
        return middle(self.samples.get(key, {}).get(who or self.ours, ()))

    def p99(self, key: str, who: str = "") -> float:
        """Return what 99 of 100 keep; NaN where nothing was measured."""
        values = sorted(self.samples.get(key, {}).get(who or self.ours, ()))
        return values[math.ceil(0.99 * len(values)) - 1] if values else math.nan

    def ratio(self, key: str, other: str) -> float:
        """Return ours by theirs; NaN where that means nothing."""
        ours, theirs = self.median(key), self.median(key, other)
        if math.isinf(theirs):
            return math.nan if math.isinf(ours) else 0.0
        return ours / theirs if theirs > 0 else math.nan


def middle(values: Sequence[float]) -> float:
    """Return the median; NaN of nothing."""
    return statistics.median(values) if values else math.nan


def worse(before: Results, after: Results) -> list[str]:
    """Return a sentence for each ratio that became worse by a quarter: to each other, or else to ourselves before."""
    told = []
    for key in after.samples:
        rivals = [other for other in after.others if after.ratio(key, other) > 0 and before.ratio(key, other) > 0]
        for other in rivals:
            was, now = before.ratio(key, other), after.ratio(key, other)
            if now >= was * WORSE:
                told.append(f"{key}: {was:.3g} of {other}'s before, {now:.3g} now")
        was, now = before.median(key), after.median(key)
        if not rivals and now >= was * WORSE and now > 0:
            told.append(f"{key}: {was:.3g} before, {now:.3g} now")
    return told
