# SPDX-License-Identifier: GPL-2.0-or-later
"""What many visits have in common: percentiles, histograms, and how long what was wrong."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Record = dict[str, Any]
SHARES = (50, 95, 99)
"""Percentiles that are told."""
_STEPS = (1, 2, 3, 5, 7)


@dataclass(frozen=True, slots=True)
class Outage:
    """Something was wrong from `began` to `ended`, in seconds since 1970."""

    condition: str
    detail: str
    began: float
    ended: float
    over: bool = True
    """False when it still lasts."""


def moments(records: Iterable[Record], name: str) -> list[tuple[float, float]]:
    """Return when each visit that reached a moment of its time line ended, and how long after the press, in ms."""
    found = []
    for record in records:
        line, at = record.get("timeline"), record.get("at")
        value = line.get(name) if isinstance(line, dict) else None
        if isinstance(value, int | float) and isinstance(at, int | float):
            found.append((float(at), float(value)))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that `share` per cent of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def told(values: Sequence[float]) -> str:
    """Return percentiles and the worst, in words: "50 % 28 ms, 95 % 40 ms, 99 % 40 ms, worst 61 ms (12)"."""
    shares = [f"{share} % {percentile(values, share):.0f} ms" for share in SHARES]
    return f"{', '.join(shares)}, worst {max(values):.0f} ms ({len(values)})"


def histogram(values: Sequence[float]) -> list[tuple[float, float, int]]:
    """Return from, to and how many, for classes that grow as 1, 2, 3, 5, 7, 10: what is quick is told apart finely."""
    if not values:
        return []
    edges = [0.0]
    power = math.floor(math.log10(max(min(values), 1.0)))
    while edges[-1] <= max(values):
        edges += [step * 10.0**power for step in _STEPS if step * 10.0**power > edges[-1]]
        power += 1
    classes = [(low, high, sum(low <= value < high for value in values)) for low, high in pairwise(edges)]
    while classes[-1][2] == 0:
        classes.pop()
    while classes[0][2] == 0:
        classes.pop(0)
    return classes


def bars(values: Sequence[float], width: int = 50) -> list[str]:
    """Return a histogram for a terminal."""
    classes = histogram(values)
    most = max(number for _, _, number in classes)
    heads = [f"{low:.0f} to {high:.0f} ms" for low, high, _ in classes]
    return [
        f"{head:>{max(map(len, heads))}}  {'█' * math.ceil(number * width / most)} {number or ''}".rstrip()
        for head, (_, _, number) in zip(heads, classes, strict=True)
    ]


def outages(records: Iterable[Record], now: float) -> list[Outage]:
    """Return what was wrong, of records of conditions and starts in the order in which they happened."""
    lasting: dict[str, Record] = {}
    found: list[Outage] = []

    def end(began: Record, at: float, *, over: bool = True) -> None:
        found.append(Outage(str(began["condition"]), str(began.get("detail", "")), began["at"], at, over))

    for record in records:
        if record["kind"] == "condition-began":
            lasting.setdefault(str(record["condition"]), record)
        elif record["kind"] == "condition-ended":
            began = lasting.pop(str(record["condition"]), None)
            # Its beginning may be older than all that was read.
            end(began or {**record, "at": record["at"] - record.get("lasted_s", 0.0)}, record["at"])
        else:
            # A daemon that starts knows nothing of what was wrong before, and tells it anew.
            for began in lasting.values():
                end(began, record["at"])
            lasting.clear()
    for began in lasting.values():
        end(began, now, over=False)
    return sorted(found, key=lambda outage: outage.began)
