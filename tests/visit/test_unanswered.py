"""Visits that nobody answers: each way has its own outcome, its own tone, and leaves the door ready."""

import pytest

from lab.baresip import Phone
from lab.house import BUTTON, SIDE_BUTTON, Door, House, stopping

OUTCOMES = {
    "busy": "busy",
    "declined": "declined",
    "unavailable": "unreachable",
    "nobody": "not found",
    "202": "unreachable",
}


@pytest.mark.parametrize(("target", "outcome"), OUTCOMES.items())
def test_each_refusal_is_told_and_the_next_press_works(house: House, target: str, outcome: str) -> None:
    """The visitor hears the difference, the journal names it, and the door goes on."""
    with house.door(target=target) as door:
        door.press()
        first = door.await_visit()
        house.room.await_ports(open=True)
        house.room.await_ports(open=False, seconds=10)
        door.press()
        second = door.await_visit(visit=f"{first.id[:-1]}2")

        assert (first.outcome, second.outcome) == (outcome, outcome)


def test_a_phone_that_declines_is_told(door: Door, phone: Phone) -> None:
    """baresip declines with 486: somebody is there and does not want to."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.reject()

    assert door.await_visit().outcome == "busy"


def test_ringing_ends_when_nobody_answers(house: House, phone: Phone) -> None:
    """A phone does not ring for ever, and is told to stop."""
    with house.door(ring_s=5) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        visit = door.await_visit()
        phone.await_event("CALL_CLOSED")

        assert visit.outcome == "no answer"
        assert 5000 <= visit.timeline["ended"] < 6500


def test_another_button_takes_over_before_an_answer(door: Door, phone: Phone) -> None:
    """Who gets no answer at one bell and tries the next one rings there."""
    door.press(BUTTON)
    phone.await_event("CALL_INCOMING")
    door.press(SIDE_BUTTON)

    assert door.await_visit(button="front").outcome == "superseded"
    assert door.await_visit(button="side").outcome == "busy"
    phone.await_event("CALL_CLOSED")


def test_rubbish_from_the_far_end_costs_that_visit_only(house: House, phone: Phone) -> None:
    """An answer with an SDP that is none ends the visit with an outcome, and the next press rings."""
    with stopping(house.odd_phone("rubbish", "uas_rubbish")), house.door(target="rubbish") as door:
        door.press()
        visit = door.await_visit(20)
        door.press()
        door.await_record("call-placed", leg=f"{visit.id[:-1]}2.1")

        assert visit.outcome in {"no answer", "talked"}, "it rang, whatever came of that"
        assert door.process.running
