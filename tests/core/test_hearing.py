"""Who counts as unheard, and why: the nearest cause to the door that the measurements allow."""

from dataclasses import replace

from door_story import Story

from intercom.core.commands import Kind, Report
from intercom.core.events import (
    ButtonChanged,
    CallAnswered,
    CardOpened,
    EngineStarted,
    LineUp,
    SoundMeasured,
    StreamMeasured,
)
from intercom.engine.stillness import Stillness

STREAM = StreamMeasured("", "pcmu", False, 100, 100, 0, 0, 0.0, 40.0, 1.0, 0.0, "192.0.2.7:4000", "192.0.2.7:4000")


def talking() -> tuple[Story, str]:
    """Return a conversation and its leg."""
    story = Story()
    story.tell(EngineStarted("PJSIP"), LineUp("home", 1.0, 300), ButtonChanged("front", True))
    story.wait(0.1)
    leg = story.state.visit.legs[0].name if story.state.visit else ""
    story.tell(CallAnswered(leg), CardOpened("card"))
    return story, leg


def causes(story: Story, stream: StreamMeasured, *, heard: bool) -> dict[str, str]:
    """Measure once; return direction -> cause of what is told."""
    assert story.state.visit
    leg = story.state.visit.talker
    story.tell(replace(stream, leg=leg))
    told = story.tell(SoundMeasured(leg, True, heard, None))
    return {
        str(report.fields["direction"]): str(report.fields["cause"])
        for report in told
        if isinstance(report, Report) and report.kind is Kind.ONE_WAY
    }


def test_packets_that_stop_are_no_muted_phone() -> None:
    """Their sound turns to silence at once; only after four seconds it is certain that nothing comes."""
    story, _ = talking()
    assert causes(story, STREAM, heard=True) == {}
    assert causes(story, replace(STREAM, still_s=2.0), heard=False) == {}
    told = causes(story, replace(STREAM, still_s=4.0), heard=False)
    assert told == {"in": "packets from 192.0.2.7:4000 have stopped coming"}


def test_packets_that_hold_silence_are_a_muted_phone() -> None:
    """They come, and nothing is in them."""
    story, _ = talking()
    assert "muted" in causes(story, STREAM, heard=False)["in"]


def test_a_counter_that_stands_is_still_and_silence_on_hold_is_meant() -> None:
    """From the last packet on; a hold begins anew."""
    stillness = Stillness()
    assert stillness.since(10, 100.0, held=False) == 0
    assert stillness.since(10, 102.0, held=False) == 2
    assert stillness.since(10, 104.0, held=True) == 0
    assert stillness.since(10, 106.0, held=False) == 2
    assert stillness.since(11, 108.0, held=False) == 0
