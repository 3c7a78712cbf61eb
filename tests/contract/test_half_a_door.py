# SPDX-License-Identifier: GPL-2.0-or-later
"""A door with half its parts is a door: what cannot be had is told with its reason, and taken when it is there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_door import BUTTON, EXIT, STRIKE, TEXT, small_door

KEYPAD = "[keypads.k]\nrows = [5, 6, 13, 26]\ncolumns = [12, 7, 8]\n"
MORE = KEYPAD + "[tampers.case]\npin = 16\nshut = 'open'\n[buttons.side]\npin = 4\ntargets = ['201']\n"
PARTS = {
    "strike front": 27, "button side": 4, "lamp": 22, "exit front": 24, "tamper case": 16, "keypad k": 6,
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_each_pin_that_somebody_else_has_costs_its_part_only_and_is_taken_back(tmp_path: Path, part: str) -> None:
    """An overlay of config.txt has claimed it, or another program: every part but a visit's is left out and told."""
    with small_door(tmp_path, TEXT + MORE, LAB_TAKEN=f"GPIO{PARTS[part]}", LAB_LOOK_S="0.2") as door:
        door.well()
        told = door.until(door.conditions)
        door.rings()
        door.pins.give(PARTS[part])
        door.until(lambda: f"part {part}" not in door.conditions())
        door.rings()

        assert list(told) == [f"part {part}"]
        assert "cannot be had" in told[f"part {part}"]
        if part == "strike front":
            door.press(EXIT)
            door.pins.await_level(STRIKE, 1)
        elif part == "button side":
            door.press(4)
            door.until(lambda: any("button=side" in line for line in door.told))


def test_without_any_button_a_door_that_may_be_called_is_one(tmp_path: Path) -> None:
    """Its exit button works, and the house can call."""
    with small_door(tmp_path, LAB_TAKEN=f"GPIO{BUTTON}", LAB_LOOK_S="0.2") as door:
        door.well()
        door.press(EXIT)
        door.pins.await_level(STRIKE, 1)
        assert "part button front" in door.conditions()
        door.pins.give(BUTTON)
        door.until(lambda: not door.conditions())
        door.rings()


def test_without_any_button_and_without_callers_it_ends_with_its_reason(tmp_path: Path) -> None:
    """The only reason to end: there is nothing left that it could do for anybody."""
    with small_door(tmp_path, TEXT.replace('callers = ["201"]\n', ""), LAB_TAKEN=f"GPIO{BUTTON}") as door:
        assert door.process.wait(20) == 1
        door.until(lambda: any("button 'front': pin GPIO17 cannot be had" in line for line in door.told))


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the state."""
    folder = tmp_path / "card"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=16", "card", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def writable(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def make_files(folder: Path) -> None:
    for number in range(100):
        (folder / f"filler-{number}").touch()


def full_of_files(folder: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        make_files(folder)


def full(folder: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (folder / "filler-0").write_bytes(bytes(1 << 20))


def freed(folder: Path) -> None:
    for file in folder.glob("filler-*"):
        file.unlink()


def gone(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=0", "over", folder], check=True)


def back(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


CARDS = {"read-only": (read_only, writable), "no inode": (full_of_files, freed), "hidden": (gone, back)}


@pytest.mark.parametrize("trouble", CARDS)
@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_a_state_folder_that_cannot_be_written_costs_no_press(
    tmp_path: Path, card: Path, trouble: str, when: str
) -> None:
    """A memory card's classical end: it starts, rings, opens, tells it once, and takes it back."""
    breaks, mends = CARDS[trouble]
    if when == "at the start":
        breaks(card)
    with small_door(tmp_path, state=card, LAB_LOOK_S="0.2") as door:
        door.well()
        if when == "while it runs":
            breaks(card)
            door.rings()
        door.until(lambda: "storage" in door.conditions())
        door.rings()
        door.press(EXIT)
        door.pins.await_level(STRIKE, 1)
        mends(card)
        door.until(lambda: "storage" not in door.conditions())
        door.rings()

        assert sum("trouble with storage" in line for line in door.told) == 1
        assert "visits" in {path.name for path in card.iterdir()}


FILES = {
    "password_file": ('password = "x"', 'password_file = "secret"', "x", "[accounts.home] password_file"),
    "code": ("[lamp]", '[codes.family]\nsecret_file = "secret"\n[lamp]', "4711", "[codes.family] secret_file"),
    "credential": ('password = "x"', 'credential = "sip.password"', "x", "[accounts.home] credential"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_read_costs_what_needs_it_and_is_taken_back(tmp_path: Path, kind: str) -> None:
    """A secret that is gone, or that systemd could not decrypt: exit button and other ways go on, and it is told."""
    before, after, secret, where = FILES[kind]
    folder = tmp_path / "credentials"
    folder.mkdir()
    file = folder / "sip.password" if kind == "credential" else tmp_path / "secret"
    text = TEXT.replace(before, after)
    with small_door(tmp_path, text, LAB_LOOK_S="0.2", CREDENTIALS_DIRECTORY=str(folder)) as door:
        told = door.until(door.conditions)
        # What is held in the first 20 ms has been held before, and an exit button that sticks releases nothing.
        door.until(lambda: door.status().get("uptime_s", 0) > 0.3)
        door.press(EXIT)
        door.pins.await_level(STRIKE, 1)
        file.write_text(secret)
        file.chmod(0o600)
        door.until(lambda: not door.conditions() and door.status().get("lines"))
        door.well()
        door.rings()

        assert next(iter(told)) == f"part {where}"
        assert "No such file" in told[f"part {where}"]


def test_a_configuration_that_cannot_be_used_at_a_start_is_that_of_before(tmp_path: Path) -> None:
    """A slip of the pen, and then a power cut: the door is what it was, and says why."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with small_door(tmp_path, state=state) as door:
        door.well()
        door.until((state / "last.toml").exists)
        door.stop()
        door.config.write_text("nonsense = [")
        door.start()
        door.well()
        door.rings()
        told = door.conditions()["configuration"]
        door.write(TEXT)
        door.process.send_signal(1)
        door.until(lambda: not door.conditions())
        door.rings()

        assert "not TOML" in told
        assert "the last one that worked is used" in told
        assert (state / "last.toml").stat().st_mode & 0o777 == 0o600


def test_a_door_at_which_nothing_works_slows_down(tmp_path: Path) -> None:
    """systemd starts it again after a second, for ever: the journal is not filled by it."""
    with small_door(tmp_path, "nonsense = [") as door:
        took = []
        for _ in range(4):
            began = time.monotonic()
            assert door.process.wait(20) == 1
            took.append(time.monotonic() - began)
            door.start()
        began = time.monotonic()
        assert door.stop() in (1, -15)

        assert took[-1] > 1
        assert time.monotonic() - began < 5
