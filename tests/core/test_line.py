# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines: registered, lost, tried again for ever."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import Kind, Lamp, PlaceCall, Register, Report, SelectServer, SetLamp, SetStatus
from intercom.core.events import (
    ButtonPressed,
    EngineLost,
    EngineStarted,
    LineLost,
    LineUp,
    ServersFound,
    StopRequested,
    TimePassed,
)
from intercom.core.outputs import lamp, next_deadline, status
from intercom.core.state import LinePhase


def phases(story: Story) -> list[LinePhase]:
    return [line.phase for line in story.state.lines]


def test_a_new_engine_registers_every_account() -> None:
    """Nothing is retried into the void before there is an engine, and nothing is forgotten when there is."""
    story = Story()
    story.wait(60)
    before = story.wanted(Register)
    story.tell(EngineStarted("PJSIP 2.17"))

    assert before == []
    assert story.wanted(Register) == [Register("home"), Register("spare")]
    assert phases(story) == [LinePhase.REGISTERING, LinePhase.REGISTERING]
    assert story.records(Kind.ENGINE_STARTED) == [{"versions": "PJSIP 2.17"}]


def test_a_line_that_comes_up_is_told_once() -> None:
    """The lamp says at once that it would ring now."""
    story = Story()
    story.tell(EngineStarted("test"))

    assert story.tell(LineUp("home", 41.5, 300)) == [
        SetLamp(Lamp.READY),
        SetStatus("idle; home registered, spare registering"),
        Report(Kind.LINE_UP, {"account": "home", "took_ms": 41.5, "expires_s": 300}),
    ]


def test_a_renewal_is_no_news() -> None:
    """Every five minutes a line in the journal would bury the one that matters."""
    story = Story().online()

    assert story.tell(LineUp("home", 40.0, 300), LineUp("home", 39.0, 300)) == []
    assert story.diary == []


def test_a_lost_line_is_tried_again_at_growing_intervals_for_ever() -> None:
    """A server that is rebooted is back in seconds; one that is gone for a night is not hammered."""
    story = Story(replace(RULES, accounts=("home",), probe_s=1e6)).online()
    waits: list[float] = []
    for _ in range(8):
        story.tell(LineLost("home", 503, "Service Unavailable"))
        lost_at = story.now
        story.diary.clear()
        due = next_deadline(story.state)
        assert due is not None
        waits.append(round(due - lost_at, 6))
        story.wait(due - lost_at - 0.001)
        early = story.wanted(Register)
        story.wait(0.002)
        assert (early, story.wanted(Register)) == ([], [Register("home")])

    assert waits == [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 30.0, 30.0]


def test_a_line_that_was_up_begins_with_short_waits_again() -> None:
    """Yesterday's trouble does not slow down today's return."""
    story = Story().online()
    for _ in range(5):
        story.tell(LineLost("home", 408, "Request Timeout"))
        story.wait(31)
    story.tell(LineUp("home", 40.0, 300), LineLost("home", 408, "Request Timeout"))
    due = next_deadline(story.state)

    assert due is not None
    assert due - story.now == pytest.approx(1.0)


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (401, "Unauthorized"), (404, "Not Found")])
def test_a_refusal_is_tried_again_too(code: int, reason: str) -> None:
    """An account that is being set up on the server refuses today and accepts tomorrow, without anybody going there."""
    story = Story(replace(RULES, accounts=("home",), probe_s=1e6)).online()
    story.tell(LineLost("home", code, reason))
    story.wait(30.1)

    assert story.wanted(Register)[0] == Register("home")
    assert status(story.state) == f"idle; home registering ({code} {reason})"


def test_lines_do_not_share_their_fate() -> None:
    """One provider's outage is no outage while the other line is up, and calls go through that one."""
    story = Story().online()
    story.tell(LineLost("home", 503, "x"))
    honest = lamp(story.state)
    story.tell(ButtonPressed("front", "panel"))

    assert honest is Lamp.FAULT
    assert story.wanted(PlaceCall) == [PlaceCall("boot-1.1", "spare", "201", "front")]


def test_the_lamp_tells_when_no_line_is_left() -> None:
    """A visitor should see before the press that nothing will ring."""
    story = Story().online()
    story.tell(LineLost("home", 503, "x"), LineLost("spare", 503, "x"))

    assert lamp(story.state) is Lamp.NO_LINE


def test_a_lost_engine_takes_all_lines_with_it_and_retries_nothing() -> None:
    """Orders to an engine that is not there would be dropped; the next engine starts them all."""
    story = Story().online()
    story.tell(LineLost("home", 503, "x"), EngineLost("ended by SIGKILL"))
    story.diary.clear()
    story.wait(100)
    meanwhile = story.wanted(Register)
    story.tell(EngineStarted("test"))

    assert meanwhile == []
    assert story.wanted(Register) == [Register("home"), Register("spare")]


def test_news_of_an_account_that_nobody_knows_changes_nothing() -> None:
    """Late news of a renamed account is no reason to fall over."""
    story = Story().online()
    before = story.state

    assert story.tell(LineUp("stranger", 1.0, 300), LineLost("stranger", 403, "Forbidden")) == []
    assert story.state == before


def test_nothing_is_tried_again_while_stopping() -> None:
    """A retry that falls due on the way out is dropped, and leaves no alarm that would ring without end."""
    story = Story().online()
    story.tell(LineLost("home", 503, "x"), StopRequested("SIGTERM"), LineLost("spare", 503, "unregistered"))
    stopping_until = story.state.stopping_until
    story.diary.clear()
    story.tell(TimePassed(), after=1.5)

    assert story.wanted(Register) == []
    assert next_deadline(story.state) == stopping_until


def test_every_server_that_a_name_leads_to_is_heard() -> None:
    """Calls come from any of a cluster; a new one among them is no reason to register anew."""
    one, two, three = "192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"
    story = Story(replace(RULES, named=frozenset({"home"})))
    story.tell(EngineStarted("test"))

    assert SelectServer("home", one, (two,)) in story.tell(ServersFound("home", (one, two)))
    assert story.tell(ServersFound("home", (two, one))) == []
    assert story.tell(ServersFound("home", (one, three))) == [SelectServer("home", one, (three,))]
