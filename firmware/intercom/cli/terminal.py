# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown to people: colours on a terminal and nowhere else, columns that line up, spans of time in words."""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from intercom.adapters.systemd.records import printable

GOOD, BAD, WARN, DIM, BOLD = "32", "31", "33", "2", "1"
"""Colours, as terminals number them (ECMA-48, SGR)."""


class Paint:
    """Colours text, or leaves it alone."""

    def __init__(self, *, colours: bool) -> None:
        self.colours = colours

    def __call__(self, text: str, colour: str) -> str:
        """Return text in a colour."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours and text else text


def paint_for(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Paint:
    """Return the paint for a stream: colours on a terminal, unless NO_COLOR (no-color.org) is there."""
    wanted = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Paint(colours=wanted)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint) -> list[str]:
    """Return lines of aligned columns. A head that begins with ">" is for a column of numbers."""
    names = [head.removeprefix(">") for head in heads]
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(names, *clean, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = (
            cell.rjust(width) if head.startswith(">") else cell.ljust(width)
            for head, cell, width in zip(heads, cells, widths, strict=True)
        )
        return "  ".join(placed).rstrip()

    return [paint(line(names), DIM), *(line(row) for row in clean)]


def span(seconds: float) -> str:
    """Return a span of time as people say it: "12 s", "3 min", "2 h 5 min", "4 days"."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"
