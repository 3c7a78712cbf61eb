"""Trials of the sound as stories: when one begins, what ends it, what is made of it."""

from typing import Any

from door_story import Story

from intercom.core.acoustics import Acoustics
from intercom.core.commands import Kind, PlayFile, SaveReference, Sweep
from intercom.core.events import (
    AudioDeviceLost,
    ButtonPressed,
    EngineLost,
    EngineStarted,
    ReferenceFound,
    SoundCheckKind,
    SoundCheckRequested,
    StopRequested,
    SweepHeard,
    TonePlayed,
)
from intercom.core.outputs import audio, conditions
from intercom.core.sound_check import METER_S
from intercom.core.transitions import Phase

GOOD = Acoustics((-12.0,) * 5, (-60.0,) * 5, (-70.0,) * 5, 25.0)
DULL = Acoustics((-12.0, -12.0, -22.0, -22.0, -22.0), (-60.0,) * 5, (-70.0,) * 5, 25.0)
TEST, REFERENCE = (
    SoundCheckRequested(SoundCheckKind.TEST, "daily"),
    SoundCheckRequested(SoundCheckKind.REFERENCE, "uid 0"),
)
LEVELS, PLAY = (
    SoundCheckRequested(SoundCheckKind.LEVELS, "uid 0"),
    SoundCheckRequested(SoundCheckKind.PLAY, "uid 0", "tone chime"),
)


def ends(story: Story) -> list[Any]:
    return [(fields["trial"], fields["outcome"]) for fields in story.records(Kind.TRIAL_ENDED)]


def test_a_self_test_waits_for_the_visit_to_end() -> None:
    """A chirp in a visitor's ear would be a fault of its own."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), TEST)
    early = story.wanted(Sweep)
    story.wait(300)

    assert early == []
    assert story.wanted(Sweep) == [Sweep()]
    assert ends(story) == [("self test", "the sound card gives no answer")]


def test_a_self_test_cut_short_by_a_press_is_made_up_for() -> None:
    """Else a busy door would never be tested."""
    story = Story().online()
    story.tell(TEST, ButtonPressed("front", "panel"))
    cut = ends(story)
    story.wait(300)

    assert cut == [("self test", "cut short by a visit")]
    assert len(story.records(Kind.TRIAL_BEGAN)) == 2


def test_what_is_weak_is_a_condition_until_it_is_well_again() -> None:
    """Told once when it begins and once when it ends, like everything that breaks."""
    story = Story().online()
    story.tell(ReferenceFound(GOOD), TEST, SweepHeard(DULL))
    wrong = conditions(story.state)
    story.tell(TEST, SweepHeard(DULL), TEST, SweepHeard(GOOD))

    assert wrong == {"loudspeaker": "10 dB down from 1 kHz up"}
    assert conditions(story.state) == {}
    assert len(story.records(Kind.CONDITION_BEGAN)) == len(story.records(Kind.CONDITION_ENDED)) == 1
    assert ends(story)[-1] == ("self test", "well")


def test_a_reference_is_kept_only_when_something_was_heard() -> None:
    """A dead microphone must not become the measure of all things."""
    story = Story().online()
    story.tell(REFERENCE, SweepHeard(Acoustics((-90.0,) * 5, (-60.0,) * 5, (-50.0,) * 5, 0.0)))
    kept = story.wanted(SaveReference)
    story.tell(REFERENCE, SweepHeard(DULL))

    assert kept == []
    assert story.wanted(SaveReference) == [SaveReference(DULL)]
    assert conditions(story.state) == {}


def test_operators_are_told_why_not() -> None:
    """Come back later: but when?"""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), LEVELS)
    story.wait(300)
    story.tell(PLAY, LEVELS, TonePlayed("tone chime"), EngineLost("x"), PLAY, EngineStarted("test"))
    story.tell(StopRequested("SIGTERM"), TEST)

    assert ends(story) == [
        ("levels", "refused: a visit is under way"),
        ("levels", "refused: another trial of the sound is under way"),
        ("play", "played"),
        ("play", "refused: the voice engine does not run"),
        ("self test", "refused: the intercom is stopping"),
    ]
    assert story.wanted(PlayFile) == [PlayFile("tone chime")]


def test_the_meter_runs_as_long_as_it_is_read_and_not_for_ever() -> None:
    """Who has gone for lunch leaves no open microphone."""
    story = Story().online()
    story.tell(LEVELS)
    for _ in range(100):
        story.tell(LEVELS, after=1.0)
    read = story.state.phase
    story.wait(METER_S)
    for _ in range(int(story.rules.meter_s)):
        story.tell(LEVELS, after=1.0)

    assert read is Phase.TESTING
    assert ends(story)[0] == ("levels", "over")
    assert max(entry["trial"] == "levels" for entry in story.records(Kind.TRIAL_BEGAN))
    story.wait(METER_S)
    assert not audio(story.state).card


def test_a_lost_card_ends_a_trial_with_its_reason() -> None:
    """The self test at the start finds a missing card before the first visitor does."""
    story = Story().online()
    story.tell(TEST, AudioDeviceLost("no sound card 'Device'"))

    assert ends(story) == [("self test", "no sound card 'Device'")]
    assert conditions(story.state) == {"sound card": "no sound card 'Device'"}
    assert story.state.phase is Phase.IDLE
