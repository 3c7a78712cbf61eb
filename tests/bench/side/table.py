"""What a run is shown as: a table in Markdown, and a plot of strips for each figure that is worth one."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from bench.side.figures import ENOUGH_FOR_P99, Figure, Results

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 720, 26, 170, 76, 44, 24
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""Okabe and Ito's, which also those tell apart who see fewer colours."""
SHADES = (0.0, -4.0, 4.0, -2.0, 2.0)
"""By so much every sample stands beside the middle of its strip, so that many of a kind can be seen."""


def number(value: float) -> str:
    """Return it as short as it is exact."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    if value < 0.005:
        return "0"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(results: Results, figure: Figure, who: str) -> str:
    """Return the median, and how far the samples go: to p99 where there are enough, else from least to most."""
    values = results.samples.get(figure.key, {}).get(who, ())
    if not values:
        return "-"
    shown = number(results.median(figure.key, who))
    if len(values) >= ENOUGH_FOR_P99:
        return f"{shown} (99 %: {number(results.p99(figure.key, who))})"
    return f"{shown} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else shown


def table(results: Results, rows: Sequence[Figure]) -> list[str]:
    """Return it in Markdown; rows without any sample are left out."""
    others = [f"ours / {other}" for other in results.others]
    head = ["", results.ours, *results.others, *others, "aim", "met"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for figure in rows:
        if not results.samples.get(figure.key):
            continue
        cells = [
            f"{figure.text}, {figure.unit}",
            *(cell(results, figure, who) for who in (results.ours, *results.others)),
        ]
        cells += [number(results.ratio(figure.key, other)) for other in results.others]
        met = "" if figure.met is None else "yes" if figure.met(results) else "**no**"
        lines.append(f"| {' | '.join([*cells, figure.aim, met])} |")
    return lines


def many(results: Results, numbers: Sequence[int], columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return the table of what several buttons cost; nothing where that was not measured."""
    numbers = [number_ for number_ in numbers if f"buttons-{number_}-{columns[0][0]}" in results.samples]
    if not numbers:
        return []
    lines = [f"| buttons, targets, accounts | {' | '.join(text for _, text in columns)} |"]
    lines.append(f"|{' --- |' * (len(columns) + 1)}")
    for number_ in numbers:
        cells = [number(results.median(f"buttons-{number_}-{key}")) for key, _ in columns]
        lines.append(f"| {number_} | {' | '.join(cells)} |")
    return lines


def visits(results: Results, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return what the door held early and late in many visits; nothing where that was not measured."""
    if not results.samples.get("visits-number"):
        return []
    lines = [f"| visits in a row | {' | '.join(text for _, text in columns)} |", f"|{' --- |' * (len(columns) + 1)}"]
    for end, text in (("first", "the first"), ("last", f"the last of {results.median('visits-number'):.0f}")):
        cells = [number(results.median(f"visits-{end}-{key}")) for key, _ in columns]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    return lines


def plots(results: Results, rows: Sequence[Figure], date: str = "") -> dict[str, str]:
    """Return the plots of what was measured, by the figures' keys."""
    shown = [figure for figure in rows if figure.plot and results.samples.get(figure.key)]
    return {figure.key: plot(results, figure, date) for figure in shown}


def plot(results: Results, figure: Figure, date: str = "") -> str:
    """Return every sample as a mark in its contestant's strip, and a bar at the median; the scale is logarithmic."""
    samples = results.samples[figure.key]
    names = [name for name in (results.ours, *results.others) if samples.get(name)]
    finite = [value for name in names for value in samples[name] if math.isfinite(value) and value > 0]
    ticks = _ticks(min(finite, default=1), max(finite, default=10))
    height = TOP + ROW * len(names) + BOTTOM
    parts = [
        f'<text x="8" y="16" font-weight="bold">{html.escape(f"{figure.text}, {figure.unit}")}</text>',
        f'<text x="8" y="{TOP - 8}">{html.escape(date)}</text>',
        f'<text x="{WIDTH - 8}" y="{TOP - 8}" text-anchor="end">median, {html.escape(figure.unit)}</text>',
        *_scale(ticks, height),
    ]
    for place, name in enumerate(names):
        y = TOP + ROW * place + ROW / 2
        colour, median = COLOURS[place % len(COLOURS)], results.median(figure.key, name)
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
        for turn, value in enumerate(samples[name]):
            x, beside = _x(value, ticks), y + SHADES[turn % len(SHADES)]
            parts.append(f'<circle cx="{x:.1f}" cy="{beside:.1f}" r="3" fill="{colour}" fill-opacity="0.4"/>')
        x = _x(median, ticks)
        parts.append(f'<rect x="{x - 1.5:.1f}" y="{y - 10:.1f}" width="3" height="20" fill="{colour}"/>')
        shown = f'<text x="{WIDTH - 8}" y="{y + 4:.1f}" text-anchor="end" font-weight="bold" fill="{colour}">'
        parts.append(f"{shown}{number(median)}</text>")
    style = 'font-family="sans-serif" font-size="12" fill="#444"'
    white = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    return f'<svg {namespace} viewBox="0 0 {WIDTH} {height}" {style}>{white}{"".join(parts)}</svg>\n'


def _ticks(least: float, most: float) -> list[float]:
    """Return 1, 2, 5, 10 and so on, from the last that is not above the least to the first not below the most."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    steps = [float(f"{step}e{power}") for power in powers for step in (1, 2, 5)]
    low = max(step for step in steps if step <= least)
    high = min((step for step in steps if step >= most and step > low), default=10 * low)
    return [step for step in steps if low <= step <= high] if high in steps else [low, high]


def _scale(ticks: Sequence[float], height: int) -> Iterator[str]:
    for tick in ticks:
        x = _x(tick, ticks)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM + 2}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>'


def _x(value: float, ticks: Sequence[float]) -> float:
    """Return where a value is; what is off the scale (zero, never) stands at its end."""
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])
    place = 0.0 if value <= ticks[0] else 1.0 if math.isinf(value) else (math.log10(value) - low) / (high - low)
    return LEFT + (WIDTH - LEFT - RIGHT) * min(place, 1.0)
