# SPDX-License-Identifier: GPL-2.0-or-later
"""Another configuration for a door that runs: no press, no exit, no descriptor and no signal is lost over it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from small_door import BUTTON, EXIT, STRIKE, TEXT, SmallDoor, small_door

RELOADS = int(os.environ.get("INTERCOM_RELOADS", "100"))


def other(number: int) -> str:
    """A configuration that differs in more than rules, so that all is made anew."""
    return TEXT.replace("[sound]", f"[sound]\nmicrophone_db = {number % 7}.5")


def open_now(door: SmallDoor) -> int:
    return len(list(Path(f"/proc/{door.process.pid}/fd").iterdir()))


def threads(door: SmallDoor) -> int:
    return len(list(Path(f"/proc/{door.process.pid}/task").iterdir()))


def children(door: SmallDoor) -> list[str]:
    """The states of the daemon's children: "Z" is one that nobody has buried."""
    pids = Path(f"/proc/{door.process.pid}/task/{door.process.pid}/children").read_text().split()
    return [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids]


def reloads(door: SmallDoor) -> int:
    return sum("SIGHUP" in line and "another configuration" in line for line in door.told)


def reload(door: SmallDoor, number: int) -> None:
    door.write(other(number))
    before = reloads(door)
    door.process.send_signal(signal.SIGHUP)
    door.until(lambda: reloads(door) > before)


def presses(door: SmallDoor) -> int:
    """How many presses were told, one way or the other."""
    return sum(door.status().get("counts", {}).get(kind, 0) for kind in ("press-accepted", "press-answered"))


def test_a_hundred_reloads_with_presses_between_lose_none_and_leave_nothing(tmp_path: Path) -> None:
    """Each press comes at another moment of a reload: before, while the pins change hands, after."""
    with small_door(tmp_path) as door:
        door.well()
        reload(door, 0)
        door.well()
        door.rings()
        before = open_now(door), threads(door)
        lost = []
        for number in range(1, RELOADS + 1):
            asked = len(door.peer.got("INVITE"))
            door.write(other(number))
            door.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + (number % 25) * 0.02
            while time.monotonic() < until:  # another moment each time; nothing is awaited
                time.sleep(0.001)
            door.press()
            try:
                door.until(lambda asked=asked: len(door.peer.got("INVITE")) > asked, 20)
            except AssertionError:
                lost.append(number)
            door.until(lambda: door.status().get("phase") == "idle")
        door.until(lambda: (open_now(door), threads(door)) <= (before[0] + 1, before[1] + 1), 10)

        assert lost == []
        assert "Z" not in children(door)
        print(f"{RELOADS} reloads: descriptors {before[0]} to {open_now(door)}, threads {before[1]} to {threads(door)}")


def test_two_reloads_in_a_row_and_more_end_nothing(tmp_path: Path) -> None:
    """SIGHUP's default is to end a process: between two event loops of one it must not be that."""
    with small_door(tmp_path) as door:
        door.well()
        for number in range(400):
            if number % 40 == 0:
                door.write(other(number))
            door.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 0.004
            while time.monotonic() < until:
                time.sleep(0.0005)
            assert door.process.poll() is None, door.told[-5:]
        door.well()
        door.rings()


def test_an_end_that_is_asked_for_between_two_daemons_is_one(tmp_path: Path) -> None:
    """SIGTERM at any moment of a reload: status 0, and the strike is locked."""
    for number in range(6):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with small_door(folder) as door:
            door.well()
            door.write(other(1))
            door.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + number * 0.08
            while time.monotonic() < until:
                time.sleep(0.001)
            assert door.stop() == 0, door.told[-10:]
            assert door.pins.level(STRIKE) in (0, None)


@pytest.mark.parametrize("moment", ["while the engine says goodbye", "later"])
def test_whoever_wants_out_during_a_reload_gets_out(tmp_path: Path, moment: str) -> None:
    """The engine is stopped, so the old daemon waits for its goodbye; the exit button works meanwhile, and after."""
    with small_door(tmp_path) as door:
        door.well()
        engine = door.status()["engine"]["pid"]
        os.kill(engine, signal.SIGSTOP)
        reload_at = time.monotonic()
        door.write(other(1))
        door.process.send_signal(signal.SIGHUP)
        door.until(lambda: any("SIGHUP" in line for line in door.told))
        if moment == "later":
            door.until(lambda: time.monotonic() > reload_at + 2.5)
        pressed = time.monotonic()
        door.press(EXIT)
        opened = door.pins.await_level(STRIKE, 1, 10, since=pressed)
        locked = door.pins.await_level(STRIKE, 0, 10, since=opened)
        door.well()
        door.rings()

        print(f"released after {1000 * (opened - pressed):.0f} ms, for {locked - opened:.2f} s")
        assert opened - pressed < 0.5
        assert 0.9 < locked - opened < 1.5
        assert door.pins.level(STRIKE) == 0
        door.until(lambda: "Z" not in children(door))
        assert not Path(f"/proc/{engine}").exists()


def test_a_button_that_sticks_through_a_reload_is_no_visitor_and_stays_told(tmp_path: Path) -> None:
    """Held from before: it neither rings again nor is forgotten, and the next press rings."""
    text = TEXT.replace("[lamp]", "[calls]\nstuck_s = 10\n[lamp]")
    with small_door(tmp_path, text) as door:
        door.well()
        door.pins.set(BUTTON, 0)
        door.until(lambda: "button front" in door.conditions(), 20)
        rung = len(door.peer.got("INVITE"))
        door.write(text.replace("[sound]", "[sound]\nmicrophone_db = 3"))
        door.process.send_signal(signal.SIGHUP)
        door.until(lambda: reloads(door))
        door.well()

        assert "button front" in door.conditions()
        assert len(door.peer.got("INVITE")) == rung
        door.pins.set(BUTTON, 1)
        door.until(lambda: "button front" not in door.conditions())
        door.rings()


@pytest.mark.parametrize("pin", [BUTTON, STRIKE, EXIT, 22])
def test_a_pin_that_is_taken_at_a_reload_costs_no_press(tmp_path: Path, pin: int) -> None:
    """A configuration that wants what somebody else has is not taken up: the door is what it was, and says why."""
    with small_door(tmp_path) as door:
        door.well()
        door.pins.take(5)
        door.write(TEXT.replace(f"pin = {pin}\n", "pin = 5\n", 1))
        door.process.send_signal(signal.SIGHUP)
        told = door.until(lambda: door.conditions().get("configuration"))
        door.well()
        door.rings()
        door.press(EXIT)
        door.pins.await_level(STRIKE, 1)

        assert "pin GPIO5 cannot be had" in told
