# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions: what is wrong is told once when it begins and once when it ends."""

import pytest
from door_story import Story

from intercom.core.commands import Kind, Report, SetStatus
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
    ButtonPressed,
    EngineHeartbeat,
    EngineLost,
    EngineStarted,
    Event,
    LineLost,
    LineUp,
    StopRequested,
)
from intercom.core.outputs import conditions, status


def news(story: Story) -> list[tuple[str, dict[str, object]]]:
    """Every record of a condition, as its kind and fields."""
    kinds = (Kind.CONDITION_BEGAN, Kind.CONDITION_ENDED)
    return [
        (entry.kind.value, dict(entry.fields))
        for entry in story.diary
        if isinstance(entry, Report) and entry.kind in kinds
    ]


@pytest.mark.parametrize(
    ("begins", "again", "ends", "name", "detail"),
    [
        (
            LineLost("home", 403, "Forbidden"),
            LineLost("home", 408, "Request Timeout"),
            LineUp("home", 40.0, 300),
            "line home",
            "403 Forbidden",
        ),
        (EngineLost("silent for 4 s"), EngineLost("ended by SIGSEGV"), EngineStarted("test"), "voice engine", None),
        (
            AudioDeviceLost("unplugged"),
            AudioDeviceLost("not found"),
            AudioDeviceOpened("USB"),
            "sound card",
            "unplugged",
        ),
    ],
)
def test_a_condition_is_told_once_when_it_begins_and_once_when_it_ends(
    begins: Event, again: Event, ends: Event, name: str, detail: str | None
) -> None:
    """A server that is down all night is two lines in the journal, and the second says how long it was."""
    story = Story().online()
    story.tell(begins)
    began_at = story.now
    story.tell(*[again] * 20, after=1.5)
    last = conditions(story.state)[name]
    story.tell(ends, ends, after=2.5)

    assert [kind for kind, _ in news(story)] == ["condition-began", "condition-ended"]
    assert news(story)[0][1] == {"condition": name, "detail": detail or "silent for 4 s"}
    assert news(story)[1][1] == {
        "condition": name,
        "detail": last,
        "lasted_s": round(story.now - 2.5 - began_at, 3),
    }


def test_a_condition_that_returns_is_told_again() -> None:
    """Once each time: a line that flaps is to be seen flapping."""
    story = Story().online()
    for _ in range(3):
        story.tell(AudioDeviceLost("unplugged"), after=10)
        story.tell(AudioDeviceOpened("USB"), after=0.5)

    assert [(kind, fields.get("lasted_s")) for kind, fields in news(story)] == [
        ("condition-began", None),
        ("condition-ended", 0.5),
    ] * 3


def test_conditions_lie_over_each_other() -> None:
    """One that ends says nothing about the others."""
    story = Story().online()
    story.tell(AudioDeviceLost("unplugged"), LineLost("home", 503, "x"), AudioDeviceOpened("USB"))

    assert conditions(story.state) == {"line home": "503 x"}
    assert [fields["condition"] for _, fields in news(story)] == ["sound card", "line home", "sound card"]


def test_a_trouble_in_a_visit_is_not_the_visit() -> None:
    """The condition's records carry no visit: it was there before, or stays after."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), AudioDeviceLost("unplugged"))

    assert news(story) == [("condition-began", {"condition": "sound card", "detail": "unplugged"})]


def test_the_card_is_told_when_it_opens_and_closes() -> None:
    """The journal answers when the microphone was open."""
    story = Story().online()
    story.tell(ButtonPressed("front", "panel"), AudioDeviceOpened("USB"), AudioDeviceClosed())

    told = {"visit": "boot-1", "card": "USB", "reason": "visit boot-1"}
    assert story.records(Kind.CARD_OPENED) == [told]
    assert story.records(Kind.CARD_CLOSED) == [told]


def test_the_status_says_what_is_wrong() -> None:
    """One line answers whether it would ring now."""
    story = Story()
    starting = status(story.state)
    story.tell(
        EngineStarted("test"), LineUp("home", 1.0, 300), LineLost("spare", 403, "Forbidden"), AudioDeviceLost("gone")
    )
    degraded = status(story.state)
    story.tell(EngineLost("ended by SIGSEGV"))
    engineless = status(story.state)
    story.tell(StopRequested("SIGTERM"))

    assert starting == "idle; home down, spare down"
    assert degraded == "idle; home registered, spare down (403 Forbidden); sound card: gone"
    assert engineless == "voice engine down: ended by SIGSEGV"
    assert status(story.state) == "stopping"
    assert [order.text for order in story.wanted(SetStatus) if isinstance(order, SetStatus)][-1] == "stopping"


def test_a_beat_is_no_news_at_all() -> None:
    """It comes every second for years."""
    story = Story().online()
    before = story.state

    assert (story.tell(EngineHeartbeat()), story.state) == ([], before)


def test_an_engine_that_ends_because_it_should_is_no_condition() -> None:
    """An update is no trouble."""
    story = Story().online()
    story.tell(StopRequested("SIGTERM"), EngineLost("ended with status 0"))

    assert news(story) == []
