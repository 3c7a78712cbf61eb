# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots as SVG inside a page: points over time, a histogram, and spans of time. No script, no other file."""

import html
import math
from collections.abc import Iterator, Sequence
from datetime import datetime

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 220, 64, 28, 10, 12
"""In pixels of the view; the page scales it."""
_DAY = 86400.0
_STEPS_S = (
    60,
    300,
    900,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    _DAY,
    2 * _DAY,
    7 * _DAY,
    14 * _DAY,
    30 * _DAY,
    91 * _DAY,
    365 * _DAY,
)

Point = tuple[float, float, str]
"""When (seconds since 1970), how much, and what to say about it."""


def points(series: Sequence[Point], unit: str, began: float, ended: float, *, joined: bool = False) -> str:
    """Return points over time; `joined` draws a line through them."""
    top = _nice(max((value for _, value, _ in series), default=1.0))
    low = min(0.0, *(value for _, value, _ in series)) if series else 0.0
    frame = _Frame(began, ended, low, top)
    parts = [*frame.grid(unit), *frame.times()]
    if joined and len(series) > 1:
        path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value, _ in sorted(series))
        parts.append(f'<polyline class="line" points="{path}"/>')
    parts += [
        f'<circle cx="{frame.x(at):.1f}" cy="{frame.y(value):.1f}" r="3"><title>{html.escape(text)}</title></circle>'
        for at, value, text in series
    ]
    return _svg(parts)


def columns(classes: Sequence[tuple[float, float, int]], unit: str) -> str:
    """Return a histogram: from, to, how many."""
    most = max(number for _, _, number in classes)
    # Four steps, and nobody counts in parts of a visit.
    frame = _Frame(0, len(classes), 0, 4 * _nice(math.ceil(most / 4)))
    parts = list(frame.grid(""))
    for place, (low, high, number) in enumerate(classes):
        left, right, top = frame.x(place + 0.1), frame.x(place + 0.9), frame.y(number)
        title = f"<title>{number} from {low:g} to {high:g} {unit}</title>"
        size = f'width="{right - left:.1f}" height="{frame.y(0) - top:.1f}"'
        parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" {size}>{title}</rect>')
        parts.append(_label(frame.x(place + 0.5), HEIGHT - 8, f"{low:g} to {high:g} {unit}", "middle"))
    return _svg(parts)


def spans(
    rows: Sequence[tuple[str, Sequence[tuple[float, float, str]]]], began: float, ended: float, *, good: str = ""
) -> str:
    """Return what lasted from when to when, one row for each name; in the row `good` it is no trouble."""
    height = TOP + BOTTOM + 24 * len(rows)
    frame = _Frame(began, ended, 0, 1, height=height, left=150)
    parts = list(frame.times())
    for place, (name, row) in enumerate(rows):
        y = TOP + 24 * place
        parts.append(_label(frame.left - 8, y + 16, name, "end"))
        parts.append(f'<line class="grid" x1="{frame.left}" x2="{WIDTH - RIGHT}" y1="{y + 12}" y2="{y + 12}"/>')
        kind = "good" if name == good else "bad"
        for since, until, text in row:
            left, right = frame.x(since), max(frame.x(until), frame.x(since) + 2)
            title = f"<title>{html.escape(text)}</title>"
            parts.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{y + 4}" width="{right - left:.1f}" height="16">{title}</rect>'
            )
    return _svg(parts, height)


class _Frame:
    """Where things are inside a plot."""

    def __init__(self, x0: float, x1: float, y0: float, y1: float, *, height: int = HEIGHT, left: int = LEFT) -> None:
        self.x0, self.x1, self.y0, self.y1, self.height, self.left = x0, max(x1, x0 + 1e-9), y0, y1, height, left

    def x(self, value: float) -> float:
        share = (min(max(value, self.x0), self.x1) - self.x0) / (self.x1 - self.x0)
        return self.left + (WIDTH - RIGHT - self.left) * share

    def y(self, value: float) -> float:
        return self.height - BOTTOM - (self.height - TOP - BOTTOM) * (value - self.y0) / (self.y1 - self.y0)

    def grid(self, unit: str) -> Iterator[str]:
        """Four lines with their values."""
        for place in range(5):
            value = self.y0 + (self.y1 - self.y0) * place / 4
            y = self.y(value)
            yield f'<line class="grid" x1="{self.left}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield _label(self.left - 6, y + 4, f"{value:g} {unit}".strip(), "end")

    def times(self) -> Iterator[str]:
        """Some instants below, at full hours or days of local time."""
        step = next((step for step in _STEPS_S if (self.x1 - self.x0) / step <= 7), _STEPS_S[-1])
        shift = datetime.fromtimestamp(self.x0).astimezone().utcoffset()
        offset = shift.total_seconds() if shift else 0.0
        at = math.ceil((self.x0 + offset) / step) * step - offset
        while at <= self.x1:
            form = "%H:%M" if step < _DAY else "%-d %b"
            yield _label(self.x(at), self.height - 8, f"{datetime.fromtimestamp(at).astimezone():{form}}", "middle")
            at += step


def _nice(value: float) -> float:
    """Return a round number that is not smaller."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * 0.999999)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(parts: Sequence[str], height: int = HEIGHT) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
