"""What a run is shown as: a table in Markdown, and a plot of strips for each figure that is worth one."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from bench.side.figures import ENOUGH_FOR_P99, Figure, Results

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 26, 170, 14, 26
COLOURS = ("#1a7f37", "#0969da", "#cf222e", "#8250df", "#9a6700")


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


def plots(results: Results, rows: Sequence[Figure]) -> dict[str, str]:
    """Return the plots of what was measured, by the figures' keys."""
    return {figure.key: plot(results, figure) for figure in rows if figure.plot and results.samples.get(figure.key)}


def plot(results: Results, figure: Figure) -> str:
    """Return every sample as a mark in its contestant's strip, and a bar at the median; the scale is logarithmic."""
    samples = results.samples[figure.key]
    names = [name for name in (results.ours, *results.others) if samples.get(name)]
    finite = [value for name in names for value in samples[name] if math.isfinite(value) and value > 0]
    low, high = math.floor(math.log10(min(finite, default=1))), math.ceil(math.log10(max(finite, default=1) * 1.001))
    height = TOP + ROW * len(names) + 24
    parts = [f'<text x="{LEFT}" y="16" font-weight="bold">{html.escape(f"{figure.text}, {figure.unit}")}</text>']
    parts += _scale(low, high, height)
    for place, name in enumerate(names):
        y = TOP + ROW * place + ROW / 2
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
        for value in samples[name]:
            x = _x(value, low, high)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity="0.35"/>')
        x = _x(results.median(figure.key, name), low, high)
        parts.append(f'<rect x="{x - 1.5:.1f}" y="{y - 9:.1f}" width="3" height="18" fill="{colour}"/>')
    style = 'font-family="sans-serif" font-size="12" fill="#444"'
    white = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    return f'<svg {namespace} viewBox="0 0 {WIDTH} {height}" {style}>{white}{"".join(parts)}</svg>\n'


def _scale(low: int, high: int, height: int) -> Iterator[str]:
    for power in range(low, max(high, low + 1) + 1):
        x = _x(10.0**power, low, high)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 22}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{10.0**power:g}</text>'


def _x(value: float, low: int, high: int) -> float:
    """Return where a value is; what is off the scale (zero, never) stands at its end."""
    span = max(high - low, 1)
    place = 0.0 if value <= 10.0**low else 1.0 if math.isinf(value) else (math.log10(value) - low) / span
    return LEFT + (WIDTH - LEFT - RIGHT) * min(place, 1.0)
