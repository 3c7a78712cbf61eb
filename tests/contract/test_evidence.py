# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence: who opened a door outlives the journal, and nobody washes it away or wears the memory card out by it."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from intercom.__main__ import main
from intercom.adapters.storage import evidence
from intercom.adapters.storage.evidence import Evidence
from intercom.core.commands import Kind, Report

OPENED = Report(Kind.DOOR_RELEASED, {"door": "front", "code_name": "family", "source": "201@home", "pulse_s": 4.0})
BY_HAND = Report(Kind.DOOR_RELEASED, {"door": "front", "by": "uid 0, calls himself anna", "pulse_s": 4.0})


class Clock:
    """The time of day, moved by hand."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def locked_out(source: str) -> Report:
    return Report(Kind.LOCKED_OUT, {"source": source, "what": "codes", "lasts_s": 180.0})


def texts(folder: Path) -> list[str]:
    return [record["text"] for record in Evidence(folder).load()]


def test_who_opened_and_who_was_locked_out_is_kept(tmp_path: Path) -> None:
    """The phone and its account, the code's name, the operator; nothing else of the journal is."""
    kept = Evidence(tmp_path, clock=Clock())
    for report in (OPENED, BY_HAND, locked_out("keypad front"), Report(Kind.CALL_REFUSED, {"caller": "666"})):
        kept.record(report)
    kept.close()

    assert texts(tmp_path) == [
        "door front released by code family from 201@home for 4 s",
        "door front released by uid 0, calls himself anna for 4 s",
        "no codes from keypad front for 180 s",
    ]
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("releases", "refusals")} == {0o600}


def test_lock_outs_without_end_wash_no_release_away(tmp_path: Path) -> None:
    """Each kind has a file of its own, and both stay small."""
    clock = Clock()
    kept = Evidence(tmp_path, clock=clock, kept=20)
    kept.record(OPENED)
    for number in range(200):
        clock.now += 60
        kept.record(locked_out(f"{number}@home"))
    kept.close()

    assert texts(tmp_path)[0] == "door front released by code family from 201@home for 4 s"
    assert (tmp_path / "refusals").read_text().count("\n") <= 40


def test_the_same_hand_again_and_again_is_a_count(tmp_path: Path) -> None:
    """A thousand commands of a broker within the hour: seven lines, and a memory card that lives."""
    clock = Clock()
    kept = Evidence(tmp_path, clock=clock)
    for _ in range(1000):
        clock.now += 3.6
        kept.record(BY_HAND)
    kept.record(OPENED)
    kept.close()
    found = Evidence(tmp_path).load()

    assert len(found) <= 2 * 3600 / evidence.AGAIN_S + 2
    assert sum(1 + record.get("times", 1) - 1 for record in found) == 1001
    assert (tmp_path / "releases").stat().st_size < 4096


def test_a_clock_that_is_set_back_loses_nothing(tmp_path: Path) -> None:
    """NTP came, and the day before yesterday goes on."""
    clock = Clock()
    kept = Evidence(tmp_path, clock=clock)
    for now in (2e9, 1e9, 1e9 + 1, 2e9):
        clock.now = now
        kept.record(OPENED)
    kept.close()

    assert sum(record.get("times", 1) for record in Evidence(tmp_path).load()) == 4


def test_it_is_shown_without_the_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is when it is looked for: after a burglary, or when the door is dead."""
    clock = Clock()
    kept = Evidence(tmp_path, clock=clock)
    kept.record(OPENED)
    kept.record(OPENED)
    kept.close()
    path = str(tmp_path / "control.sock")
    shown = main(["visits", "--doors", "--socket", path])
    out = capsys.readouterr().out
    as_json = main(["visits", "--doors", "--json", "--since", "2020-01-01", "--socket", path])
    at = f"{datetime.fromtimestamp(clock.now).astimezone():%Y-%m-%d %H:%M:%S}"

    assert (shown, as_json) == (0, 0)
    assert out.splitlines() == [
        f"{at}  door front released by code family from 201@home for 4 s",
        f"{at}  door front released by code family from 201@home for 4 s (1 times more)",
    ]
    assert [record["code_name"] for record in json.loads(capsys.readouterr().out)] == ["family"] * 2
