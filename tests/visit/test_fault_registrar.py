"""What a registrar can do to a line: each is told once, tried again, and over as soon as the registrar is well."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import fault_table
import pytest
from healing import SOON, rings

from lab.baresip import Phone
from lab.house import Door, House, stopping


def ready(door: Door) -> float:
    """Return when the door had a voice engine, in seconds of the epoch: registering begins then."""
    return fault_table.at(door.await_record("engine-started"))


@contextmanager
def answering(house: House, code: int) -> Iterator[None]:
    """Have the registrar answer the door's REGISTERs so."""
    house.registrar.answer_registers(code)
    try:
        yield
    finally:
        house.registrar.answer_registers(200)


@pytest.mark.parametrize(
    ("code", "fault"),
    [(503, "503 at registration"), (403, "403 at registration"), (404, "404 at registration")],
)
def test_a_refusal_at_registration_is_told_once_and_ends_by_itself(
    house: House, phone: Phone, code: int, fault: str
) -> None:
    """A press meanwhile waits, and rings by itself when the registrar has come to its senses."""
    with answering(house, code):
        door = house.door(wait=False)
        began = door.await_record("condition-began", condition="line home")
    with stopping(door):
        healed = time.time()
        pressed = time.monotonic()
        door.press()
        up = door.await_record("line-up", 40)
        phone.await_event("CALL_INCOMING", 20, since=pressed)
        phone.reject()
        door.await_visit()
        rings(door, phone)

        assert str(code) in began["INTERCOM_DETAIL"]
        assert len(door.records("condition-began", condition="line home")) == 1
        assert len(door.records("condition-ended", condition="line home")) == 1
        fault_table.add(
            fault, door, fault_table.at(began) - ready(door), began["INTERCOM_DETAIL"], fault_table.at(up) - healed
        )


def test_a_registrar_that_wants_longer_registrations_gets_them(house: House, phone: Phone) -> None:
    """423 Interval Too Brief names the least (RFC 3261 section 10.3): that is asked for, and no fault."""
    text = 'user = "door"'
    with (
        answering(house, 423),
        house.door(edit=lambda before: before.replace(text, f"{text}\nexpires_s = 60")) as door,
    ):
        up = door.await_record("line-up")
        rings(door, phone)

        assert int(up["INTERCOM_EXPIRES_S"]) >= 600
        assert not door.records("condition-began", condition="line home")
        fault_table.add(
            "423 at registration", door, None, "nothing: what it names is asked for", fault_table.at(up) - ready(door)
        )


def test_a_wrong_password_is_tried_for_ever_and_told_once(house: House, phone: Phone) -> None:
    """PJSIP alone would give up after a 401; the journal is not filled with it either."""
    try:
        with house.door(wait=False, edit=lambda text: text.replace('"secret"', '"wrong"')) as door:
            began = door.await_record("condition-began", condition="line home")
            house.registrar.change_password("door", "wrong")
            healed = time.time()
            up = door.await_record("line-up", 45)  # after 30 s, give or take a fifth
            rings(door, phone)

            assert "401" in began["INTERCOM_DETAIL"]
            assert len(door.records("condition-began", condition="line home")) == 1
            fault_table.add(
                "401 for ever, until the password is right",
                door,
                fault_table.at(began) - ready(door),
                began["INTERCOM_DETAIL"],
                fault_table.at(up) - healed,
            )
    finally:
        house.registrar.change_password("door", "secret")


def test_a_password_changed_on_the_server_is_noticed_at_the_press(house: House, phone: Phone) -> None:
    """The registration still stands, but no call gets through: the press has its outcome, and the line its fault."""
    with house.door() as door:
        house.registrar.change_password("door", "other")
        try:
            changed = time.time()
            door.press()
            visit = door.await_visit()
            began = door.await_record("condition-began", condition="line home")
        finally:
            house.registrar.change_password("door", "secret")
        healed = time.time()
        ended = door.await_record("condition-ended", 40, condition="line home")
        rings(door, phone)

        assert visit.outcome == "unreachable"
        fault_table.add(
            "the password is changed, and changed back",
            door,
            fault_table.at(began) - changed,
            began["INTERCOM_DETAIL"],
            fault_table.at(ended) - healed,
        )


def test_a_registrar_that_stops_is_noticed_and_a_person_is_told_what_was_missed(house: House, phone: Phone) -> None:
    """Whoever rang in vain is named in a text as soon as a line is back."""
    edit = SOON + 'text_missed_to = "text"\npatience_s = 1\n'
    with (
        stopping(house.odd_phone("text", "uas_text")) as texted,
        house.door(edit=lambda text: text.replace("[calls]\n", f"[calls]\n{edit}")) as door,
    ):
        stopped = time.time()
        house.registrar.stop()
        try:
            began = door.await_record("condition-began", 20, condition="line home")
            door.press()
            visit = door.await_visit()
        finally:
            house.registrar.start()
        started = time.time()
        ended = door.await_record("condition-ended", 40, condition="line home")
        texted.require()
        with stopping(house.phone(ip="127.0.0.33")) as other:
            rings(door, other)

        assert visit.outcome == "unreachable"
        assert re.search(r"\nunreachable \d\d:\d\d-\d\d:\d\d, 1 ring: front \d\d:\d\d", texted.conversation())
        assert door.records("outage-told")
        fault_table.add(
            "the registrar is stopped and started; a press meanwhile is told in a text",
            door,
            fault_table.at(began) - stopped,
            began["INTERCOM_DETAIL"],
            fault_table.at(ended) - started,
        )
