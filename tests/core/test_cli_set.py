# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom set`: keys change, and everything that people wrote around them stays."""

from pathlib import Path

import pytest

import intercom
from intercom.__main__ import main
from intercom.cli.command import UsageError
from intercom.cli.commands.set import changed, parted

SAMPLE = Path(intercom.__file__).with_name("sample.toml").read_text()


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("accounts.home.user=hall", 'user = "door"\n', 'user = "hall"\n'),
        ('accounts.home.user="12"', 'user = "door"\n', 'user = "12"\n'),
        ('buttons.front.targets=["1", "2"]', 'targets = ["201"]\n', 'targets = ["1", "2"]\n'),
        ("buttons.front.pin=BOARD11", "pin = 17\n", 'pin = "BOARD11"\n'),
        ("doors.front.strike_pin = 5", "strike_pin = 27\n", "strike_pin = 5\n"),
    ],
)
def test_one_line_changes_and_no_other(change: str, before: str, after: str) -> None:
    """Comments are how people remember why."""
    assert changed(SAMPLE, [parted(change)]) == SAMPLE.replace(before, after, 1)


def test_keys_and_sections_that_are_not_there_are_made() -> None:
    """Also between the comments of a section that has none yet."""
    text = changed(SAMPLE, [parted("calls.ring_s=20"), parted("lamp.pin=22"), parted('codes.post.secret="0815"')])

    assert text.count("ring_s = 20") == 1
    assert "[lamp]\npin = 22" in text
    assert '[codes.post]\nsecret = "0815"' in text
    assert "[codes]\n" not in text


def test_a_key_is_taken_out() -> None:
    """Its default holds again."""
    assert changed("a = 1 # one\nb = 2\n", [parted("-a")]) == "b = 2\n"
    with pytest.raises(UsageError):
        changed("a = 1\n", [parted("-c")])


@pytest.mark.parametrize("change", ["user", "=x", "a..b=1", "a.b.c.=1"])
def test_what_is_no_change_is_refused(change: str) -> None:
    """With what a change looks like."""
    with pytest.raises(UsageError, match=r"SECTION\.KEY=VALUE"):
        parted(change)


def test_a_result_that_cannot_be_used_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that would be wrong is told; the file, its mode and its owner stay."""
    path = tmp_path / "a.toml"
    path.write_text(SAMPLE)
    path.chmod(0o640)
    refused = main(["set", "calls.ring_s=9999", "calls.no=1", "--config", str(path)])
    told = capsys.readouterr().err

    assert refused == 1
    assert "ring_s" in told
    assert "no: no such key" in told
    assert path.read_text() == SAMPLE
    assert main(["set", "calls.ring_s=25", "--config", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["a.toml"]
