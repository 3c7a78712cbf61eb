"""What the tests of this tier saw, printed at the end of the run."""

from __future__ import annotations

ROWS: list[tuple[str, str]] = []


def add(what: str, seen: str) -> None:
    """Note it."""
    ROWS.append((what, seen))


def lines() -> list[str]:
    """Return the table in Markdown."""
    return ["| device | seen |", "| --- | --- |", *(f"| {what} | {seen} |" for what, seen in ROWS)]
