"""What the tests of this tier measured, printed at the end of the run. Never asserted: these machines are shared."""

from __future__ import annotations

ROWS: list[tuple[str, str]] = []


def add(what: str, measured: str) -> None:
    """Note a figure."""
    ROWS.append((what, measured))


def lines() -> list[str]:
    """Return the table in Markdown."""
    return ["| appliance | measured |", "| --- | --- |", *(f"| {what} | {measured} |" for what, measured in ROWS)]
