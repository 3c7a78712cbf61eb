# SPDX-License-Identifier: GPL-2.0-or-later
"""The house calls the door: who may, and what the visitor hears first."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core import refusals
from intercom.core.commands import (
    AnswerCall,
    Audio,
    HangUp,
    Kind,
    Lamp,
    PlaceCall,
    PlayTone,
    Report,
    SaveVisit,
    SendDtmf,
    SetAudio,
    SetLamp,
    SetStatus,
    Tone,
)
from intercom.core.events import (
    AudioDeviceOpened,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallRedirected,
    CallRejected,
    EarlyMediaBegan,
    EngineLost,
    NetworkChanged,
    StopRequested,
    TonePlayed,
)
from intercom.core.outputs import audio
from intercom.core.rules import Redirect
from intercom.core.snapshot import Pending
from intercom.core.transitions import Phase

SOURCE = "192.0.2.1:5060"
CALLED = CallArrived("in-1", "home", "201", SOURCE, trusted=True)


def test_an_allowed_call_is_announced_before_anything_else() -> None:
    """Whoever stands at the door is told that somebody is about to listen."""
    story = Story().online()

    assert story.tell(CALLED) == [
        SaveVisit(Pending("boot-1", "", "201", story.now, 0, (), called_back=True)),
        PlayTone(Tone.LISTENING),
        SetAudio(Audio(card=True)),
        SetLamp(Lamp.CALLING),
        SetStatus("announcing; home registered, spare registered"),
        Report(
            Kind.CALL_ARRIVED,
            {"visit": "boot-1", "leg": "in-1", "caller": "201", "account": "home", "source": SOURCE},
        ),
    ]


def test_a_call_is_answered_only_after_the_listening_tone() -> None:
    """Another tone's end is no announcement, and the microphone waits for the call to be up."""
    story = Story().online()
    story.tell(CALLED, TonePlayed("chime"))
    announced = story.wanted(AnswerCall)
    story.tell(TonePlayed("listening"))
    answering = story.wanted(AnswerCall), audio(story.state)
    story.tell(CallAnswered("in-1"))

    assert announced == []
    assert answering == ([AnswerCall("in-1")], Audio(card=True))
    assert audio(story.state) == Audio(card=True, hear="in-1", speak="in-1")


def test_a_card_that_was_silent_during_the_announcement_repeats_it() -> None:
    """The tone may have played into a dead card: the visitor is told when the microphone comes alive."""
    story = Story().online()
    story.tell(CALLED, TonePlayed("listening"), CallAnswered("in-1"))
    story.diary.clear()
    story.tell(AudioDeviceOpened("USB"))

    assert story.wanted(PlayTone) == [PlayTone(Tone.LISTENING)]


def test_a_card_that_opens_in_a_visit_from_the_button_announces_nobody() -> None:
    """Who pressed knows that somebody listens."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallAnswered("boot-1.1"))
    story.diary.clear()
    story.tell(AudioDeviceOpened("USB"))

    assert story.wanted(PlayTone) == []


@pytest.mark.parametrize(
    ("call", "code", "reason"),
    [
        (CallArrived("in-1", "home", "201", SOURCE, trusted=False), 403, "not from the account's server"),
        (CallArrived("in-1", "home", "666", SOURCE, trusted=True), 403, "not an allowed caller"),
        (CallArrived("in-1", "spare", "201", SOURCE, trusted=True), 403, "not an allowed caller"),
        (CallArrived("in-1", "nobody", "201", SOURCE, trusted=True), 403, "not an allowed caller"),
        (CallArrived("in-1", "home", "201", SOURCE, trusted=True, asserted="666"), 403, "not an allowed caller"),
        (CallArrived("in-1", "home", "666", SOURCE, trusted=True, asserted="201"), 403, "not an allowed caller"),
        (CallArrived("in-1", "home", "", SOURCE, trusted=True, asserted="201"), 403, "not an allowed caller"),
    ],
)
def test_everybody_else_is_refused_and_told_to_the_journal(call: CallArrived, code: int, reason: str) -> None:
    """A door that answers any call is a microphone for the whole internet."""
    story = Story().online()

    assert story.tell(call) == [
        HangUp("in-1", code),
        Report(
            Kind.CALL_REFUSED,
            {
                "visit": "",
                "leg": "in-1",
                "caller": call.caller,
                "account": call.account,
                "source": SOURCE,
                "code": code,
                "reason": reason,
            },
        ),
    ]
    assert (story.state.phase, audio(story.state)) == (Phase.IDLE, Audio())


def test_a_call_during_a_visit_is_busy_and_no_part_of_it() -> None:
    """The visitor at the door comes first; the running visit's records stay its own."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"))
    orders = story.tell(CALLED)

    assert orders[0] == HangUp("in-1", 486)
    assert [(told["visit"], told["code"], told["reason"]) for told in story.records(Kind.CALL_REFUSED)] == [
        ("", 486, "a visit is under way")
    ]
    assert story.state.phase is Phase.DIALLING


def test_a_call_while_a_closing_tone_plays_is_let_in() -> None:
    """The visit is told already; who calls back must not hear busy because of a tone."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), CallEnded("boot-1.1", 486, "Busy Here"), CALLED)

    assert story.state.phase is Phase.ANNOUNCING
    assert len(story.records(Kind.VISIT_ENDED)) == 1


def test_a_call_while_stopping_is_refused() -> None:
    """A conversation that the next second ends should not begin."""
    story = Story().online()
    story.tell(StopRequested("SIGTERM"))

    assert story.tell(CALLED)[0] == HangUp("in-1", 480)


@pytest.mark.parametrize("announced", [False, True])
def test_a_press_before_a_call_is_up_rings_and_the_call_is_over(announced: bool) -> None:
    """Who calls again and again, or makes a server's calls up, does not keep the door from its visitor."""
    story = Story().online()
    story.tell(CALLED, *[TonePlayed("listening")] * announced)
    story.tell(ButtonPressed("front", "panel"))

    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ["superseded"]
    assert [order.leg for order in story.wanted(HangUp)] == ["in-1"]
    assert story.state.phase is Phase.DIALLING
    assert not story.records(Kind.PRESS_ANSWERED)


def test_a_press_while_the_house_talks_is_told_busy() -> None:
    """The visitor hears the house already."""
    story = Story().online()
    story.tell(CALLED, TonePlayed("listening"), CallAnswered("in-1"), ButtonPressed("front", "panel"))

    assert [told["got"] for told in story.records(Kind.PRESS_ANSWERED)] == ["busy talking"]
    assert story.state.phase is Phase.TALKING


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((CallEnded("in-1", 487, "Request Terminated"),), "no answer"),
        ((EngineLost("ended by SIGKILL"),), "cut off"),
        ((TonePlayed("listening"), CallAnswered("in-1"), CallEnded("in-1", 200, "OK")), "talked"),
    ],
)
def test_a_call_from_the_house_ends_in_one_outcome(events: tuple[CallEnded, ...], outcome: str) -> None:
    """Its record names the caller where a visit from the button names the button."""
    story = Story().online()
    story.tell(CALLED, *events)

    (record,) = story.records(Kind.VISIT_ENDED)
    assert (record["button"], record["by"], record["target"], record["account"]) == ("", "201", "201", "home")
    assert record["outcome"] == outcome


def test_an_announcement_that_nothing_plays_lets_the_caller_go() -> None:
    """Without the tone there is no listening, however long the caller waits."""
    story = Story().online()
    story.tell(CALLED)
    story.wait(RULES.announce_s + 0.1)

    assert story.wanted(AnswerCall) == []
    assert story.wanted(HangUp) == [HangUp("in-1")]
    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ["unreachable"]


def test_a_call_that_was_turned_away_is_told_whatever_goes_on() -> None:
    """It offered what cannot be taken; the visit under way is another matter."""
    story, why = Story(), "the sound would not be encrypted"
    story.tell(CallRejected("home", "201", SOURCE, 488, why))

    told = story.records(Kind.CALL_REFUSED)
    assert [(one["caller"], one["visit"], one["reason"]) for one in told] == [("201", "", why)]


@pytest.mark.parametrize("announced", [False, True])
@pytest.mark.parametrize("code", [*range(300, 700, 7), 401, 403, 404, 408, 480, 486, 487, 488, 500, 503, 603])
def test_a_call_from_the_house_that_fails_is_over_and_nobody_is_dialled(code: int, announced: bool) -> None:
    """Its number is the caller's own choice; through another account it may even be somebody else's."""
    rules = replace(RULES, callers={"home": frozenset({"*"})}, redirect=lambda _, contact: Redirect(contact))
    story = Story(rules).online()
    story.tell(replace(CALLED, caller="0900123456"), *[TonePlayed("listening")] * announced)
    story.tell(NetworkChanged("eth0"), CallProgressed("in-1", 180), EarlyMediaBegan("in-1"))
    ended = CallRedirected("in-1", code, ("204",)) if code < 400 else CallEnded("in-1", code, "the network changed")
    story.tell(ended)
    story.wait(100.0)

    assert story.wanted(PlaceCall) == []
    assert (story.state.phase, story.state.visit, story.state.unheard) == (Phase.IDLE, None, ())
    assert len(story.records(Kind.VISIT_ENDED)) == 1


def test_a_caller_with_the_name_of_a_contact_does_not_get_its_keys() -> None:
    """A name that a caller gives is nothing that the configuration said: the keys may be a PIN."""
    rules = replace(RULES, callers={"home": frozenset({"*"})}, dial={"office": "400"}, keys={"office": "w1234#"})
    story = Story(rules).online()
    story.tell(replace(CALLED, caller="office"), TonePlayed("listening"), CallAnswered("in-1"))

    assert story.state.phase is Phase.TALKING
    assert story.wanted(SendDtmf) == []


def test_callers_who_hang_up_are_no_targets_that_never_ring() -> None:
    """Else each of them would be a trouble of the door, and be kept for ever."""
    story = Story(replace(RULES, callers={"home": frozenset({"*"})})).online()
    for number in range(5):
        story.tell(replace(CALLED, leg=f"in-{number}", caller="concierge"), CallEnded(f"in-{number}", 487, "x"))
        story.wait(86400.0)

    assert story.state.unheard == ()
    assert not [told for told in story.records(Kind.CONDITION_BEGAN) if "concierge" in str(told)]


def test_refused_calls_are_summed_up_before_they_wash_the_journal_out() -> None:
    """A thousand in an hour are some twenty records, and none of them is lost from the sum."""
    story = Story().online()
    for number in range(1000):
        story.wait(3.6)
        story.tell(replace(CALLED, leg=f"in-{number}", caller="666"))
    story.wait(2 * refusals.EVERY_S)
    told = [report.fields for report in story.wanted(Report) if report.kind is Kind.CALL_REFUSED]

    assert all("more" not in fields for fields in told[: refusals.AT_ONCE])
    assert len(told) <= refusals.AT_ONCE + 3600 / refusals.EVERY_S + 3
    assert sum(1 + fields.get("more", 0) for fields in told) == 1000
