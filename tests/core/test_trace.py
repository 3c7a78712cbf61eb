# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may look at the SIP, and for how long: until the visit is over, never without an end, and told."""

import pytest
from door_story import Story

from intercom.core.commands import Kind, SetTrace
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    EngineLost,
    EngineStarted,
    Event,
    StopRequested,
    TonePlayed,
    TraceRequested,
)
from intercom.core.outputs import next_deadline

ASKED = TraceRequested("uid 1000", 300.0)
VISIT = (ButtonPressed("flat", "panel"), CallAnswered("boot-1.1"), CallEnded("boot-1.1", 200, "OK"))


def traced() -> Story:
    story = Story().online()
    story.tell(ASKED)
    return story


def orders(story: Story) -> list[bool]:
    return [order.on for order in story.diary if isinstance(order, SetTrace)]


def test_it_lasts_until_the_visit_is_over() -> None:
    """To its closed card: what ends the call belongs to it."""
    story = traced()
    story.tell(*VISIT)
    meanwhile = orders(story)
    story.tell(TonePlayed("closing"))

    assert (meanwhile, orders(story)) == ([True], [True, False])
    assert story.records(Kind.TRACE_BEGAN) == [{"by": "uid 1000", "lasts_s": 300.0}]
    assert story.records(Kind.TRACE_ENDED) == [{"by": "uid 1000", "outcome": "visit boot-1 is over"}]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [(TraceRequested("uid 0", 0.0), "ended by uid 0"), (StopRequested("SIGTERM"), "the intercom stops")],
)
def test_it_can_be_ended(end: Event, outcome: str) -> None:
    """And a daemon that stops shows nothing any more."""
    story = traced()
    story.tell(end)

    assert orders(story) == [True, False]
    assert story.records(Kind.TRACE_ENDED)[0]["outcome"] == outcome


def test_it_always_has_an_end() -> None:
    """Also when nobody comes to the door, and who is second does not lengthen it."""
    story = traced()
    story.wait(200)
    story.tell(TraceRequested("uid 1001", 3600.0))
    due = next_deadline(story.state)
    story.wait(101)

    assert due is not None
    assert orders(story) == [True, False]
    assert story.records(Kind.TRACE_ENDED) == [{"by": "uid 1000", "outcome": "its time is over"}]


def test_a_new_voice_engine_is_told_of_it() -> None:
    """What follows a crash is what one wants to see."""
    story = traced()
    story.tell(EngineLost("ended by SIGKILL"), EngineStarted("test"))

    assert orders(story) == [True, True]


def test_nobody_begins_one_at_a_door_that_stops() -> None:
    """It could not end it in time."""
    story = Story().online()
    story.tell(StopRequested("SIGTERM"), ASKED)

    assert orders(story) == []
    assert story.state.trace is None
