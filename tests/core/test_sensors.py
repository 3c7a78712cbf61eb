# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit button, door contact, tamper switch: what they do without any line, and what they tell."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import Kind, Lamp, SetAudio, SetStrike, Tone
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    KeypadDigit,
    ReleaseRequested,
    SensorChanged,
    StopRequested,
)
from intercom.core.outputs import audio, conditions, lamp
from intercom.core.rules import Rules, Sensor, SensorKind

SENSED = replace(
    RULES,
    sensors={
        "exit front": Sensor(SensorKind.EXIT, "front"),
        "contact front": Sensor(SensorKind.CONTACT, "front"),
        "tamper case": Sensor(SensorKind.TAMPER),
    },
    held_s={"front": 60.0},
)


def door(rules: Rules = SENSED, **active: bool) -> Story:
    """A door whose wires have told their levels: at rest unless told otherwise."""
    story = Story(rules)
    story.tell(*(SensorChanged(name, active.get(name.split()[0], False)) for name in rules.sensors))
    story.wait(1)
    story.diary.clear()
    return story


def change(story: Story, sensor: str, *levels: bool) -> None:
    for active in levels:
        story.tell(SensorChanged(sensor, active))
        story.wait(0.5)


def began(story: Story, kind: Kind) -> list[object]:
    return [told["condition"] for told in story.records(kind)]


def test_the_exit_button_releases_its_door_without_engine_and_line() -> None:
    """Who is inside gets out, whatever is broken."""
    story = door()
    change(story, "exit front", True, False)
    story.wait(5)

    assert story.wanted(SetStrike) == [SetStrike("front", released=True), SetStrike("front", released=False)]
    assert story.records(Kind.DOOR_RELEASED) == [
        {"visit": "", "door": "front", "pulse_s": 4.0, "by": "exit button"},
    ]


def test_an_exit_button_that_sticks_releases_once_and_is_told() -> None:
    """Jammed with a match: the door is not open for ever, nor again after a restart."""
    story = door()
    change(story, "exit front", True)
    story.wait(120)
    again = door(exit=True)

    assert len(story.records(Kind.DOOR_RELEASED)) == 1
    assert began(story, Kind.CONDITION_BEGAN) == ["input exit front"]
    assert again.wanted(SetStrike) == []


def test_a_spike_on_a_wire_is_nothing() -> None:
    """The strike's own cable runs beside it."""
    story = door()
    story.tell(SensorChanged("exit front", active=True), SensorChanged("exit front", active=False), after=0.005)
    story.tell(SensorChanged("contact front", active=True), SensorChanged("contact front", active=False), after=0.005)
    story.wait(5)

    assert story.diary == []


def test_a_wire_that_never_rests_is_told() -> None:
    """A loose terminal is as bad as none."""
    story = door()
    for _ in range(6100):
        story.now += 0.01
        story.tell(SensorChanged("tamper case", not story.state.sensors[2].level), after=0)

    assert conditions(story.state)["input tamper case"] == "never at rest: a loose wire?"


@pytest.mark.parametrize("by", ["code", "exit", "operator"])
def test_a_door_that_was_released_is_not_forced(by: str) -> None:
    """Not even by who pushes in the moment in which it locks."""
    story = door()
    if by == "code":
        story.tell(*(KeypadDigit("yard", key) for key in "1234"))
    elif by == "exit":
        change(story, "exit front", True, False)
    else:
        story.tell(ReleaseRequested("front", "uid 0"))
    story.wait(RULES.pulse_s["front"] + 0.5)
    change(story, "contact front", True, False)

    assert story.records(Kind.DOOR_FORCED) == []
    assert [len(story.records(kind)) for kind in (Kind.DOOR_OPENED, Kind.DOOR_CLOSED)] == [1, 1]


def test_a_door_that_opens_locked_is_forced_until_it_is_closed() -> None:
    """With a record of its own, shown by the lamp; it ends with the closing."""
    story = door()
    story.wait(100)
    change(story, "contact front", True)
    shown = (lamp(story.state), dict(conditions(story.state)))
    change(story, "contact front", False)

    assert began(story, Kind.DOOR_FORCED) == ["door front forced"]
    assert shown[1] == {"door front forced": "opened without having been released"}
    assert began(story, Kind.CONDITION_ENDED) == ["door front forced"]


def test_a_door_with_a_handle_is_never_forced() -> None:
    """From inside it opens without asking."""
    story = door(replace(SENSED, handles=frozenset({"front"})))
    story.wait(100)
    change(story, "contact front", True, False)

    assert story.records(Kind.DOOR_FORCED) == []


def test_a_door_that_is_open_at_the_start_was_forced_by_nobody() -> None:
    """But it is told when it stays open."""
    story = door(contact=True)
    story.wait(61)

    assert story.records(Kind.DOOR_FORCED) == []
    assert began(story, Kind.DOOR_HELD) == ["door front left open"]


def test_a_door_left_open_is_told_and_a_tone_asks_to_close_it() -> None:
    """For a minute; the microphone goes nowhere meanwhile, and closing ends it at once."""
    story = door(replace(SENSED, handles=frozenset({"front"})))
    change(story, "contact front", True)
    story.wait(60)
    sound = audio(story.state)
    story.wait(61)
    quiet = audio(story.state)
    change(story, "contact front", False)

    assert (sound.card, sound.loop, sound.speak, sound.hear) == (True, Tone.CLOSE_DOOR, "", "")
    assert not quiet.card
    assert len(story.wanted(SetAudio)) == 2
    assert began(story, Kind.DOOR_HELD) == began(story, Kind.CONDITION_ENDED) == ["door front left open"]


def test_a_visit_is_not_disturbed_by_the_reminder() -> None:
    """It has the loudspeaker; the reminder has what is left of its minute."""
    story = door(replace(SENSED, handles=frozenset({"front"}))).online()
    change(story, "contact front", True)
    story.wait(61)
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))

    assert audio(story.state).loop is not Tone.CLOSE_DOOR


def test_a_contact_that_never_moves_is_doubted() -> None:
    """Ten times released, never opened: a magnet that fell off, or a wire that was bridged."""
    story = door()
    for _ in range(10):
        change(story, "exit front", True, False)
        story.wait(10)
    doubted = began(story, Kind.CONDITION_BEGAN)
    change(story, "exit front", True, False)
    change(story, "contact front", True, False)

    assert doubted == ["contact front"]
    assert began(story, Kind.CONDITION_ENDED) == ["contact front"]


def test_a_housing_that_is_opened_is_told_at_once() -> None:
    """Also when it is open from the start."""
    story = door()
    change(story, "tamper case", True)
    shown = lamp(story.state)
    change(story, "tamper case", False)
    opened = Story(SENSED)
    opened.tell(SensorChanged("tamper case", active=True))
    opened.wait(1)

    assert began(story, Kind.TAMPERED) == began(story, Kind.CONDITION_ENDED) == ["tamper case"]
    assert shown in (Lamp.FAULT, Lamp.NO_LINE)
    assert began(opened, Kind.TAMPERED) == ["tamper case"]


def test_nothing_is_released_after_a_stop() -> None:
    """Neither by an operator nor by a code: the strike's pin is given back."""
    story = door()
    story.tell(StopRequested("SIGTERM"), ReleaseRequested("front", "uid 0"))

    assert story.wanted(SetStrike) == []


def test_whoever_wants_out_need_not_wait_for_another_configuration() -> None:
    """A stop may be a reload, and an engine takes seconds to say goodbye."""
    story = door()
    story.tell(StopRequested("another configuration"))
    change(story, "exit front", True, False)

    assert story.wanted(SetStrike) == [SetStrike("front", released=True)]


def test_an_operator_releases_and_locks() -> None:
    """By name, for a pulse or for longer; a door that is not there is nobody's."""
    story = door()
    story.tell(ReleaseRequested("front", "uid 0", hold=True), ReleaseRequested("nowhere", "uid 0"))
    story.wait(100)
    story.tell(ReleaseRequested("front", "uid 0", released=False), ReleaseRequested("front", "uid 0", released=False))

    assert story.wanted(SetStrike) == [SetStrike("front", released=True), SetStrike("front", released=False)]
    assert [told["by"] for told in story.records(Kind.DOOR_RELEASED)] == ["uid 0"]
    assert [told["by"] for told in story.records(Kind.DOOR_LOCKED)] == ["uid 0"]
