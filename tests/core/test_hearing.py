"""Who counts as unheard, and why: the nearest cause to the door that the measurements allow."""

from dataclasses import replace
from typing import Any

import pytest
from door_story import RULES, Story

from intercom.core.commands import HangUp, Kind, Report
from intercom.core.events import (
    AudioDeviceOpened,
    ButtonChanged,
    CallAnswered,
    CallEnded,
    EngineStarted,
    KeysUnread,
    LineUp,
    SoundMeasured,
    StreamMeasured,
)
from intercom.core.rules import Rules
from intercom.engine.sip.rtp_activity import Flow, RtpActivity

STREAM = StreamMeasured("", "pcmu", False, 100, 100, 0, 0, 0.0, 40.0, 1.0, 0.0, "192.0.2.7:4000", "192.0.2.7:4000")


def talking(rules: Rules = RULES) -> tuple[Story, str]:
    """Return a conversation and its leg."""
    story = Story(rules)
    story.tell(EngineStarted("PJSIP"), LineUp("home", 1.0, 300), ButtonChanged("front", True))
    story.wait(0.1)
    leg = story.state.visit.legs[0].name if story.state.visit else ""
    story.tell(CallAnswered(leg), AudioDeviceOpened("card"))
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
    stillness = RtpActivity()
    assert stillness.since(10, now=100.0, held=False) == 0
    assert stillness.since(10, now=102.0, held=False) == 2
    assert stillness.since(10, now=104.0, held=True) == 0
    assert stillness.since(10, now=106.0, held=False) == 2
    assert stillness.since(11, now=108.0, held=False) == 0


def test_sound_flows_from_five_packets_on_and_is_over_after_two_seconds_without() -> None:
    """A few packets open a way through a router; another stream begins to count anew."""
    flow = Flow()
    changes = [flow.look(received, now) for received, now in ((0, 0.0), (4, 0.1), (4, 1.0), (5, 1.1), (90, 3.0))]
    assert changes == [False, False, False, True, False]
    assert [flow.look(90, 4.9), flow.look(90, 5.0), flow.flows] == [False, True, False]
    assert [flow.look(94, 5.1), flow.look(95, 5.2)] == [False, True]
    assert [flow.look(0, 6.0), flow.look(3, 9.0), flow.flows] == [False, False, True]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reports": 2, "quiet_s": 6.0}, ""),
        ({"reports": 2, "quiet_s": 12.0}, "have stopped coming"),
        ({"pausing": True, "quiet_s": 9.0}, ""),
        ({"quiet_s": 4.0}, "have stopped coming"),
        ({"received": 0, "quiet_s": 4.0}, "no packets come from"),
        ({"received": 0, "reports": 1, "quiet_s": 1.0}, ""),
        ({"sealed": 50, "quiet_s": 4.0}, "come from 192.0.2.7:4000, and none of them can be decrypted"),
        ({"received": 0, "sealed": 200, "reports": 2, "source": ""}, "from 192.0.2.7:4000, and none of them can be"),
        ({"sealed": 49, "quiet_s": 4.0}, "have stopped coming"),
        ({"received": 0, "strangers": 8, "quiet_s": 4.0}, "8 came from hosts that the call does not name"),
    ],
)
def test_why_a_phone_is_not_heard_is_told_as_what_it_is(changes: dict[str, Any], told: str) -> None:
    """Who sends RTCP, or has announced a pause, is there and has nothing to say: that is no fault."""
    story, _ = talking()
    silent = causes(story, replace(STREAM, still_s=4.0, **changes), heard=False)

    assert told in silent["in"] if told else silent == {}, silent


def test_a_call_of_which_nothing_comes_any_more_ends_and_is_told() -> None:
    """A phone that lost its power leaves the microphone open; it is told once, and hung up once."""
    story, leg = talking()
    quiet = replace(STREAM, leg=leg, still_s=20.0, quiet_s=19.9)
    before = story.tell(quiet)
    orders = story.tell(replace(quiet, quiet_s=20.0)) + story.tell(replace(quiet, quiet_s=22.0))
    story.tell(CallEnded(leg, 200, "OK"))

    assert not before
    assert [order for order in orders if isinstance(order, HangUp)] == [HangUp(leg)]
    assert [record["lasts_s"] for record in story.records(Kind.SOUND_LOST)] == [20.0]
    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "talked"


@pytest.mark.parametrize("changes", [{"held": True}, {"pausing": True}, {"quiet_s": 3.0}])
def test_silence_that_is_meant_ends_no_call(changes: dict[str, Any]) -> None:
    """On hold; behind comfort noise; while RTCP comes."""
    story, leg = talking()

    assert not story.tell(replace(STREAM, leg=leg, still_s=90.0, **({"quiet_s": 90.0} | changes)))


def test_nothing_ends_a_call_for_its_silence_where_the_configuration_says_so() -> None:
    """`rtp_timeout_s = 0`."""
    story, leg = talking(replace(RULES, rtp_timeout_s=0.0))

    assert not story.tell(replace(STREAM, leg=leg, still_s=900.0, quiet_s=900.0))


def test_keys_that_nobody_can_read_are_told() -> None:
    """With whom, and how they came."""
    story, leg = talking()
    story.tell(KeysUnread(leg, "SIP INFO"), KeysUnread("elsewhere", "RFC 4733"))

    told = story.records(Kind.KEYS_UNREAD)
    assert [(record["target"], record["method"]) for record in told] == [("201", "SIP INFO")]
