"""The table of faults that the tests of this tier fill in, printed at the end of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import marked_table

from lab.house import Door
from lab.journal import Record

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
HEAD = ("| fault | noticed after | told | healed after | presses lost |", "| --- | --- | --- | --- | --- |")
WRITE = "INTERCOM_FAULTS"
"""Set to "write" in the environment: the rows of this run replace those of the same faults in tests/README.md."""


@dataclass(frozen=True)
class Row:
    """What one fault did."""

    fault: str
    noticed: str
    told: str
    healed: str
    lost: int
    """Presses without an outcome."""


ROWS: list[Row] = []


def add(fault: str, door: Door, noticed_s: float | None, told: str, healed_s: float | None) -> None:
    """Note a fault that a test has just played; a press without an outcome fails the test here."""
    lost = presses_without_outcome(door)
    ROWS.append(Row(fault, _seconds(noticed_s), told, _seconds(healed_s), lost))
    assert lost == 0


def presses_without_outcome(door: Door) -> int:
    """Return how many accepted presses have no final record, the visit under way left out."""
    accepted = [str(record["INTERCOM_VISIT"]) for record in door.records("press-accepted")]
    ended = {str(record["INTERCOM_VISIT"]) for record in door.records("visit-ended")}
    return sum(visit not in ended for visit in accepted[:-1]) + (accepted[-1:] != [] and accepted[-1] not in ended)


def at(record: Record) -> float:
    """Return when a record was written, in seconds of the epoch."""
    return float(record["__REALTIME_TIMESTAMP"].timestamp())


def lines() -> list[str]:
    """Return the table in Markdown."""
    return [*HEAD, *map(_line, ROWS)]


def finish() -> None:
    """Put the rows into tests/README.md where that was asked for; several files of tests may end at once."""
    if os.environ.get(WRITE) != "write" or not ROWS:
        return
    marked_table.put(README, BEGIN, END, HEAD, map(_line, ROWS))


def _line(row: Row) -> str:
    return f"| {row.fault} | {row.noticed} | {row.told} | {row.healed} | {row.lost} |"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
