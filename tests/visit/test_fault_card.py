"""The memory card under the state goes, no write and no inode: it costs no press, is told, and is taken back."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import fault_table
import pytest
from healing import rings

from lab.baresip import Phone
from lab.house import House

LOOKS = {"LAB_LOOK_S": "1"}
"""How often the door tries again here, in seconds; a real one waits 20."""


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the state."""
    folder = tmp_path / "card"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=24", "card", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(card: Path, mode: str) -> None:
    """As ext4's errors=remount-ro does it."""
    subprocess.run(["mount", "-o", f"remount,{mode}", card], check=True)


def use_up(card: Path) -> None:
    """Leave not one inode."""
    with contextlib.suppress(OSError):
        for number in range(100):
            (card / f"filler-{number}").touch()


def clear(card: Path) -> None:
    for file in card.glob("filler-*"):
        file.unlink()


TROUBLES = {
    "the state folder is read-only": (lambda card: remount(card, "ro"), lambda card: remount(card, "rw")),
    "the card is out of inodes": (use_up, clear),
}


@pytest.mark.parametrize("fault", TROUBLES)
def test_a_card_that_cannot_be_written_at_the_start_costs_no_press(
    house: House, phone: Phone, card: Path, fault: str
) -> None:
    """It starts, rings, tells it once, and tells the end of it."""
    breaks, mends = TROUBLES[fault]
    breaks(card)
    with house.door(env={**LOOKS, "STATE_DIRECTORY": str(card)}) as door:
        began = door.await_record("condition-began", condition="storage")
        rings(door, phone)
        rings(door, phone)
        mended = time.time()
        mends(card)
        ended = door.await_record("condition-ended", 30, condition="storage")
        rings(door, phone)

        assert len(door.records("condition-began", condition="storage")) == 1
        assert "visits" in {path.name for path in card.iterdir()}
        fault_table.add(
            f"{fault} at the start",
            door,
            fault_table.at(began) - door.began,
            began["INTERCOM_DETAIL"].rpartition(": ")[2],
            fault_table.at(ended) - mended,
        )


@pytest.mark.parametrize("fault", ["the card is remounted read-only in a visit", "the card runs out of inodes"])
def test_a_card_that_goes_while_the_door_runs_costs_no_press(
    house: House, phone: Phone, card: Path, fault: str
) -> None:
    """The visit under way has its outcome, the next ones ring, and a daemon killed meanwhile comes back."""
    breaks, mends = TROUBLES["the card is out of inodes" if "inodes" in fault else "the state folder is read-only"]
    with house.door(env={**LOOKS, "STATE_DIRECTORY": str(card)}) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        broken = time.time()
        breaks(card)
        phone.reject()
        door.await_visit()
        rings(door, phone)
        began = door.await_record("condition-began", condition="storage")
        door.process.signal(signal.SIGKILL)
        door.process.wait(5)
        door.restart()
        door.await_records("line-up", 2)
        rings(door, phone)
        mended = time.time()
        mends(card)
        ended = door.await_record("condition-ended", 30, condition="storage")
        rings(door, phone)

        fault_table.add(
            fault,
            door,
            fault_table.at(began) - broken,
            began["INTERCOM_DETAIL"].rpartition(": ")[2],
            fault_table.at(ended) - mended,
        )
