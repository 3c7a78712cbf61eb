"""What breaks around a visit, and that it costs no more than it must."""

import os
import signal
import time

from lab.baresip import Phone
from lab.house import CODE, STRIKE, Door, House, stopping


def talk(door: Door, phone: Phone) -> None:
    """Have a conversation under way."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")


def test_sigterm_in_a_call_says_goodbye_to_everybody(house: House, door: Door, phone: Phone) -> None:
    """BYE to the phone, the strike locked, the registration taken back, the visit told, exit status 0."""
    talk(door, phone)
    phone.press_key(CODE)
    door.pins.await_level(STRIKE, 1)
    mark = house.registrar.mark()
    status = door.process.stop(10)
    phone.await_event("CALL_CLOSED")
    house.registrar.await_unregistered("door", after=mark)

    assert status == 0
    assert door.await_visit().outcome == "stopped"
    assert door.pins.level(STRIKE) == 0
    assert not house.room.ports_open()


def test_a_killed_voice_engine_costs_a_second_of_talk_and_no_more(house: House, door: Door, phone: Phone) -> None:
    """Registered again at once, the phone called back once, one visit told, the strike and the ledger untouched."""
    talk(door, phone)
    killed, cut = time.time(), time.monotonic()
    os.kill(door.engine_pid(), signal.SIGKILL)
    phone.hang_up()
    back = house.journal.await_record(
        lambda record: record.get("INTERCOM_KIND") == "line-up", 10, killed, SYSLOG_IDENTIFIER="intercom"
    )
    phone.await_event("CALL_INCOMING", 10, since=cut)
    phone.answer()
    first = door.records("press-accepted")[0]["INTERCOM_VISIT"]
    door.await_record("call-answered", leg=f"{first}.2")
    phone.hang_up()
    visit = door.await_visit()

    print(f"registered again {back['__REALTIME_TIMESTAMP'].timestamp() - killed:.2f} s after SIGKILL")
    assert (visit.id, visit.outcome) == (first, "talked")
    assert len(door.records("visit-ended")) == 1
    assert len(door.records("condition-began", condition="voice engine")) == 1
    assert len(door.records("condition-ended", condition="voice engine")) == 1


def test_a_killed_engine_while_it_rings_rings_again(door: Door, phone: Phone) -> None:
    """The visitor still stands there: the same visit dials again by itself."""
    door.press()
    phone.await_event("CALL_INCOMING")
    os.kill(door.engine_pid(), signal.SIGKILL)
    again = time.monotonic()
    phone.await_event("CALL_INCOMING", 15, since=again)
    accepted = door.records("press-accepted")

    assert len(accepted) == 1
    assert door.await_record("call-ringing", leg=f"{accepted[0]['INTERCOM_VISIT']}.2")


def test_a_phone_that_vanishes_leaves_no_visit_behind(house: House) -> None:
    """Nobody answers the BYE: the visit ends all the same, and the next press works."""
    vanishing = house.odd_phone("vanish", "uas_vanish", SECONDS="60")
    with stopping(vanishing), house.door(target="vanish", talk_s=5, warn_s=1) as door:
        door.press()
        visit = door.await_visit(20)
        house.room.await_ports(open=False)
        door.press()
        door.await_record("call-placed", leg=f"{visit.id[:-1]}2.1")

        assert visit.outcome == "talked"


def test_a_missing_card_costs_the_sound_and_nothing_else(house: House, phone: Phone) -> None:
    """Without a card the phone still rings, the code still opens, and it is told once."""
    with house.door(edit=lambda text: text.replace('"system"', '"no such card"')) as door:
        talk(door, phone)
        phone.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
        phone.hang_up()

        assert door.await_visit().outcome == "talked"
        assert len(door.records("condition-began", condition="sound card")) == 1
        assert "no such card" in door.records("condition-began", condition="sound card")[0]["INTERCOM_DETAIL"]


def test_a_registrar_that_comes_back_is_registered_with_again(house: House) -> None:
    """A press while the line is down waits, and rings by itself when the line is back."""
    house.registrar.stop()
    try:
        # A number that needs no phone: those lose their registrations with the registrar, and come back when they like.
        with house.door(wait=False, target="busy") as door:
            door.await_record("condition-began", 60, condition="line home")
            door.press()
            door.await_record("press-accepted")
            house.registrar.start()

            assert door.await_visit(45).outcome == "busy"
            assert door.records("condition-ended", condition="line home")
    finally:
        if house.registrar.process is None:
            house.registrar.start()
