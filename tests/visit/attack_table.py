"""The table of attacks that the tests of this tier play, printed at the end of the run.

With INTERCOM_ATTACKS=write in the environment its rows are put into tests/README.md: rows of the same attack are
replaced, the others stay.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import marked_table

from lab.baresip import Phone
from lab.house import Door

WRITE = "INTERCOM_ATTACKS"
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- attacks -->", "<!-- end of attacks -->"
HEAD = ["| attack | tries | got in | crashed | press still rang |", "| --- | --- | --- | --- | --- |"]


@dataclass(frozen=True)
class Row:
    """What one attack did."""

    attack: str
    tries: int
    got_in: int
    crashed: int
    rang: str
    """How soon the phone rang at a press in it, or after it."""


ROWS: list[Row] = []


def add(attack: str, tries: int, door: Door, rang: str = "-", *, got_in: int = 0) -> None:
    """Note an attack that a test has just played; one that got in, or cost a process, fails the test here."""
    # A daemon that had ended would not be there; an engine that was replaced has started more than once.
    crashed = len(door.records("engine-started")) - 1 + (not door.process.running)
    ROWS.append(Row(attack, tries, got_in, crashed, rang))
    assert (got_in, crashed) == (0, 0)


def rings(door: Door, phone: Phone) -> str:
    """Press, have the phone ring and decline; return how soon it rang, in words."""
    since = time.monotonic()
    pressed = door.press()
    ringing = phone.await_event("CALL_INCOMING", 20, since=since)
    phone.reject()
    door.await_visit(20)
    return f"yes, after {1000 * (ringing.at - pressed):.0f} ms"


def lines() -> list[str]:
    """Return the table in Markdown."""
    return [*HEAD, *map(_line, ROWS)]


def finish() -> None:
    """Put the rows into tests/README.md where that was asked for; several files of tests may end at once."""
    if os.environ.get(WRITE) != "write" or not ROWS:
        return
    marked_table.put(README, BEGIN, END, HEAD, map(_line, ROWS))


def _line(row: Row) -> str:
    return f"| {row.attack} | {row.tries} | {row.got_in} | {row.crashed} | {row.rang} |"
