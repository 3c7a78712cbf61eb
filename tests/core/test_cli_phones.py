# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom phones`: each phone has a password of its own, and only phones get into the service's configuration."""

import stat
from pathlib import Path

import pytest

from intercom.__main__ import main
from intercom.cli.commands import phones


def call(path: Path, *words: str) -> int:
    return main(["phones", *words, "--file", str(path)])


def test_phones_are_added_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list is what somebody copies into a telephone; the door's own password is not in it."""
    path = tmp_path / "phones.cfg"
    assert call(path, "add", "door", "201", "202") == 0
    known = phones.read(path)
    capsys.readouterr()
    assert call(path) == 0
    shown = capsys.readouterr().out

    assert list(known) == ["201", "202", "door"]
    assert len(set(known.values())) == 3
    assert known["201"] in shown
    assert known["door"] not in shown
    assert call(path, "remove", "202") == 0
    assert list(phones.read(path)) == ["201", "door"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("add", "20 1"), "'20 1' must be an extension of 1 to 8 digits"),
        (("add", '201"; exit'), "must be an extension"),
        (("add", "123456789"), "must be an extension"),
        (("add", "201"), "201 is there already"),
        (("remove", "299"), "299 is not there"),
        (("remove", "201", "299"), "299 is not there"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str
) -> None:
    """The file is code to Kamailio: nothing but extensions may get into it."""
    path = tmp_path / "phones.cfg"
    call(path, "add", "201")
    before = path.read_bytes()

    assert call(path, *words) == 1
    assert complaint in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_house_without_the_service_is_told_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Most houses have a PBX."""
    assert call(tmp_path / "none.cfg") == 1
    assert "install --with-registrar" in capsys.readouterr().err


def test_passwords_are_long_and_can_be_copied_by_hand() -> None:
    """No letter looks like another one."""
    words = {phones.password() for _ in range(100)}

    assert len(words) == 100
    assert all(len(word) == 16 and not set(word) & set("0O1lI") for word in words)
