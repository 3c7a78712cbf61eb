# SPDX-License-Identifier: GPL-2.0-or-later
"""The last visits outlive a restart, a power cut in the middle of a line, and a card that is full."""

import json
from pathlib import Path

import pytest

from intercom.adapters.storage.visit_history import VisitHistory


def visit(number: int) -> dict[str, object]:
    return {"visit": f"a-{number}", "at": 1000.0 + number, "outcome": "talked", "timeline": {"ringing": 27.5}}


def keep(diary: VisitHistory, *numbers: int) -> None:
    """Have visits written, and wait for it."""
    for number in numbers:
        diary.keep(visit(number))
    diary.close()


def test_visits_are_there_after_a_restart(tmp_path: Path) -> None:
    """In their order, whole, and nobody else's to read."""
    keep(VisitHistory(tmp_path / "visits"), 1, 2)
    keep(VisitHistory(tmp_path / "visits"), 3)

    assert VisitHistory(tmp_path / "visits").load() == [visit(1), visit(2), visit(3)]
    assert (tmp_path / "visits").stat().st_mode & 0o777 == 0o600


def test_it_stays_small(tmp_path: Path) -> None:
    """Twice what is kept is the most that the file holds; after a restart it counts on."""
    for start in (0, 7, 14):
        diary = VisitHistory(tmp_path / "visits", kept=5)
        diary.load()
        keep(diary, *range(start, start + 7))
    lines = (tmp_path / "visits").read_text().splitlines()

    assert VisitHistory(tmp_path / "visits", kept=5).load() == [visit(number) for number in range(16, 21)]
    assert 5 <= len(lines) <= 10
    assert {path.name for path in tmp_path.iterdir()} == {"visits"}


def test_a_line_that_was_cut_through_costs_itself_only(tmp_path: Path) -> None:
    """The power goes when it likes; rubbish of any kind is passed over."""
    path = tmp_path / "visits"
    whole = json.dumps(visit(1))
    path.write_bytes(whole.encode() + b'\n\xff\x00\n[]\n{"visit": 3}\n' + whole[:30].encode())
    keep(VisitHistory(path), 2)

    assert VisitHistory(path).load() == [visit(1), visit(2)]


def test_what_cannot_be_written_or_read_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The door goes on without."""
    diary = VisitHistory(tmp_path / "missing" / "visits")
    keep(diary, 1, 2)
    (tmp_path / "folder").mkdir()

    assert VisitHistory(tmp_path / "folder").load() == []
    told = capsys.readouterr().err
    assert told.count("visits cannot be written: No such file or directory") == 1
    assert told.count("earlier visits cannot be read") == 1


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever gets to write in the folder gets no further."""
    (tmp_path / "visits").symlink_to(tmp_path / "elsewhere")
    keep(VisitHistory(tmp_path / "visits"), 1)

    assert not (tmp_path / "elsewhere").exists()
