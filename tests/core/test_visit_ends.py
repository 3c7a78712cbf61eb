# SPDX-License-Identifier: GPL-2.0-or-later
"""How visits end: one outcome, one record, one tone."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import (
    Audio,
    Exit,
    HangUp,
    Kind,
    Lamp,
    PlaceCall,
    PlayTone,
    StopEngine,
    Tone,
)
from intercom.core.events import (
    AudioFlowed,
    ButtonChanged,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallSent,
    DigitReceived,
    EarlyMediaBegan,
    EngineLost,
    EngineStarted,
    Event,
    LineUp,
    ServerResponded,
    SoundCheckKind,
    SoundCheckRequested,
    StopRequested,
    TonePlayed,
)
from intercom.core.legs import names
from intercom.core.outputs import audio, lamp
from intercom.core.transitions import OUTCOME_TONES, Outcome, Phase

FRONT, FLAT = ButtonPressed("front", "panel"), ButtonPressed("flat", "panel")
ANSWERED = (FRONT, CallProgressed("boot-1.1", 180), CallAnswered("boot-1.1"))
ALONE = replace(RULES, accounts=("home",))
"""One account only: nothing is tried another way."""
SERVER_LIVES = ServerResponded("home", 1.0)
"""What a failure of the server's own is told after."""
CALLED = CallArrived("in-1", "home", "201", "192.0.2.1:5060", trusted=True)


def outcomes(story: Story) -> list[tuple[object, object]]:
    return [(told["visit"], told["outcome"]) for told in story.records(Kind.VISIT_ENDED)]


@pytest.mark.parametrize(
    ("code", "outcome", "tone"),
    [
        (403, Outcome.DECLINED, Tone.DECLINED),
        (603, Outcome.DECLINED, Tone.DECLINED),
        (404, Outcome.NOT_FOUND, Tone.NOT_FOUND),
        (410, Outcome.NOT_FOUND, Tone.NOT_FOUND),
        (484, Outcome.NOT_FOUND, Tone.NOT_FOUND),
        (604, Outcome.NOT_FOUND, Tone.NOT_FOUND),
        (408, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (480, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (500, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (503, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (302, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (0, Outcome.UNREACHABLE, Tone.UNREACHABLE),
        (486, Outcome.BUSY, Tone.BUSY),
        (600, Outcome.BUSY, Tone.BUSY),
    ],
)
def test_a_failure_is_told_as_what_it_means_to_the_visitor(code: int, outcome: Outcome, tone: Tone) -> None:
    """Who rings in vain should know whether to wait, to come again, or to try another way."""
    story = Story(ALONE).online()
    story.tell(FRONT, CallEnded("boot-1.1", code, "x"), SERVER_LIVES)

    assert outcomes(story) == [("boot-1", outcome.value)]
    assert story.wanted(PlayTone) == [PlayTone(Tone.CHIME), PlayTone(tone)]
    assert (story.state.phase, lamp(story.state)) == (Phase.CLOSING, Lamp.OFF)


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ((486, 603), Outcome.DECLINED),
        ((404, 486), Outcome.BUSY),
        ((503, 404), Outcome.NOT_FOUND),
        ((503, 480), Outcome.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("way", [1, -1])
def test_of_many_failures_the_one_closest_to_a_person_is_told(codes: Sequence[int], outcome: Outcome, way: int) -> None:
    """Somebody is at home and will not come: that says more than a mobile without a network."""
    first, second = codes[::way]
    story = Story(ALONE).online()
    story.tell(FLAT, CallEnded("boot-1.1", first, "x"), CallEnded("boot-1.2", second, "x"), SERVER_LIVES)

    assert outcomes(story) == [("boot-1", outcome.value)]


def test_every_outcome_that_is_not_told_by_what_follows_has_a_tone_of_its_own_kind() -> None:
    """A visit that ends in silence leaves the visitor standing there."""
    assert set(Outcome) - set(OUTCOME_TONES) == {Outcome.SUPERSEDED, Outcome.STOPPED}


def test_nobody_answers() -> None:
    """After `ring_s` the phones stop, and the visitor is told."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.1", 180), CallProgressed("boot-1.2", 100))
    story.wait(RULES.ring_s - 0.1)
    before = outcomes(story)
    story.wait(0.2)

    assert (before, outcomes(story)) == ([], [("boot-1", "no answer")])
    assert story.wanted(HangUp) == [HangUp("boot-1.1"), HangUp("boot-1.2")]
    assert story.wanted(PlayTone)[-1] == PlayTone(Tone.UNANSWERED)
    story.wait(RULES.closing_s)
    assert story.state.phase is Phase.IDLE


def test_a_call_that_never_rings_is_unreachable() -> None:
    """A server that swallows the call is another trouble than a house where nobody is."""
    story = Story().online()
    story.tell(FRONT, CallSent("boot-1.1"), CallProgressed("boot-1.1", 100))
    story.wait(RULES.ring_s + 0.1)

    assert outcomes(story) == [("boot-1", "unreachable")]


def test_a_conversation_is_warned_exactly_warn_s_before_it_ends() -> None:
    """A forgotten handset must not leave the microphone open, and who still talks has time for a last word."""
    story = Story().online()
    story.tell(*ANSWERED)
    answered_at = story.now
    story.wait(RULES.talk_s - 0.1)
    talking = story.wanted(PlayTone)
    story.wait(0.2)
    assert story.state.visit is not None
    ends_at = story.state.visit.phase_until
    warned = story.wanted(PlayTone), audio(story.state)
    story.wait(RULES.warn_s)

    assert talking == [PlayTone(Tone.CHIME)]
    assert warned[0] == [*talking, PlayTone(Tone.WARNING)]
    assert warned[1] == Audio(card=True, hear="boot-1.1", speak="boot-1.1")
    assert ends_at == pytest.approx(answered_at + RULES.talk_s + RULES.warn_s)
    assert story.wanted(HangUp) == [HangUp("boot-1.1")]
    assert story.wanted(PlayTone)[-1] == PlayTone(Tone.CLOSING)
    assert [(told["outcome"], told["talked_s"]) for told in story.records(Kind.VISIT_ENDED)] == [("talked", 130.0)]


def test_a_handset_that_is_put_down_ends_the_visit() -> None:
    """The microphone closes with the conversation, not with the tone after it."""
    story = Story().online()
    story.tell(*ANSWERED, CallEnded("boot-1.1", 200, "OK"))

    assert outcomes(story) == [("boot-1", "talked")]
    assert audio(story.state) == Audio(card=True)
    story.tell(TonePlayed("closing"))
    assert audio(story.state) == Audio()


def test_an_engine_lost_while_ringing_is_replaced_and_dials_again() -> None:
    """The visitor presses once: the same visit goes on, and late news of the dead legs cannot hit the new ones."""
    story = Story().online()
    story.tell(FLAT, CallProgressed("boot-1.1", 180), EngineLost("ended by SIGSEGV"))
    lost = story.state.phase, audio(story.state)
    story.diary.clear()
    story.tell(EngineStarted("test"), LineUp("home", 9.0, 300), CallEnded("boot-1.1", 503, "late"))

    assert lost == (Phase.WAITING, Audio(card=True))
    assert story.wanted(PlaceCall) == [
        PlaceCall("boot-1.3", "home", "202", "flat"),
        PlaceCall("boot-1.4", "home", "203", "flat"),
    ]
    assert story.wanted(PlayTone) == []
    assert (story.state.phase, outcomes(story)) == (Phase.DIALLING, [])
    story.tell(CallAnswered("boot-1.4"), CallEnded("boot-1.4", 200, "OK"))
    assert outcomes(story) == [("boot-1", "talked")]


def test_a_conversation_cut_by_the_engine_is_called_back_once() -> None:
    """Both still stand there; but an engine that dies in every call must not ring all night."""
    story = Story().online()
    story.tell(*ANSWERED, EngineLost("ended by SIGSEGV"), EngineStarted("test"), LineUp("home", 9.0, 300))
    again = story.wanted(PlaceCall)
    story.tell(CallAnswered("boot-1.2"), EngineLost("ended by SIGSEGV"))

    assert again == [PlaceCall("boot-1.1", "home", "201", "front"), PlaceCall("boot-1.2", "home", "201", "front")]
    assert outcomes(story) == [("boot-1", "cut off")]
    assert story.wanted(PlayTone)[-1] == PlayTone(Tone.UNREACHABLE)
    assert story.wanted(PlaceCall) == again


WARNED_AFTER = RULES.talk_s + 1.0
STAGES: dict[Phase, tuple[Event, ...]] = {
    Phase.IDLE: (),
    Phase.WAITING: (EngineLost("x"), FRONT, EngineStarted("test")),
    Phase.DIALLING: (FRONT,),
    Phase.RINGING: (FRONT, CallProgressed("boot-1.1", 180)),
    Phase.ANNOUNCING: (CALLED,),
    Phase.ANSWERING: (CALLED, TonePlayed("listening")),
    Phase.TALKING: ANSWERED,
    Phase.WARNED: ANSWERED,
    Phase.CLOSING: (*ANSWERED, CallEnded("boot-1.1", 200, "OK")),
    Phase.TESTING: (SoundCheckRequested(SoundCheckKind.TEST, "daily"),),
}


@pytest.mark.parametrize("phase", Phase)
def test_a_stop_ends_the_visit_locks_the_doors_and_leaves(phase: Phase) -> None:
    """An update at the wrong moment ends like any other visit: told, silent and locked."""
    story = Story().online()
    story.tell(*STAGES[phase])
    if phase is Phase.WARNED:
        story.wait(WARNED_AFTER)
    reached = story.state.phase
    told_before = outcomes(story)
    story.diary.clear()
    legs = [HangUp(name) for name in names(story.state.visit)] if story.state.visit else []
    orders = story.tell(StopRequested("SIGTERM"))
    story.tell(EngineLost("ended with status 0"))

    assert reached is phase
    assert orders.index(StopEngine()) >= len(legs)
    assert story.wanted(HangUp) == legs
    assert [*told_before, *outcomes(story)] == (
        [] if phase in (Phase.IDLE, Phase.TESTING) else [("boot-1", "talked" if phase is Phase.CLOSING else "stopped")]
    )
    assert story.records(Kind.STOPPING)[0]["reason"] == "SIGTERM"
    assert lamp(story.state) is Lamp.OFF
    assert story.wanted(Exit) == [Exit()]


def test_an_engine_that_does_not_stop_is_left_after_stop_s() -> None:
    """A shutdown must not wait for what is stuck, and a press on the way is answered."""
    story = Story().online()
    story.tell(StopRequested("SIGTERM"), StopRequested("SIGINT"), FRONT)
    story.wait(RULES.stop_s - 0.1)
    before = story.wanted(Exit)
    story.wait(0.2)

    assert (before, story.wanted(Exit)) == ([], [Exit()])
    assert story.wanted(StopEngine) == [StopEngine()]
    assert story.records(Kind.PRESS_ANSWERED) == [{"button": "front", "by": "panel", "got": "stopping"}]


def test_the_final_record_tells_the_whole_visit_in_milliseconds_since_the_press() -> None:
    """One line of the journal answers what took how long; the press is the first edge, not its debounced echo."""
    story = Story(replace(RULES, debounce_s=0.02)).online()
    story.tell(ButtonChanged("front", pressed=True))
    story.wait(0.02)
    leg = "boot-1.1"
    story.tell(CallSent(leg), after=0.005)
    story.tell(CallProgressed(leg, 100), after=0.01)
    story.tell(CallProgressed(leg, 180), after=0.1)
    story.tell(EarlyMediaBegan(leg), after=0.005)
    story.tell(CallAnswered(leg), after=4.0)
    story.tell(AudioFlowed(leg, "in"), after=0.02)
    story.tell(AudioFlowed(leg, "out"), AudioFlowed(leg, "out"), after=0.02)
    story.tell(*(DigitReceived(leg, key, "RFC 4733") for key in "1234"), after=0.25)
    story.tell(CallEnded(leg, 200, "OK"), after=5.0)

    assert story.records(Kind.VISIT_ENDED) == [
        {
            "visit": "boot-1",
            "button": "front",
            "by": "panel",
            "target": "201",
            "account": "home",
            "outcome": "talked",
            "reason": "no leg is left",
            "timeline": {
                "accepted": 20.0,
                "sent": 25.0,
                "progress": 35.0,
                "ringing": 135.0,
                "early_media": 140.0,
                "answered": 4140.0,
                "audio_in": 4160.0,
                "audio_out": 4180.0,
                "released": 5200.0,
                "ended": 10200.0,
            },
            "total_ms": 10200.0,
            "talked_s": 6.06,
        }
    ]
