# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that says nothing: knocked at often, rarer later, registered with the moment anything is there."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import Kind, Knock, Probe, Register, SelectServer
from intercom.core.events import (
    EngineLost,
    EngineStarted,
    LineLost,
    LineUp,
    NetworkChanged,
    ServerResponded,
    ServersFound,
    StopRequested,
)
from intercom.core.outputs import next_deadline

ALONE = replace(RULES, accounts=("home",))
NAMED = replace(ALONE, named=frozenset({"home"}))
NEAR = replace(ALONE, near=lambda account, server: account == "home")
ONE, TWO = "192.0.2.1:5060", "192.0.2.2:5060"
SILENT = LineLost("home", 408, "Request Timeout", silent=True)
REFUSED = LineLost("home", 503, "Service Unavailable")
UP = LineUp("home", 1.0, 300)
BACK = ServerResponded("home", 1.0, ONE)
NEWS = Register("home", anew=True)


def knocks(story: Story) -> int:
    return len(story.wanted(Knock))


def silent(rules: object = ALONE) -> Story:
    """A door whose server has just fallen silent."""
    story = Story(rules).online()  # type: ignore[arg-type]
    story.tell(SILENT)
    story.diary.clear()
    return story


@pytest.mark.parametrize(("minutes", "pause_s"), [(0, 1.5), (7, 1.5), (11, 5.0), (57, 5.0), (61, 30.0), (600, 30.0)])
def test_a_silent_server_is_knocked_at_often_and_rarer_later(minutes: int, pause_s: float) -> None:
    """A restart is over in seconds, an update in minutes; a night without a server is no reason for a storm."""
    story = silent()
    story.wait(60 * minutes + 0.1)
    story.diary.clear()
    story.wait(120)

    assert abs(knocks(story) - 120 / pause_s) <= 1


@pytest.mark.parametrize("away_s", [5, 30, 300, 590])
def test_a_server_is_registered_with_within_two_seconds_of_its_return(away_s: float) -> None:
    """Whatever became of the attempts meanwhile, and also where each of them takes the 32 s that PJSIP gives it."""
    story = silent()
    gone = story.now
    while story.now < gone + away_s:
        story.wait(min(32, gone + away_s - story.now))
        story.tell(SILENT)
    story.diary.clear()
    story.wait(1.9)
    asked = knocks(story)

    assert asked
    assert story.tell(BACK).count(NEWS) == 1


def test_the_attempts_go_on_beside_the_knocks() -> None:
    """Some servers answer REGISTER alone."""
    story = silent()
    story.wait(1.1)

    assert Register("home") in story.diary


def test_a_server_that_refuses_is_not_knocked_at() -> None:
    """It is there, and has said what it thinks: the growing waits are for those."""
    story = Story(ALONE).online()
    story.tell(REFUSED)
    story.wait(0.9)
    story.tell(LineLost("home", 403, "Forbidden"))
    story.wait(1.9)

    assert not knocks(story)


def test_a_server_that_answers_again_begins_with_short_waits() -> None:
    """It starts, and refuses for a second or two: the waits of its long absence are not for that."""
    story = silent()
    for _ in range(8):
        story.wait(31)
        story.tell(SILENT)
    story.tell(BACK, REFUSED)
    due = next_deadline(story.state)

    assert due is not None
    assert due - story.now == pytest.approx(1.0)


def test_a_server_that_answers_all_but_register_is_not_hammered() -> None:
    """Knocked at, it answers each time: one attempt is all it gets for that, until that has failed."""
    story = silent()
    for _ in range(3):
        story.diary.clear()
        story.tell(BACK)
        story.wait(31)
        assert story.wanted(Register) == [NEWS]
        assert not knocks(story)
        story.tell(SILENT)


def test_a_server_that_is_not_there_at_the_start_is_knocked_at_too() -> None:
    """After a power cut the door is up before the PBX; PJSIP repeats its first REGISTER every four seconds only."""
    story = Story(ALONE)
    story.tell(EngineStarted("test"))
    story.wait(RULES.hush_s - 0.1)
    early = knocks(story)
    story.wait(3)

    assert (early, knocks(story)) == (0, 2)
    assert NEWS in story.tell(BACK)


def test_all_servers_of_a_name_are_knocked_at_and_the_first_to_answer_is_used() -> None:
    """Going from one to the next by failed attempts takes half a minute each."""
    story = Story(NAMED)
    story.tell(EngineStarted("test"), ServersFound("home", (ONE, TWO)), UP, SILENT)
    story.wait(2)
    story.diary.clear()
    story.tell(ServerResponded("home", 1.0, TWO if story.state.lines[0].server == 0 else ONE))
    used = story.wanted(SelectServer)
    story.tell(UP)

    assert len(used) == 1
    assert story.diary.index(used[0]) < story.diary.index(NEWS)
    assert story.state.lines[0].knock_at is None


def test_a_server_that_the_name_leads_to_no_more_does_not_count() -> None:
    """Its late answer to an old question would send the door to where nobody is."""
    story = Story(NAMED)
    story.tell(EngineStarted("test"), ServersFound("home", (ONE,)), UP, SILENT)

    assert story.tell(ServerResponded("home", 1.0, TWO)) == []


def test_nothing_is_told_of_each_knock() -> None:
    """The journal has the outage once, and its end once."""
    story = silent()
    story.wait(3600)
    story.tell(UP)

    assert not story.records(Kind.CONDITION_BEGAN)
    assert len(story.records(Kind.CONDITION_ENDED)) == 1


def test_nobody_knocks_without_an_engine_and_while_the_daemon_stops() -> None:
    """Orders to an engine that is not there are lost; and an alarm that nobody obeys would ring without end."""
    story = silent()
    story.tell(EngineLost("ended by SIGKILL"))
    story.wait(60)
    dead = knocks(story)
    story.tell(EngineStarted("test"))
    story.wait(5)
    story.tell(StopRequested("SIGTERM"))
    story.diary.clear()
    story.wait(2.9)

    assert (dead, knocks(story)) == (0, 0)
    assert next_deadline(story.state) == story.state.stopping_until


def test_another_network_is_another_beginning() -> None:
    """The server was silent for an hour because a cable was out; now it is in."""
    story = silent()
    story.wait(7200)
    story.tell(NetworkChanged("eth0"))
    story.diary.clear()
    story.wait(6)

    assert knocks(story) == 2


# ---- a server that was away for a moment ----


def test_an_answer_that_had_to_be_asked_for_twice_is_a_reason_to_register() -> None:
    """So a quick restart looks from here, and who was restarted may have forgotten everybody."""
    story = Story(ALONE).online()
    for took_ms in (2.0, 505.0):
        story.wait(RULES.probe_s)
        usual = story.wanted(Register)
        story.tell(ServerResponded("home", took_ms, ONE))

    assert usual == []
    assert story.wanted(Register) == [Register("home")]
    assert not story.records(Kind.CONDITION_BEGAN)


def test_a_server_far_away_is_always_late_and_that_means_nothing() -> None:
    """A satellite takes its time: each question would be followed by a REGISTER."""
    story = Story(ALONE).online()
    for _ in range(5):
        story.wait(RULES.probe_s)
        story.tell(ServerResponded("home", 700.0, ONE))

    assert story.wanted(Register) == []


def test_the_houses_own_server_is_asked_by_registering() -> None:
    """One that forgets everybody when it is restarted would be found out at the next renewal, minutes later."""
    story = Story(NEAR).online()
    story.wait(RULES.probe_s - 0.1)
    early = story.wanted(Register)
    story.wait(0.2)
    asked = (story.wanted(Register), story.wanted(Probe))
    story.tell(LineUp("home", 3.5, 300))
    (line,) = story.state.lines

    assert (early, asked) == ([], ([Register("home")], []))
    assert line.round_trip_ms == 3.5
    assert line.probe_at == story.now + RULES.probe_s


def test_the_houses_own_server_is_lost_when_it_does_not_answer_that() -> None:
    """PJSIP itself would wait for 32 s."""
    story = Story(NEAR).online()
    story.wait(RULES.probe_s + RULES.probe_wait_s + 0.1)

    assert story.state.lines[0].fault == "408 the server does not answer"
    assert story.state.lines[0].silent_since is not None
