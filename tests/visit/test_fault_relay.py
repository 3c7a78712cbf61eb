"""A TURN server is a comfort: without it, and with one that refuses, calls go all the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import fault_table
from healing import rings

from lab.baresip import Phone
from lab.coturn import Coturn
from lab.house import House, stopping

TURN = "127.0.0.61"


def with_turn(password: str) -> Callable[[str], str]:
    keys = f'user = "door"\nturn = "{TURN}:3478"\nturn_user = "door"\nturn_password = "{password}"\n'
    return lambda text: text.replace('user = "door"\n', keys)


def test_a_dead_turn_server_is_noticed_before_a_press_and_taken_back(house: House, phone: Phone) -> None:
    """It is asked twice a minute; while it is silent, calls go without it."""
    with house.door(edit=with_turn("turn")) as door:
        began = door.await_record("condition-began", condition="nat home")
        pressed = time.monotonic()
        door.press()
        ringing = phone.await_event("CALL_INCOMING", 20, since=pressed)
        phone.reject()
        door.await_visit()
        started = time.time()
        with stopping(Coturn(house.folder, TURN)) as turn:
            ended = door.await_record("condition-ended", 30, condition="nat home")
            rings(door, phone)
            turn.process.await_line("user <door>.*ALLOCATE processed, success", 5)

        assert ringing.at - pressed < 3
        fault_table.add(
            "the TURN server is dead",
            door,
            fault_table.at(began) - door.began,
            began["INTERCOM_DETAIL"],
            fault_table.at(ended) - started,
        )


def test_a_turn_server_that_dies_at_the_press_costs_time_and_no_press(house: House, phone: Phone) -> None:
    """Nobody has noticed yet: PJSIP waits for it for 8 s, and the same leg is placed again without it."""
    with stopping(Coturn(house.folder, TURN)) as turn, house.door(edit=with_turn("turn")) as door:
        rings(door, phone)
        turn.process.await_line("user <door>.*ALLOCATE processed, success", 5)
        turn.stop()
        died, pressed = time.time(), time.monotonic()
        door.press()
        ringing = phone.await_event("CALL_INCOMING", 20, since=pressed)
        phone.reject()
        door.await_records("visit-ended", 2)
        began = door.await_record("condition-began", condition="nat home")
        rings(door, phone)

        assert ringing.at - pressed < 12
        fault_table.add(
            "the TURN server dies a moment before a press",
            door,
            fault_table.at(began) - died,
            f"rung after {ringing.at - pressed:.1f} s",
            None,
        )


def test_a_turn_server_that_refuses_the_door_costs_no_press(house: House, phone: Phone) -> None:
    """It is there, and does not take the password."""
    with stopping(Coturn(house.folder, TURN)), house.door(edit=with_turn("wrong")) as door:
        pressed = time.monotonic()
        door.press()
        ringing = phone.await_event("CALL_INCOMING", 20, since=pressed)
        phone.reject()
        door.await_visit()
        began = door.await_record("condition-began", condition="nat home")
        rings(door, phone)

        fault_table.add(
            "the TURN server refuses the door's password",
            door,
            None,
            f"{began['INTERCOM_DETAIL']} (rung after {ringing.at - pressed:.1f} s)",
            None,
        )
