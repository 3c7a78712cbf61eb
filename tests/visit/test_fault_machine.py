"""The machine fails under the door: card, disk, clock."""

from __future__ import annotations

import contextlib
import subprocess
import time

import fault_table
from healing import rings

from lab.baresip import Phone
from lab.clock import Clock
from lab.house import CODE, STRIKE, Door, House
from lab.processes import LabError

DAY_S = 86400


def comes(door: Door, kind: str, count: int = 1, **fields: str) -> bool:
    """Whether so many records of a kind come, where both ways are good ones."""
    with contextlib.suppress(LabError):
        door.await_records(kind, count, 10, **fields)
        return True
    return False


def test_a_card_pulled_out_in_a_call_and_put_back(house: House, phone: Phone) -> None:
    """The visit goes on without sound, the code opens, and the sound comes back by itself.

    PortAudio's JACK part aborts when its server is gone (an assertion in CleanUpStream of pa_jack.c), and takes the
    engine along: so this is mostly also an engine that dies of its card, and the phone is called back once. Now and
    then PortAudio lets go of it in peace, and the same call goes on. And now and then it waits minutes for the dead
    server: the call goes on in silence, and once it is over an engine that cannot get the card back is replaced.
    """
    with house.door() as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("card-opened")
        pulled, cut = time.time(), time.monotonic()
        house.close_card()
        try:
            began = door.await_record("condition-began", 20, condition="sound card")
            if comes(door, "condition-began", condition="voice engine"):
                phone.hang_up()
                phone.await_event("CALL_INCOMING", 20, since=cut)
                phone.answer()
                door.await_records("call-answered", 2)
            phone.press_key(CODE)
            door.pins.await_level(STRIKE, 1)
        finally:
            put_back = time.time()
            house.open_card(house.jackd.name)
        in_this_call = comes(door, "card-opened", 2)
        phone.hang_up()
        visit = door.await_visit()
        if not in_this_call:
            door.await_record("condition-ended", 30, condition="voice engine")
        rings(door, phone)
        opened = door.await_records("card-opened", 2)[1]

        assert visit.outcome == "talked"
        assert door.records("condition-ended", condition="sound card")
        fault_table.add(
            "the sound card is pulled out in a call, and put back",
            door,
            fault_table.at(began) - pulled,
            began["INTERCOM_DETAIL"],
            fault_table.at(opened) - put_back,
        )


def test_a_full_disk_costs_no_press(house: House, phone: Phone) -> None:
    """Nothing can be written where the daemon keeps its notes: it starts, rings, and says so."""
    folder = house.folder / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tiny", folder], check=True)
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
    try:
        with house.door(socket=folder / "control") as door:
            began = door.await_record("condition-began", condition="disk")
            rings(door, phone)
            freed = time.time()
            filler.unlink()
            ended = door.await_record("condition-ended", 45, condition="disk")
            rings(door, phone)

            fault_table.add(
                "the disk is full",
                door,
                fault_table.at(began) - door.began,
                began["INTERCOM_DETAIL"].partition(" on ")[0],
                fault_table.at(ended) - freed,
            )
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_clock_that_jumps_a_day_shortens_and_lengthens_nothing(house: House, phone: Phone) -> None:
    """NTP's first answer after a power cut: the visit under way goes on, and its times are right."""
    clock = Clock(house.folder / "clock")
    with house.door(env=clock.env, talk_s=60) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        clock.shift(DAY_S)
        phone.answer()
        door.await_record("call-answered")
        clock.shift(-DAY_S)
        phone.press_key(CODE)
        opened = door.pins.await_level(STRIKE, 1)
        locked = door.pins.await_level(STRIKE, 0, since=opened)
        phone.hang_up()
        visit = door.await_visit()
        rings(door, phone)

        assert visit.outcome == "talked"
        assert 0.9 < locked - opened < 3
        assert visit.timeline["ended"] < 60_000
        fault_table.add("the clock jumps a day ahead, and two back", door, None, "nothing: visits go by another", None)
