"""What there is at the door besides the button: contact, exit button, tamper switch, keypad, reader; on mock pins."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.baresip import Phone
from lab.house import CODE, LAMP, STRIKE, Door, House
from lab.processes import wait_until
from lab.tones import find_tone, level_dbfs

EXIT, CONTACT, TAMPER = 24, 25, 16
ROWS, COLUMNS, KEYS = (6, 13, 19, 26), (12, 20, 21), ("123", "456", "789", "*0#")
DATA = 9, 10
CARD = 12345678
SHUT, OPEN = 1, 0
"""Levels of a contact that closes when its door is opened."""
WRONG_HZ, CLOSE_HZ = 329.6, 784.0
"""Pitches of the tones for a wrong code, and for a door to be closed."""


def wired(text: str) -> str:
    """Everything that can be wired to a door."""
    door = f'exit_pin = {EXIT}\ncontact_pin = {CONTACT}\ncontact_shut = "open"\nheld_s = 5\n'
    return text.replace("[doors.front]\n", f"[doors.front]\n{door}") + (
        f'\n[codes.postman]\nsecret = "card {CARD}"\n'
        f'\n[tampers.case]\npin = {TAMPER}\nshut = "open"\n'
        f"\n[keypads.front]\nrows = {list(ROWS)}\ncolumns = {list(COLUMNS)}\n"
        f"\n[keypads.side]\ndata0 = {DATA[0]}\ndata1 = {DATA[1]}\n"
    )


@pytest.fixture
def station(house: House) -> Iterator[Door]:
    """A door with all of it."""
    with house.door(edit=wired) as door:
        yield door


def key(door: Door, keys: str) -> None:
    """Press keys of the matrix."""
    for one in keys:
        row = next(number for number, printed in enumerate(KEYS) if one in printed)
        door.pins.key(ROWS[row], COLUMNS[KEYS[row].index(one)], 60)


def parity(number: int) -> str:
    """A card's number in 26 bits: even parity over the first half, odd over the second."""
    body = f"{number:024b}"
    return str(body[:12].count("1") % 2) + body + str((body[12:].count("1") + 1) % 2)


def flashes(door: Door, since: float) -> int:
    """How often the lamp has gone on."""
    return sum(level == 1 and at >= since for at, level in door.pins.history(LAMP))


def test_who_goes_out_by_the_exit_button_is_no_burglar_and_who_comes_in_without_is_one(station: Door) -> None:
    """The contact tells one from the other; the case tells that it was opened."""
    station.press(EXIT)
    released = station.await_record("door-released")
    up = station.pins.await_level(STRIKE, 1)
    station.pins.set(CONTACT, OPEN)
    station.await_record("door-opened")
    locked = station.pins.await_level(STRIKE, 0, since=up)
    station.pins.set(CONTACT, SHUT)
    station.await_record("door-closed")

    assert released["INTERCOM_BY"] == "exit button"
    assert 0.95 <= locked - up < 1.5
    assert not station.records("door-forced")

    time.sleep(2.1)  # who pushes just after the strike has locked has forced nothing either
    station.pins.set(CONTACT, OPEN)
    station.await_record("door-forced")
    station.pins.set(CONTACT, SHUT)
    station.await_record("condition-ended", condition="door front forced")
    station.pins.set(TAMPER, OPEN)
    station.await_record("tampered")
    station.pins.set(TAMPER, SHUT)
    station.await_record("condition-ended", condition="tamper case")


def test_a_door_left_open_is_told_and_asks_to_be_closed(house: House, station: Door) -> None:
    """By a tone that goes on until somebody does; nobody hears the door by it."""
    station.press(EXIT)
    station.await_record("door-released")
    station.pins.set(CONTACT, OPEN)
    station.await_record("door-held", 10)
    station.await_record("card-opened", reason="a door left open")
    since = time.monotonic()
    time.sleep(1.0)  # as long as the tone takes
    heard = find_tone(house.room.heard(since), house.room.rate, CLOSE_HZ)
    station.pins.set(CONTACT, SHUT)
    station.await_record("condition-ended", condition="door front left open")
    station.await_record("card-closed")

    assert level_dbfs(house.room.heard(since)) > -40, heard
    assert not house.room.ports_open()


def test_a_keypad_and_a_reader_open_without_a_call_and_say_so_when_they_do_not(house: House, station: Door) -> None:
    """Three flashes and three low notes for a wrong code; the same limits as on a phone."""
    key(station, CODE)
    first = station.await_record("door-released")
    station.pins.await_level(STRIKE, 0, since=station.pins.await_level(STRIKE, 1))
    for digit in CODE:
        station.pins.pulses(*DATA, f"{int(digit):04b}")
        time.sleep(0.1)  # a finger on its way
    second = station.await_records("door-released", 2)[1]
    station.pins.await_level(STRIKE, 0)
    station.pins.pulses(*DATA, parity(CARD))
    third = station.await_records("door-released", 3)[2]
    station.await_records("door-locked", 3)

    since = time.monotonic()
    key(station, "9999")
    wrong = station.await_record("code-wrong")
    station.await_record("card-opened", reason="a wrong code")
    wait_until(lambda: flashes(station, since) >= 3, 5, "the lamp flashes")
    station.await_record("card-closed")
    heard = find_tone(house.room.heard(since), house.room.rate, WRONG_HZ)
    station.pins.pulses(*DATA, parity(CARD + 1))
    card = station.await_records("code-wrong", 2)[1]
    station.await_records("card-closed", 2)

    assert [
        (one["INTERCOM_CODE_NAME"], one["INTERCOM_METHOD"], one["INTERCOM_SOURCE"]) for one in (first, second, third)
    ] == [
        ("family", "keypad", "keypad front"),
        ("family", "keypad", "keypad side"),
        ("postman", "card", "keypad side"),
    ]
    assert (wrong["INTERCOM_SOURCE"], card["INTERCOM_SOURCE"]) == ("keypad front", "keypad side")
    assert heard.peak_hz == pytest.approx(WRONG_HZ, abs=15), heard
    assert not any(
        CODE in str(record.get("MESSAGE")) or str(CARD) in str(record.get("MESSAGE")) for record in station.records()
    )


def test_in_a_visit_a_wrong_code_at_the_door_disturbs_nobody_and_a_right_one_opens(
    house: House, station: Door, phone: Phone
) -> None:
    """A tone once, the conversation goes on, and the visit tells of the door."""
    station.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    station.await_record("call-answered")
    key(station, "9999")
    station.await_record("code-wrong")
    key(station, CODE)
    station.await_record("door-released")
    up = station.pins.await_level(STRIKE, 1)
    station.pins.set(CONTACT, OPEN)
    station.await_record("door-opened")
    station.pins.await_level(STRIKE, 0, since=up)
    station.pins.set(CONTACT, SHUT)
    phone.hang_up()
    visit = station.await_visit()

    assert visit.outcome == "talked"
    assert "released" in visit.timeline
    assert not station.records("door-forced")
