# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong codes add up over calls, keypads and restarts, and right ones have their hours, their end and their number."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from door_story import RULES, Story
from test_door import keyed

from intercom.core.commands import Audio, CheckCode, Kind, Lamp, PlayTone, SaveLedger, SetStrike, Tone
from intercom.core.door_state import AccessLedger
from intercom.core.events import (
    BadgeRead,
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CodeChecked,
    DigitReceived,
    KeypadDigit,
    LineUp,
    ProfilesChanged,
)
from intercom.core.outputs import audio, lamp
from intercom.core.rules import CodeRule

RELEASED = [SetStrike("front", released=True)]


def call(story: Story, keys: str) -> None:
    """Have a visit in which 201 answers and keys something."""
    leg = f"boot-{story.state.visits + 1}.1"
    story.tell(LineUp("home", 1.0, 300), ButtonPressed("front", "panel"), CallAnswered(leg), *keyed(keys, leg=leg))
    story.tell(CallEnded(leg, 200, "OK"))


def at_keypad(keys: str) -> Iterator[KeypadDigit]:
    return (KeypadDigit("yard", key) for key in keys)


def lock_outs(story: Story) -> list[tuple[object, object]]:
    return [(told["source"], told["lasts_s"]) for told in story.records(Kind.LOCKED_OUT)]


def test_five_wrong_codes_at_once_lock_a_phone_out() -> None:
    """Hanging up and being called again gives no new guesses; the right code does nothing either, for three minutes."""
    story = Story().online()
    for keys in ("00001111", "22223333", "4444"):
        call(story, keys)
    call(story, "1234")

    assert lock_outs(story) == [("201@home", pytest.approx(180, abs=1))]
    assert story.wanted(SetStrike) == []
    story.wait(181)
    call(story, "1234")
    assert story.wanted(SetStrike) == RELEASED


def test_wrong_codes_come_back_one_by_one() -> None:
    """A family that mistypes now and then is not locked out; after a lock-out one more wrong code may follow."""
    story = Story().online()
    for _ in range(10):
        call(story, "0000")
        story.wait(300)
    unlocked = lock_outs(story)
    for _ in range(5):
        story.tell(*at_keypad("0000"))
    story.wait(181)
    story.tell(*at_keypad("00001234"))

    assert len(story.records(Kind.CODE_WRONG)) == 10 + 6
    assert unlocked == []
    assert story.wanted(SetStrike) == []
    story.wait(181)
    story.tell(*at_keypad("1234"))
    assert story.wanted(SetStrike) == RELEASED


def test_one_source_does_not_lock_out_another() -> None:
    """A prankster at the keypad must not keep the family's phones from opening."""
    story = Story().online()
    story.tell(*at_keypad("0000" * 5))
    call(story, "1234")

    assert [source for source, _ in lock_outs(story)] == ["keypad yard"]
    assert story.wanted(SetStrike) == RELEASED


def test_a_lock_out_survives_the_daemon() -> None:
    """The next one begins with what this one wrote down."""
    story = Story().online()
    story.tell(*at_keypad("0000" * 5))
    kept = [order for order in story.diary if isinstance(order, SaveLedger)][-1].ledger
    later = Story(ledger=kept).online()
    later.tell(*at_keypad("1234"))

    assert later.wanted(SetStrike) == []


def test_a_guess_counts_however_it_is_taken_back() -> None:
    """By a star, or by hanging up: "77" was compared when two of these four digits were keyed."""
    story = Story().online()
    call(story, "00*00*")
    call(story, "00")
    call(story, "0*0*0*0*")

    assert len(story.records(Kind.CODE_WRONG)) == 3


def test_keys_that_come_during_a_comparison_wait_for_it() -> None:
    """A quick thumb, a slow Pi: nothing is lost and nothing is taken for something else."""
    story = Story().online()
    story.answers = False
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"), *keyed("0000" + "1234#", leg="boot-1.1"))
    checked: list[str] = []
    while len(checked) < len(orders := [order for order in story.diary if isinstance(order, CheckCode)]):
        order = orders[-1]
        checked.append(order.entry)
        story.tell(CodeChecked(order.check, "family" if order.entry == "1234" else ""))

    assert checked == ["00", "0000", "12", "1234"]
    assert story.wanted(SetStrike) == RELEASED
    assert len(story.records(Kind.CODE_WRONG)) == 1


def test_a_code_counts_that_was_keyed_before_the_phone_hung_up() -> None:
    """The comparison takes a moment, and people put the handset down at once."""
    story = Story().online()
    story.answers = False
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"), *keyed("12", leg="boot-1.1"))
    story.tell(CodeChecked(1, ""), *keyed("34", leg="boot-1.1"), CallEnded("boot-1.1", 200, "OK"))
    story.tell(CodeChecked(2, "family"), CodeChecked(2, "family"))

    assert story.wanted(SetStrike) == RELEASED
    assert story.state.keying == ()


def test_a_late_hash_key_is_no_entry() -> None:
    """Asterisk holds back a `#` for a second when a feature code begins with it."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"), *keyed("1234", leg="boot-1.1"))
    story.wait(1)
    story.tell(*keyed("#", leg="boot-1.1"))

    assert story.wanted(SetStrike) == RELEASED
    assert story.records(Kind.CODE_WRONG) == []


def test_a_key_sent_in_two_ways_counts_once() -> None:
    """RFC 4733 and SIP INFO for each key, now the one and now the other first."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    ways = ("SIP INFO", "RFC 4733")
    for place, key in enumerate("1234"):
        for method in ways if place % 2 else reversed(ways):
            story.tell(DigitReceived("boot-1.1", key, method))
        story.wait(0.5)

    assert story.wanted(SetStrike) == RELEASED
    assert story.records(Kind.CODE_WRONG) == []


def test_a_slow_thumb_in_two_ways_and_a_phone_that_changes_its_way() -> None:
    """Four seconds between keys; and a call that was handed to another kind of phone."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    for place, key in enumerate("1234"):
        ways = ["RFC 4733", "SIP INFO"] if place % 2 else ["SIP INFO", "RFC 4733"]
        story.tell(*(DigitReceived("boot-1.1", key, method) for method in ways))
        story.wait(4)
    story.tell(*keyed("1234", leg="boot-1.1", method="in-band"))

    assert len(story.records(Kind.DOOR_RELEASED)) == 2
    assert story.records(Kind.CODE_WRONG) == []


def test_pieces_of_tones_beside_another_way_neither_count_twice_nor_take_a_key_away() -> None:
    """A gateway that turns tones into events lets some of each through: the first key's whole, later ones' not."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    both = ["in-band", "RFC 4733"]
    for key, ways in (("1", both), ("2", both[1:]), ("3", both[::-1]), ("4", both[1:])):
        story.tell(*(DigitReceived("boot-1.1", key, method) for method in ways))
        story.wait(0.2)

    assert story.wanted(SetStrike) == RELEASED
    assert story.records(Kind.CODE_WRONG) == []


def test_the_key_that_confirms_is_not_the_first_of_a_code() -> None:
    """Its second way comes when the phone already talks."""
    story = Story(replace(RULES, confirm=frozenset({"front"}))).online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    story.tell(*(DigitReceived("boot-1.1", "1", method) for method in ("RFC 4733", "SIP INFO")))
    story.tell(*keyed("77", leg="boot-1.1"))

    assert story.wanted(SetStrike) == [SetStrike("yard", released=True)]


def test_a_wrong_code_at_the_door_is_told_by_lamp_and_tone_for_two_seconds() -> None:
    """Not by the tone alone, nor by the lamp alone; nobody is heard by it, and a locked out keypad tells it, too."""
    story = Story().online()
    for number in range(story.rules.tries + 1):
        story.tell(*at_keypad("88#"))
        sound = audio(story.state)
        assert (sound.card, sound.loop, sound.speak, lamp(story.state)) == (True, Tone.WRONG_CODE, "", Lamp.REFUSED)
        story.wait(2.1)
        assert (audio(story.state), lamp(story.state)) == (Audio(), Lamp.READY), number

    assert len(story.records(Kind.CODE_WRONG)) == story.rules.tries


def test_a_wrong_code_at_the_door_in_a_visit_is_told_once_and_a_right_one_by_the_open_door() -> None:
    """The conversation goes on over it; who keys it right afterwards sees that."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    story.tell(*at_keypad("88#"))
    refused = lamp(story.state)
    story.tell(*at_keypad("1234"))

    assert [order.tone for order in story.wanted(PlayTone)].count(Tone.WRONG_CODE) == 1
    assert (refused, lamp(story.state)) == (Lamp.REFUSED, Lamp.DOOR_OPEN)


def test_a_keypad_needs_no_call_and_no_engine() -> None:
    """The code works in a house without a network."""
    story = Story()
    story.diary.clear()
    story.tell(*at_keypad("1234"))

    (told,) = story.records(Kind.DOOR_RELEASED)
    assert (told["method"], told["source"], told.get("visit")) == ("keypad", "keypad yard", "")
    assert story.wanted(SetStrike) == RELEASED


def test_a_card_is_whole_at_once_and_its_number_is_no_code() -> None:
    """Lost cards are found by people who read the number on them."""
    story = Story(replace(RULES, codes={**RULES.codes, "card": CodeRule(("front",))})).online()
    story.answers = False
    story.tell(BadgeRead("yard", "1234"))
    (order,) = story.wanted(CheckCode)
    assert isinstance(order, CheckCode)
    story.tell(CodeChecked(order.check, ""), BadgeRead("yard", "7777"), CodeChecked(2, "card"))

    assert order.entry == "card 1234"
    assert len(story.records(Kind.CODE_WRONG)) == 1
    assert story.wanted(SetStrike) == RELEASED


@pytest.mark.parametrize(
    ("profiles", "reason"),
    [(("office",), ""), (("night",), "not at this hour"), (None, "the clock is not set")],
)
def test_a_code_has_its_hours(profiles: tuple[str, ...] | None, reason: str) -> None:
    """And none while nobody knows the hour: the door stays shut in doubt. Who keys it is not told the difference."""
    story = Story(replace(RULES, codes={"family": CodeRule(("front",), "office")}))
    if profiles is not None:
        story.tell(ProfilesChanged(profiles, known=True))
    story.tell(*at_keypad("1234"))

    assert [told.get("reason", "") for told in story.records(Kind.CODE_WRONG)] == ([reason] if reason else [])
    assert bool(story.records(Kind.DOOR_RELEASED)) is not bool(reason)


def test_a_code_ends() -> None:
    """The guests have left."""
    story = Story()
    story.answers = False
    story.tell(*at_keypad("77"))
    story.tell(CodeChecked(1, "post", expired=True))

    assert [told["reason"] for told in story.records(Kind.CODE_WRONG)] == ["expired"]


def test_a_code_is_used_up_across_restarts() -> None:
    """Counted before the strike moves, so that no crash gives one away."""
    rules = replace(RULES, codes={"family": CodeRule(("front",), uses=2)})
    story = Story(rules, AccessLedger((("family", 1), ("gone", 7))))
    story.tell(*at_keypad("123"))
    commands = story.tell(*at_keypad("4"))
    story.tell(*at_keypad("1234"))

    assert commands[0] == SaveLedger(AccessLedger((("family", 2), ("gone", 7))))
    assert len(story.records(Kind.DOOR_RELEASED)) == 1
    assert [told["reason"] for told in story.records(Kind.CODE_WRONG)] == ["used up"]


def test_a_code_may_hold_its_doors_until_it_is_keyed_again() -> None:
    """For a party or a delivery; and a pulse meanwhile shortens nothing."""
    rules = replace(RULES, codes={"family": CodeRule(("front", "yard"), hold=True), "post": CodeRule(("yard",))})
    story = Story(rules)
    story.diary.clear()
    story.tell(*at_keypad("123477"))
    story.wait(100)
    held = story.wanted(SetStrike)
    story.tell(*at_keypad("1234"))

    assert held == [SetStrike("front", released=True), SetStrike("yard", released=True)]
    assert story.wanted(SetStrike)[2:] == [SetStrike("front", released=False), SetStrike("yard", released=False)]


def test_what_is_held_is_locked_by_time_at_last() -> None:
    """Whoever began it may have gone home."""
    story = Story(replace(RULES, codes={"family": CodeRule(("front",), hold=True)}))
    story.diary.clear()
    story.tell(*at_keypad("1234"))
    story.wait(RULES.hold_s["front"] + 1)

    assert story.wanted(SetStrike) == [*RELEASED, SetStrike("front", released=False)]
