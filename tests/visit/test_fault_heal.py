"""Faults: each is noticed, told once and healed, no press goes without an outcome, and the next one rings."""

from __future__ import annotations

import os
import signal
import time

import fault_table
import pytest
from healing import rings

from intercom.engine.__main__ import STUCK_S
from lab.baresip import Phone
from lab.house import CODE, PHONE_IP, STRIKE, Door, House, stopping
from lab.kamailio import Kamailio

SPARE_IP = "127.0.0.21"


def test_a_silent_registrar_is_noticed_by_asking_it(house: House, door: Door, phone: Phone) -> None:
    """A server that still holds its port and says nothing would be noticed at the next REGISTER, minutes later."""
    frozen = time.time()
    house.registrar.pause()
    try:
        began = door.await_record("condition-began", 40, condition="line home")
    finally:
        house.registrar.resume()
    resumed = time.time()
    ended = door.await_record("condition-ended", 60, condition="line home")
    rings(door, phone)

    fault_table.add(
        "the registrar falls silent (SIGSTOP)",
        door,
        fault_table.at(began) - frozen,
        began["INTERCOM_DETAIL"],
        fault_table.at(ended) - resumed,
    )
    assert fault_table.at(began) - frozen < 30


def test_the_next_account_is_tried_when_the_first_one_is_dead_at_the_press(house: House, phone: Phone) -> None:
    """Nobody knows yet that the server is gone, and the visitor must not be the one to find out."""
    spare = Kamailio(house.folder, ip=SPARE_IP, users={"door": "secret", "201": "p201"})
    other = Phone("201", house.folder, spare, "p201", ip="127.0.0.35")
    account = f'[accounts.spare]\nserver = "{SPARE_IP}"\nuser = "door"\npassword = "secret"\n\n[buttons.front]'
    with stopping(spare), stopping(other):
        other.wait_registered()
        with house.door(edit=lambda text: text.replace("[buttons.front]", account)) as door:
            door.await_record("line-up", account="spare")
            house.registrar.pause()
            try:
                pressed = time.monotonic()
                door.press()
                ringing = other.await_event("CALL_INCOMING", 15, since=pressed)
                other.reject()
                visit = door.await_visit()
            finally:
                house.registrar.resume()

            assert visit.outcome == "busy"
            assert visit.record["INTERCOM_ACCOUNT"] in {"home", "spare"}
            fault_table.add(
                "the first account's server is dead at the press", door, ringing.at - pressed, "rung by the next", None
            )


def test_a_daemon_killed_with_the_door_open_comes_back_with_it_locked(house: House, phone: Phone) -> None:
    """Whatever happened, a daemon that starts has locked every strike before anything else."""
    with house.door(pulse_s=20) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered")
        phone.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
        killed = time.monotonic()
        door.process.signal(signal.SIGKILL)
        door.process.wait(5)
        phone.hang_up()
        door.restart()
        locked = door.pins.await_level(STRIKE, 0, 10, since=killed)
        phone.await_event("CALL_INCOMING", 20, since=killed)
        phone.reject()
        door.await_visit(20)

        fault_table.add(
            "the daemon is killed with the strike released, and starts again at once",
            door,
            None,
            "locked at start",
            locked - killed,
        )


def test_a_stuck_engine_is_replaced_and_rings_on(door: Door, phone: Phone) -> None:
    """A driver that hangs for ever takes the engine with it, not the door."""
    door.press()
    phone.await_event("CALL_INCOMING")
    stuck, cut = time.time(), time.monotonic()
    os.kill(door.engine_pid(), signal.SIGSTOP)
    began = door.await_record("condition-began", 15, condition="voice engine")
    phone.reject()
    ended = door.await_record("condition-ended", 15, condition="voice engine")
    phone.await_event("CALL_INCOMING", 20, since=cut)
    phone.reject()
    visit = door.await_visit(20)

    assert visit.id == door.records("press-accepted")[0]["INTERCOM_VISIT"]
    fault_table.add(
        "the voice engine hangs (SIGSTOP) while it rings",
        door,
        fault_table.at(began) - stuck,
        began["INTERCOM_DETAIL"],
        fault_table.at(ended) - stuck,
    )


def test_a_card_that_stops_in_a_call_leaves_the_call_and_the_code(house: House, door: Door, phone: Phone) -> None:
    """The loudspeaker is dead, the house can still open; and the card is taken back."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("card-opened")
    stopped = time.time()
    house.jackd.process.signal(signal.SIGSTOP)
    try:
        began = door.await_record("condition-began", 15, condition="sound card")
        phone.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
    finally:
        house.jackd.process.signal(signal.SIGCONT)
    resumed = time.time()
    ended = door.await_record("condition-ended", 20, condition="sound card")
    phone.hang_up()
    visit = door.await_visit()

    assert visit.outcome == "talked"
    assert visit.timeline["released"] > 0
    fault_table.add(
        "the sound card stops in a call",
        door,
        fault_table.at(began) - stopped,
        began["INTERCOM_DETAIL"],
        fault_table.at(ended) - resumed,
    )


def test_whoever_hangs_up_while_the_driver_hangs_is_not_called_back(house: House, door: Door, phone: Phone) -> None:
    """The engine is given up only once it has told the end of the call: nothing is taken for a call that was cut."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("card-opened")
    house.jackd.process.signal(signal.SIGSTOP)
    try:
        door.await_record("condition-began", 15, condition="sound card")
        time.sleep(STUCK_S + 1)  # a driver that has not come back for so long is given up
        phone.hang_up()
        replaced = door.await_record("condition-began", 15, condition="voice engine")
        visit = door.await_visit()
    finally:
        house.jackd.process.signal(signal.SIGCONT)
    rings(door, phone)

    assert replaced["INTERCOM_DETAIL"] == "ended with status 1"
    assert visit.outcome == "talked"
    assert len(door.records("call-placed")) == 2


@pytest.mark.parametrize("first", ["busy", "nobody"])
def test_a_stage_that_fails_at_once_does_not_use_up_its_time(house: House, phone: Phone, first: str) -> None:
    """The next stage rings at once."""
    stages = f'stages = [{{ targets = ["{first}"], ring_s = 30 }}, {{ targets = ["201"] }}]'
    with house.door(edit=lambda text: text.replace('targets = ["201"]', stages)) as door:
        pressed = time.monotonic()
        door.press()
        ringing = phone.await_event("CALL_INCOMING", 10, since=pressed)
        phone.reject()

        assert door.await_visit().outcome == "busy"
        assert ringing.at - pressed < 10


def test_an_answer_counts_only_when_it_is_confirmed(house: House, phone: Phone) -> None:
    """A voicemail answers too, but it does not key 1."""
    with house.door(edit=lambda text: text.replace('targets = ["201"]', 'targets = ["201"]\nconfirm = true')) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-unconfirmed")
        unheard = not door.records("call-answered")
        phone.press_key("1")
        door.await_record("call-answered")
        phone.hang_up()

        assert unheard
        assert door.await_visit().outcome == "talked"


def test_a_direct_target_rings_without_any_line(house: House, phone: Phone) -> None:
    """The PBX is no single point of failure."""
    stages = f'targets = ["sip:201@{PHONE_IP}"]'
    house.registrar.pause()
    try:
        with house.door(wait=False, edit=lambda text: text.replace('targets = ["201"]', stages)) as door:
            door.await_record("engine-started")
            pressed = time.monotonic()
            door.press()
            ringing = phone.await_event("CALL_INCOMING", 15, since=pressed)
            phone.reject()

            assert door.await_visit().outcome == "busy"
            rung_s = ringing.at - pressed
            fault_table.add("no line at all, but a direct target", door, None, "rung at its address", rung_s)
    finally:
        house.registrar.resume()


def test_fifty_presses_of_a_child_make_one_call(door: Door, phone: Phone) -> None:
    """Every press gets its answer, and the phone rings once."""
    for _ in range(50):
        door.pins.press(17, hold_ms=40)
        time.sleep(0.03)  # a child's finger
    door.await_record("press-answered")
    phone.answer()
    door.await_record("call-answered")
    phone.hang_up()
    door.await_visit()
    told = len(door.records("press-accepted")) + len(door.records("press-answered"))

    assert told == 50
    assert len([event for event in phone.events if event.type == "CALL_INCOMING"]) == 1
    fault_table.add("a child presses 50 times", door, None, "49 times: still ringing", None)
