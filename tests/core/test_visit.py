# SPDX-License-Identifier: GPL-2.0-or-later
"""A visit from the press to the answer."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import (
    Audio,
    HangUp,
    Kind,
    Lamp,
    PlaceCall,
    PlayTone,
    Report,
    SaveVisit,
    SetAudio,
    SetLamp,
    SetStatus,
    Tone,
)
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    CallSent,
    EarlyMediaBegan,
    EarlyMediaEnded,
    EngineStarted,
    LineUp,
    TonePlayed,
)
from intercom.core.outputs import audio, lamp
from intercom.core.snapshot import Pending, Stage
from intercom.core.transitions import Phase

FRONT, FLAT = ButtonPressed("front", "panel"), ButtonPressed("flat", "panel")


def visit_of(story: Story) -> str:
    return story.state.visit.id if story.state.visit else ""


def test_a_press_places_the_call_first_and_chimes_next() -> None:
    """The call is what takes time, and nothing that is written down comes before what the visitor waits for."""
    story = Story().online()

    assert story.tell(FRONT) == [
        SaveVisit(Pending("boot-1", "front", "panel", story.now, 1, (Stage(("201",), 30.0),))),
        PlaceCall("boot-1.1", "home", "201", "front"),
        PlayTone(Tone.CHIME),
        SetAudio(Audio(card=True)),
        SetLamp(Lamp.CALLING),
        SetStatus("dialling; home registered, spare registered"),
        Report(Kind.PRESS_ACCEPTED, {"visit": "boot-1", "button": "front", "by": "panel"}),
    ]


def test_it_rings_from_180_on_and_a_100_is_no_ringing() -> None:
    """A server that is there is not yet a telephone that rings, and the visitor must not be told that it does."""
    story = Story().online()
    story.tell(FRONT, CallSent("boot-1.1"), CallProgressed("boot-1.1", 100))
    trying = story.state.phase, audio(story.state)
    story.tell(CallProgressed("boot-1.1", 180), CallProgressed("boot-1.1", 180))

    assert trying == (Phase.DIALLING, Audio(card=True))
    assert (story.state.phase, audio(story.state)) == (Phase.RINGING, Audio(card=True, loop=Tone.RINGBACK))
    assert lamp(story.state) is Lamp.RINGING
    assert story.records(Kind.CALL_PLACED) == [
        {"visit": "boot-1", "leg": "boot-1.1", "target": "201", "account": "home"}
    ]
    assert story.records(Kind.CALL_RINGING) == [{"visit": "boot-1", "leg": "boot-1.1", "target": "201", "code": 180}]


def test_the_same_button_again_is_told_that_it_still_rings() -> None:
    """An impatient visitor neither starts the call anew nor goes without an answer."""
    story = Story().online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180))

    assert story.tell(FRONT) == [
        PlayTone(Tone.STILL_RINGING),
        Report(Kind.PRESS_ANSWERED, {"visit": "boot-1", "button": "front", "by": "panel", "got": "still ringing"}),
    ]


def test_another_button_before_the_answer_begins_a_visit_of_its_own() -> None:
    """Who pressed the wrong name first must not wait until the wrong house answers."""
    story = Story().online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180))
    orders = story.tell(FLAT)

    levels = SaveVisit | Report | SetStatus | SetLamp | SetAudio
    assert [order for order in orders if not isinstance(order, levels)] == [
        HangUp("boot-1.1"),
        PlaceCall("boot-2.1", "home", "202", "flat"),
        PlaceCall("boot-2.2", "home", "203", "flat"),
        PlayTone(Tone.CHIME),
    ]
    assert [(told["visit"], told["outcome"]) for told in story.records(Kind.VISIT_ENDED)] == [("boot-1", "superseded")]
    assert visit_of(story) == "boot-2"


@pytest.mark.parametrize("button", ["front", "flat"])
def test_a_press_during_a_conversation_is_told_that_the_door_is_busy(button: str) -> None:
    """There is one microphone, and a tone would only disturb who is talking."""
    story = Story().online()
    story.tell(FRONT, CallAnswered("boot-1.1"))

    assert story.tell(ButtonPressed(button, "uid 0")) == [
        Report(Kind.PRESS_ANSWERED, {"visit": "boot-1", "button": button, "by": "uid 0", "got": "busy talking"})
    ]


def test_a_press_while_a_closing_tone_plays_begins_at_once() -> None:
    """Nobody has to listen to the end of a busy tone."""
    story = Story().online()
    story.tell(FRONT, CallEnded("boot-1.1", 486, "Busy Here"), FRONT)

    assert story.wanted(PlaceCall)[-1] == PlaceCall("boot-2.1", "home", "201", "front")
    assert (story.state.phase, visit_of(story)) == (Phase.DIALLING, "boot-2")


def test_the_first_answer_wins_and_the_other_phones_stop_ringing() -> None:
    """A house of many phones has one conversation."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.1", 180))
    orders = story.tell(CallAnswered("boot-1.2"))

    assert HangUp("boot-1.1", elsewhere=True) in orders
    assert HangUp("boot-1.2") not in orders
    assert audio(story.state) == Audio(card=True, hear="boot-1.2", speak="boot-1.2")
    assert story.records(Kind.CALL_ANSWERED) == [{"visit": "boot-1", "leg": "boot-1.2", "target": "203"}]


def test_an_answer_that_crossed_the_cancel_is_hung_up() -> None:
    """Two who pick up in the same instant: one talks, the other must not listen in."""
    story = Story().online()
    story.tell(FLAT, CallAnswered("boot-1.2"))

    assert story.tell(CallAnswered("boot-1.1")) == [HangUp("boot-1.1")]
    assert audio(story.state).speak == "boot-1.2"


def test_one_phone_that_fails_leaves_the_others_ringing() -> None:
    """A mobile that is switched off must not end the visit."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.2", 180), CallEnded("boot-1.1", 480, "Temporarily Unavailable"))

    assert story.state.phase is Phase.RINGING
    assert story.records(Kind.VISIT_ENDED) == []


def test_early_media_is_heard_instead_of_our_ringback() -> None:
    """Two ring-backs over each other sound like a fault; the one that comes from the house is the true one."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.2", 180), CallProgressed("boot-1.1", 183))
    before = audio(story.state)
    orders = story.tell(EarlyMediaBegan("boot-1.1"))
    story.tell(EarlyMediaBegan("boot-1.2"))

    assert before == Audio(card=True, loop=Tone.RINGBACK)
    assert SetAudio(Audio(card=True, hear="boot-1.1")) in orders
    assert audio(story.state) == Audio(card=True, hear="boot-1.1")


def test_when_the_far_ends_own_sound_stops_another_ones_is_heard_or_our_ringback() -> None:
    """Silence would be a lie as long as somebody is rung."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.1", 180), EarlyMediaBegan("boot-1.1"), EarlyMediaBegan("boot-1.2"))
    heard = []
    for event in (EarlyMediaEnded("boot-1.2"), EarlyMediaEnded("boot-1.1"), EarlyMediaBegan("boot-1.2")):
        story.tell(event)
        heard.append(audio(story.state))

    ours = Audio(card=True, loop=Tone.RINGBACK)
    assert heard == [Audio(card=True, hear="boot-1.1"), ours, Audio(card=True, hear="boot-1.2")]


@pytest.mark.parametrize("code", [181, 182, 183, 199])
def test_nothing_but_180_and_sound_is_ringing(code: int) -> None:
    """Forwarded, queued, and in progress are no phone that rings: a press is not heard yet."""
    story = Story().online()
    story.tell(FRONT, CallProgressed("boot-1.1", code))
    before = story.state.phase
    story.tell(EarlyMediaBegan("boot-1.1"))

    assert (before, story.state.phase) == (Phase.DIALLING, Phase.RINGING)
    assert [record["target"] for record in story.records(Kind.CALL_RINGING)] == ["201"]


def test_our_ringback_returns_when_the_leg_with_early_media_ends() -> None:
    """As long as another phone rings, silence would be a lie."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.2", 180), EarlyMediaBegan("boot-1.1"))
    story.tell(CallEnded("boot-1.1", 480, "Temporarily Unavailable"))

    assert audio(story.state) == Audio(card=True, loop=Tone.RINGBACK)


def test_a_press_without_a_line_waits_and_is_dialled_when_one_is_back() -> None:
    """A server that restarts costs the visitor seconds, not the visit."""
    story = Story()
    story.tell(EngineStarted("test"))
    story.diary.clear()
    story.tell(FRONT)
    waited = story.state.phase, lamp(story.state), story.wanted(PlayTone)
    story.wait(20)
    story.tell(LineUp("spare", 12.0, 300))

    assert waited == (Phase.WAITING, Lamp.NO_LINE, [PlayTone(Tone.NO_LINE)])
    assert story.wanted(PlaceCall) == [PlaceCall("boot-1.1", "spare", "201", "front")]
    assert (story.state.phase, visit_of(story)) == (Phase.DIALLING, "boot-1")
    assert story.wanted(PlayTone) == [PlayTone(Tone.NO_LINE), PlayTone(Tone.CHIME)]


def test_the_same_button_again_while_waiting_hears_why() -> None:
    """The tone tells that there is no line, not that somewhere a phone rings."""
    story = Story()
    story.tell(FRONT)

    assert PlayTone(Tone.NO_LINE) in story.tell(FRONT)
    assert [told["got"] for told in story.records(Kind.PRESS_ANSWERED)] == ["still waiting for a line"]


def test_patience_ends_and_the_visitor_is_told() -> None:
    """Nobody waits for ever at a door whose server is gone."""
    story = Story(replace(RULES, patience_s=10.0))
    story.tell(FRONT)
    story.wait(9.9)
    waiting = story.state.phase
    story.wait(0.2)

    assert (waiting, story.state.phase) == (Phase.WAITING, Phase.CLOSING)
    assert story.wanted(PlayTone)[-1] == PlayTone(Tone.UNREACHABLE)
    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ["unreachable"]


def test_a_line_that_nobody_knows_brings_no_call_about() -> None:
    """An account that was renamed in the file must not crash the door that still waits for the others."""
    story = Story()
    story.tell(EngineStarted("test"), FRONT, LineUp("stranger", 1.0, 300))

    assert (story.state.phase, story.wanted(PlaceCall)) == (Phase.WAITING, [])


def test_a_visit_is_over_when_its_closing_tone_was_heard() -> None:
    """The door is ready again as soon as there is nothing more to say."""
    story = Story().online()
    story.tell(FRONT, CallEnded("boot-1.1", 603, "Decline"), TonePlayed("chime"))
    early = story.state.phase
    story.tell(TonePlayed("declined"))

    assert (early, story.state.phase, story.state.visit) == (Phase.CLOSING, Phase.IDLE, None)
    assert audio(story.state) == Audio()
