# SPDX-License-Identifier: GPL-2.0-or-later
"""Codes and strikes: what releases a door, for how long, and what does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import HangUp, Kind, Lamp, PlayTone, Report, SetLamp, SetStrike, Tone
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    DigitReceived,
    EarlyMediaBegan,
    EngineLost,
    StopRequested,
)
from intercom.core.outputs import lamp, levels
from intercom.core.rules import Rules

TALKER = "boot-1.1"


def talking(rules: Rules = RULES) -> Story:
    """Somebody pressed and the house answered."""
    story = Story(rules).online()
    story.tell(ButtonPressed("flat", "panel"), CallProgressed(TALKER, 180), CallAnswered(TALKER))
    story.diary.clear()
    return story


def keyed(keys: str, leg: str = TALKER, method: str = "RFC 4733") -> Iterator[DigitReceived]:
    return (DigitReceived(leg, key, method) for key in keys)


def wrong(story: Story) -> list[object]:
    """How many tries were left after each wrong entry."""
    return [told["left"] for told in story.records(Kind.CODE_WRONG)]


def test_a_right_code_releases_its_door_with_its_last_digit() -> None:
    """No key to end the entry, no wait; the strike moves before anything is written down."""
    story = talking()
    story.tell(*keyed("123", method="SIP INFO"))
    orders = story.tell(*keyed("4", method="SIP INFO"))

    assert orders == [
        PlayTone(Tone.DOOR_OPEN),
        SetStrike("front", released=True),
        SetLamp(Lamp.DOOR_OPEN),
        Report(
            Kind.DOOR_RELEASED,
            {
                "visit": "boot-1",
                "door": "front",
                "code_name": "family",
                "method": "SIP INFO",
                "source": "202@home",
                "pulse_s": 4.0,
            },
        ),
    ]


def test_the_door_is_locked_when_its_pulse_is_over() -> None:
    """Time alone locks, whatever becomes of the visit meanwhile."""
    story = talking()
    story.tell(*keyed("1234"))
    story.wait(RULES.pulse_s["front"] - 0.1)
    open_still = levels(story.state).released
    story.wait(0.2)

    assert (open_still, levels(story.state).released) == (frozenset({"front"}), frozenset())
    assert story.wanted(SetStrike) == [SetStrike("front", released=True), SetStrike("front", released=False)]
    assert story.records(Kind.DOOR_LOCKED) == [{"visit": "boot-1", "door": "front", "lasted_s": 4.0}]
    assert lamp(story.state) is Lamp.TALKING


def test_the_pulse_goes_on_when_the_call_ends() -> None:
    """Who keyed the code puts the handset down at once, and the visitor still has to push the door."""
    story = talking()
    story.tell(*keyed("1234"), CallEnded(TALKER, 200, "OK"))
    story.wait(2)
    after_the_call = levels(story.state).released
    story.wait(3)

    assert after_the_call == frozenset({"front"})
    assert story.records(Kind.DOOR_LOCKED) == [{"visit": "boot-1", "door": "front", "lasted_s": 4.0}]


def test_a_second_right_code_gives_a_whole_pulse_more() -> None:
    """It counts from the last code on, the strike is not nagged, and the record tells the whole time it was open."""
    story = talking()
    story.tell(*keyed("1234"))
    released_at = story.now
    story.wait(3)
    story.tell(*keyed("1234"))
    again_at = story.now
    story.wait(3.9)
    open_still = levels(story.state).released
    story.wait(0.2)

    assert open_still == frozenset({"front"})
    assert story.wanted(SetStrike) == [SetStrike("front", released=True), SetStrike("front", released=False)]
    assert len(story.records(Kind.DOOR_RELEASED)) == 2
    assert [told["lasted_s"] for told in story.records(Kind.DOOR_LOCKED)] == [round(again_at + 4 - released_at, 3)]


def test_each_code_has_its_own_door() -> None:
    """The postman's code opens the yard and nothing else."""
    story = talking()
    story.tell(*keyed("77"))
    story.wait(RULES.pulse_s["yard"] + 0.1)

    assert story.wanted(SetStrike) == [SetStrike("yard", released=True), SetStrike("yard", released=False)]


def test_three_wrong_codes_and_the_visit_is_deaf_to_keys() -> None:
    """Four digits can be guessed, but not at a door that stops listening."""
    story = talking()
    story.tell(*keyed("0000111122221234"))

    assert wrong(story) == [2, 1, 0]
    assert story.wanted(SetStrike) == []
    story.wait(RULES.code_pause_s + 1)
    story.tell(*keyed("1234"))
    assert story.wanted(SetStrike) == []


def test_the_next_visit_listens_again() -> None:
    """The prank of one visitor does not lock out the next."""
    story = talking()
    story.tell(*keyed("000011112222"), CallEnded(TALKER, 200, "OK"))
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-2.1"), *keyed("1234", leg="boot-2.1"))

    assert story.wanted(SetStrike) == [SetStrike("front", released=True)]


@pytest.mark.parametrize(
    ("keys", "left", "released"),
    [
        ("12#", [2], False),
        ("#", [], False),
        ("12*1234", [2], True),
        ("1*1234", [], True),
        ("*1234", [], True),
        ("12#1234", [2], True),
        ("1234#", [], True),
        ("A12B34", [], True),
        ("9991234", [2], False),
        ("00001234", [2], True),
    ],
)
def test_an_entry_ends_with_a_hash_and_begins_anew_with_a_star(keys: str, left: list[int], released: bool) -> None:
    """People key as on any other door: a slip can be taken back, and the hash key they are used to does no harm."""
    story = talking()
    story.tell(*keyed(keys))

    assert wrong(story) == left
    assert story.wanted(SetStrike) == ([SetStrike("front", released=True)] if released else [])


def test_a_pause_gives_an_entry_up() -> None:
    """Half a code must not wait there for somebody to complete it."""
    story = talking()
    story.tell(*keyed("12"))
    story.wait(RULES.code_pause_s - 0.1)
    waiting = wrong(story)
    story.wait(0.2)
    story.tell(*keyed("34"))
    story.wait(RULES.code_pause_s + 0.1)

    assert (waiting, wrong(story)) == ([], [2, 1])
    assert story.records(Kind.CODE_WRONG)[0] == {
        "visit": "boot-1",
        "source": "202@home",
        "leg": TALKER,
        "left": 2,
        "method": "RFC 4733",
    }
    assert story.wanted(SetStrike) == []


def test_every_key_gives_the_pause_anew() -> None:
    """Slow fingers are no wrong code."""
    story = talking()
    for key in "1234":
        story.wait(RULES.code_pause_s - 0.5)
        story.tell(*keyed(key))

    assert story.wanted(SetStrike) == [SetStrike("front", released=True)]


def test_keys_after_the_call_do_nothing() -> None:
    """News from a leg that is gone is not news of this visit."""
    story = talking()
    story.tell(*keyed("1"), CallEnded(TALKER, 200, "OK"), *keyed("234"))
    story.wait(RULES.code_pause_s + 0.1)

    assert (story.wanted(SetStrike), wrong(story)) == ([], [])


@pytest.mark.parametrize("leg", ["boot-1.2", "stranger", ""])
def test_keys_of_anybody_but_the_talker_do_nothing(leg: str) -> None:
    """The right code from the wrong phone stays outside, and does not spoil the entry of the right one."""
    story = talking()
    story.tell(*keyed("12"), *keyed("1234", leg=leg), *keyed("34"))

    assert story.wanted(HangUp) == []
    assert story.wanted(SetStrike) == [SetStrike("front", released=True)]
    assert wrong(story) == []


def test_keys_before_the_answer_do_nothing() -> None:
    """Early media is sound from a network, not from somebody who picked up."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallProgressed(TALKER, 183), EarlyMediaBegan(TALKER), *keyed("1234"))

    assert (story.wanted(SetStrike), wrong(story)) == ([], [])


def test_a_house_without_codes_is_deaf() -> None:
    """No code, no wrong code, whatever is keyed."""
    story = talking(replace(RULES, codes={}, code_lengths=frozenset()))
    story.tell(*keyed("1234#*0"))

    assert (story.wanted(SetStrike), wrong(story)) == ([], [])


def test_a_code_for_a_door_that_is_not_there_is_wrong() -> None:
    """A strike that does not exist cannot be promised to anybody."""
    story = talking(replace(RULES, pulse_s={"front": 4.0}))
    story.tell(*keyed("7700"))

    assert (story.wanted(SetStrike), wrong(story)) == ([], [2])


def test_a_stop_locks_at_once() -> None:
    """The daemon does not leave a released strike behind."""
    story = talking()
    story.tell(*keyed("1234"))
    orders = story.tell(StopRequested("SIGTERM"))

    assert SetStrike("front", released=False) in orders
    assert len(story.records(Kind.DOOR_LOCKED)) == 1


def test_a_lost_engine_leaves_the_pulse_alone() -> None:
    """The strike is the daemon's: it neither sticks nor slams because a telephone process died."""
    story = talking()
    story.tell(*keyed("1234"), EngineLost("ended by SIGSEGV"))
    story.wait(2)
    still = levels(story.state).released
    story.wait(3)

    assert (still, levels(story.state).released) == (frozenset({"front"}), frozenset())
