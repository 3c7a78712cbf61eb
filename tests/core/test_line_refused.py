"""A guest at the registrar: what was refused is not asked again at once, and who asks to be left alone is."""

from dataclasses import replace

import pytest
from door_story import RULES, Story
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.core.commands import Register, SelectServer
from intercom.core.events import ButtonPressed, EngineStarted, LineLost, LineUp, NetworkChanged, ServersFound
from intercom.core.outputs import next_deadline

ALONE = replace(RULES, accounts=("home",), probe_s=1e6)


def waits(story: Story, code: int, times: int, retry_after_s: float = 0.0) -> list[float]:
    """Return how long the door waits after each of so many failures in a row."""
    seen: list[float] = []
    for _ in range(times):
        story.tell(LineLost("home", code, "no", retry_after_s=retry_after_s))
        lost_at = story.now
        story.diary.clear()
        while not story.wanted(Register):
            due = next_deadline(story.state)
            assert due is not None
            story.wait(due - story.now)
        seen.append(round(story.now - lost_at, 3))
    return seen


@pytest.mark.parametrize("code", [401, 403, 407])
def test_refused_credentials_are_tried_again_after_minutes(code: int) -> None:
    """RFC 3261 section 22.1; a PBX bans the address of a door that tries them twice a minute."""
    assert waits(Story(ALONE).online(), code, 6) == [30.0, 120.0, 600.0, 1800.0, 1800.0, 1800.0]


@pytest.mark.parametrize("code", [404, 408, 480, 500, 503])
def test_other_failures_are_tried_again_soon(code: int) -> None:
    """A server that restarts is back in seconds."""
    assert waits(Story(ALONE).online(), code, 6) == [1.0, 2.0, 5.0, 10.0, 20.0, 30.0]


def test_a_failure_of_another_kind_in_between_does_not_shorten_the_next_refusal() -> None:
    """A server that is restarted beside a wrong password is not guessed at from the beginning."""
    story = Story(ALONE).online()
    assert waits(story, 401, 2) == [30.0, 120.0]
    waits(story, 503, 1)

    assert waits(story, 401, 1) == [600.0]


def test_a_line_that_was_up_begins_with_the_shortest_wait() -> None:
    """The password was right again in between."""
    story = Story(ALONE).online()
    waits(story, 403, 3)
    story.tell(LineUp("home", 1.0, 300))

    assert waits(story, 403, 1) == [30.0]


@pytest.mark.parametrize("event", [NetworkChanged("wlan0"), EngineStarted("test")])
def test_another_network_and_another_engine_try_at_once(event: object) -> None:
    """A new network may lead to another server; a new engine knows nothing."""
    story = Story(ALONE).online()
    waits(story, 403, 3)
    story.tell(LineLost("home", 403, "no"))
    story.diary.clear()
    story.tell(event)  # type: ignore[arg-type]

    assert story.wanted(Register) == [Register("home")]


@pytest.mark.parametrize(("asked_s", "waited_s"), [(120.0, 120.0), (0.5, 1.0), (3600.0, 3600.0), (86400.0, 3600.0)])
def test_retry_after_is_obeyed_up_to_an_hour(asked_s: float, waited_s: float) -> None:
    """RFC 3261 section 20.33; never sooner than without it, and a nonsense value does not silence a door for days."""
    assert waits(Story(ALONE).online(), 503, 1, asked_s) == [waited_s]


def test_a_server_that_rests_is_passed_over_for_another_one() -> None:
    """RFC 3263 section 4.3: the name leads to two, and only one of them wants to be left alone."""
    story = Story(replace(ALONE, named=frozenset({"home"}))).online()
    story.tell(ServersFound("home", ("192.0.2.1:5060", "192.0.2.2:5060")))
    story.tell(LineUp("home", 1.0, 300))
    story.diary.clear()
    assert waits(story, 503, 1, 300.0) == [1.0]  # at the other one
    used = [order.server for order in story.wanted(SelectServer)]
    story.tell(LineLost("home", 503, "no"))

    assert used == []  # ordered with the failure, before the diary was cleared
    assert story.state.lines[0].servers[story.state.lines[0].server] == "192.0.2.2:5060"


def test_all_servers_rest() -> None:
    """Then the one is waited for that wants to be alone for the shortest time."""
    story = Story(replace(ALONE, named=frozenset({"home"}))).online()
    story.tell(ServersFound("home", ("192.0.2.1:5060", "192.0.2.2:5060")))
    waits(story, 503, 1, 300.0)

    assert waits(story, 503, 1, 60.0) == [60.0]
    assert story.state.lines[0].servers[story.state.lines[0].server] == "192.0.2.2:5060"


def test_a_press_tries_refused_credentials_at_once() -> None:
    """Whoever mended the password at the server may be standing at the door."""
    story = Story(ALONE).online()
    waits(story, 401, 4)
    story.tell(LineLost("home", 401, "no"))
    story.wait(400)
    story.diary.clear()
    story.tell(ButtonPressed("front", "wire"))

    assert story.wanted(Register) == [Register("home")]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 400), min_size=1, max_size=150))
def test_no_child_at_the_button_makes_the_door_guess(pauses: list[float]) -> None:
    """However often somebody presses: BAS-IP's server bans an address after 14 wrong passwords an hour."""
    story = Story(ALONE).online()
    waits(story, 401, 4)
    tries: list[float] = []
    for pause in pauses:
        before = len(story.wanted(Register))
        story.tell(ButtonPressed("front", "wire"))
        story.wait(pause)
        for _ in range(len(story.wanted(Register)) - before):
            tries.append(story.now)
            story.tell(LineLost("home", 401, "no"))

    assert max((sum(1 for at in tries if begin <= at < begin + 3600) for begin in tries), default=0) <= 14
