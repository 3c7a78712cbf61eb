# SPDX-License-Identifier: GPL-2.0-or-later
"""What a dead door can still be asked: its visits, its report, its journal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from intercom.__main__ import main
from intercom.adapters.storage.visit_history import VisitHistory
from intercom.adapters.systemd import journal

NOW = time.time()


def visit(number: int, at: float) -> dict[str, Any]:
    return {
        "visit": f"b-{number}", "at": at, "button": "front", "target": "201", "outcome": "talked",
        "timeline": {"accepted": 20.0, "ringing": 40.0 + number, "answered": 900.0}, "talked_s": 3.0,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A door's folder after its end: a diary, no daemon, and no journal either."""
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")
    diary = VisitHistory(tmp_path / "visits")
    for number, ago_s in enumerate((90_000.0, 7000.0, 60.0)):
        diary.keep(visit(number, NOW - ago_s))
    diary.close()
    return tmp_path


def test_the_visits_are_read_from_its_diary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, for scripts, and since a moment; the newest at the bottom."""
    socket = ["--socket", str(folder / "control.sock")]
    assert main(["visits", *socket]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len([line for line in table if "talked" in line and "front" in line]) == 3
    assert "press to ring" in "".join(table)
    assert main(["visits", "--json", "--since", "3h", *socket]) == 0
    assert [one["visit"] for one in json.loads(capsys.readouterr().out)] == ["b-1", "b-2"]


def test_the_report_is_made_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report of a door that is down is the one that is wanted most."""
    page = folder / "report.html"
    assert main(["visits", "--html", str(page), "--socket", str(folder / "control.sock")]) == 0
    assert "3 visits" in capsys.readouterr().out
    assert page.read_text().count("<tr>") == 1 + 3


def test_a_journal_with_a_part_of_them_hides_none(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """It begins at the last boot; each visit is shown once."""
    (folder / "none").touch()
    monkeypatch.setattr(journal, "read_visits", lambda *_: iter([visit(2, NOW - 60), visit(1, NOW - 7000)]))
    assert main(["visits", "--json", "--socket", str(folder / "control.sock")]) == 0
    assert [one["visit"] for one in json.loads(capsys.readouterr().out)] == ["b-0", "b-1", "b-2"]


def test_who_may_not_read_it_is_told_what_to_do(folder: Path) -> None:
    """An ordinary user, without the daemon and without the group."""
    folder.chmod(0o700)
    command = [sys.executable, "-m", "intercom", "visits", "--socket", str(folder / "control.sock")]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for place in folder.parents:
        if place.is_relative_to("/tmp") and place != Path("/tmp"):
            place.chmod(0o755)
    done = subprocess.run(command, user=65534, group=65534, extra_groups=[], env=environ, cwd="/",
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 3
    assert "use sudo" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_there_is_nothing_the_daemon_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")
    assert main(["visits", "--socket", str(tmp_path / "control.sock")]) == 3
    assert "the intercom does not run" in capsys.readouterr().err


def test_logs_ask_no_daemon(tmp_path: Path) -> None:
    """They become journalctl, whatever runs."""
    (tmp_path / "journalctl").write_text('#!/bin/sh\necho "asked: $*"\n')
    (tmp_path / "journalctl").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-m", "intercom", "logs", "--trouble"], env=environ,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.startswith("asked: -t intercom")
