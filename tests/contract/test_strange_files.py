# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever lies where the door keeps its notes: it starts, rings and opens, and tells what it cannot keep."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_door import EXIT, STRIKE, SmallDoor, small_door

LEFT_ALONE = {"control", "house.sock", "intercom.toml", "pins"}
"""Sockets, which a test of the control socket's is about; the configuration; the tests' own."""
KEPT = {"visits", "last.toml", "sip-port"}
"""What a door has certainly written after one visit."""


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 32)


KINDS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: (path / "in").mkdir(parents=True),
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "four gigabytes": sparse,
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "nothing": lambda path: path.touch(),
    "other JSON": lambda path: path.write_text('{"format": 1, "t": "LineUp", "young": [], "at": {}}\n[]\nnull\n'),
    "depth": lambda path: path.write_text("[" * 100_000),
    "huge numbers": lambda path: path.write_text('{"format": 1, "young": 1e999, "at": ' + "9" * 4000 + "}"),
    "what nobody may read": lambda path: (path.touch(), path.chmod(0)),
}


def opens(door: SmallDoor) -> None:
    # What is held in the first 20 ms has been held before, and an exit button that sticks releases nothing.
    door.until(lambda: door.status().get("uptime_s", 0) > 0.3)
    door.press(EXIT)
    door.pins.await_level(STRIKE, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_door_starts_rings_and_opens_whatever_its_notes_are(tmp_path: Path, kind: str) -> None:
    """All of them at once: of the state that outlives the boot, and of what is beside the control socket."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with small_door(tmp_path, state=state, LAB_LOOK_S="0.5") as door:
        door.well()
        door.rings()
        opens(door)
        door.until(lambda: {path.name for path in state.iterdir()} >= KEPT)
        door.process.kill()  # so that it leaves all of its notes
        door.process.wait()
        notes = [path for folder in (state, tmp_path) for path in folder.iterdir()]
        notes = [path for path in notes if path.name not in LEFT_ALONE and path != state]
        notes += [state / name for name in ("texts", "tested", "acoustics", "codes", "releases", "refusals")]
        for note in dict.fromkeys([*notes, tmp_path / "pending", tmp_path / "starts", tmp_path / "strikes"]):
            if note.is_dir() and not note.is_symlink():
                shutil.rmtree(note)
            note.unlink(missing_ok=True)
            KINDS[kind](note)
        door.start()
        door.well()
        door.rings()
        opens(door)
        told = " ".join(door.told)

        assert "Traceback" not in told
        print(kind, door.conditions())
