# SPDX-License-Identifier: GPL-2.0-or-later
"""A network or a server that fails under a visit: what the phone did not say is not told as its answer."""

from dataclasses import replace
from itertools import permutations

import pytest
from door_story import RULES, Story

from intercom.core.commands import Kind, PlaceCall, Probe, Register
from intercom.core.events import (
    ButtonPressed,
    CallEnded,
    CallProgressed,
    Event,
    LineLost,
    LineUp,
    NetworkChanged,
    ServerResponded,
)
from intercom.core.transitions import Phase

FRONT = ButtonPressed("front", "panel")
ALONE = replace(RULES, accounts=("home",))
FAILED = CallEnded("boot-1.1", 503, "Service Unavailable")
UP = LineUp("home", 1.0, 300)


def outcomes(story: Story) -> list[object]:
    return [told["outcome"] for told in story.records(Kind.VISIT_ENDED)]


def test_a_failure_is_the_phones_when_the_server_lives() -> None:
    """The server is asked, and the visitor is told as soon as it has answered."""
    story = Story(ALONE).online()
    asked = story.tell(FRONT, FAILED)
    waiting = story.state.phase
    story.tell(ServerResponded("home", 1.0))

    assert Probe("home") in asked
    assert waiting is Phase.WAITING
    assert outcomes(story) == ["unreachable"]


def test_a_failure_is_the_servers_when_it_does_not_answer() -> None:
    """The cable was out at the press: the visit waits, and rings by itself when the line is back."""
    story = Story(ALONE).online()
    story.tell(FRONT, FAILED)
    story.wait(RULES.probe_wait_s + 0.1)
    lost = story.state.lines[0].fault
    story.tell(UP)

    assert "does not answer" in lost
    assert outcomes(story) == []
    assert story.wanted(PlaceCall)[-1] == PlaceCall("boot-1.2", "home", "201", "front")
    assert story.state.phase is Phase.DIALLING


def test_a_silent_server_is_asked_at_once_during_a_call() -> None:
    """The next question of routine may be twenty seconds away, and the visitor stands at the door."""
    story = Story(ALONE).online()
    story.tell(FRONT)
    story.wait(RULES.silent_s + RULES.probe_wait_s + 0.1)

    assert story.state.phase is Phase.WAITING
    assert Register("home") not in story.diary
    assert outcomes(story) == []


def test_a_call_that_the_network_took_along_is_placed_anew() -> None:
    """PJSIP gives up what rings when the address changes; the visitor has not gone away."""
    story = Story(ALONE).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), NetworkChanged("eth0"), FAILED)
    waiting = story.state.phase
    story.tell(UP)

    assert waiting is Phase.WAITING
    assert story.wanted(PlaceCall)[-1] == PlaceCall("boot-1.2", "home", "201", "front")
    assert outcomes(story) == []


def test_a_call_that_ends_after_the_line_is_back_is_placed_anew_too() -> None:
    """Which of the two comes first is a race between two answers."""
    story = Story(ALONE).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), NetworkChanged("eth0"), UP, FAILED)

    assert story.wanted(PlaceCall)[-1] == PlaceCall("boot-1.2", "home", "201", "front")


def test_a_press_into_a_changing_network_waits_for_it() -> None:
    """The line is still called up, and sending fails at once."""
    story = Story(ALONE).online()
    story.tell(NetworkChanged("eth0"), FRONT, FAILED)
    waiting = story.state.phase
    story.tell(UP)

    assert waiting is Phase.WAITING
    assert story.wanted(PlaceCall)[-1] == PlaceCall("boot-1.2", "home", "201", "front")


def test_patience_is_one_for_the_whole_visit() -> None:
    """A line that comes and goes does not keep a visitor at the door for ever."""
    story = Story(replace(ALONE, retry_s=(1.0,))).online()
    story.tell(LineLost("home", 408, "x"), FRONT)
    for number in range(1, 100):
        story.tell(UP, CallEnded(f"boot-1.{number}", 503, "x"), LineLost("home", 408, "x"))
        story.wait(1)

    assert outcomes(story) == ["unreachable"]
    assert story.records(Kind.VISIT_ENDED)[0]["total_ms"] < 1000 * (RULES.patience_s + 2)  # type: ignore[operator]


@pytest.mark.parametrize(
    "answers", [*permutations((ServerResponded("home", 1.0), LineLost("home", 401, "Unauthorized")))]
)
def test_a_call_that_is_refused_for_its_password_has_the_line_register_anew(answers: tuple[Event, ...]) -> None:
    """Somebody has changed it on the server: that is told now, not at the next renewal."""
    story = Story(ALONE).online()
    asked = story.tell(FRONT, CallEnded("boot-1.1", 407, "Proxy Authentication Required"))
    story.tell(*answers)

    assert Register("home") in asked
    assert outcomes(story) == ["unreachable"]
    assert [told["condition"] for told in story.records(Kind.CONDITION_BEGAN)] == ["line home"]


def test_a_refusal_of_the_phone_waits_for_nothing() -> None:
    """Busy is an answer, whatever the network does."""
    story = Story(ALONE).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), NetworkChanged("eth0"), CallEnded("boot-1.1", 486, "Busy Here"))

    assert outcomes(story) == ["busy"]
