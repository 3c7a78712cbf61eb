# SPDX-License-Identifier: GPL-2.0-or-later
"""The panel's wires: what is a press, what is a bounce, and when it was."""

from door_story import RULES, Story

from intercom.core.commands import Kind
from intercom.core.events import ButtonChanged, TimePassed

DOWN, UP = ButtonChanged("front", pressed=True), ButtonChanged("front", pressed=False)
STILL = RULES.debounce_s


def presses(story: Story) -> int:
    return len(story.records(Kind.PRESS_ACCEPTED)) + len(story.records(Kind.PRESS_ANSWERED))


def test_a_press_counts_when_the_wire_has_held_still() -> None:
    """Not before, so that a spike is none, and not much later, so that nobody waits."""
    story = Story().online()
    story.tell(DOWN)
    story.wait(STILL * 0.9)
    early = presses(story)
    story.wait(STILL * 0.2)

    assert (early, presses(story)) == (0, 1)
    assert story.records(Kind.PRESS_ACCEPTED) == [{"visit": "boot-1", "button": "front", "by": "panel"}]


def test_a_contact_that_bounces_is_one_press() -> None:
    """Every contact bounces; the visitor pressed once, and the record counts from the first touch."""
    story = Story().online()
    story.tell(DOWN)
    first_edge = story.now
    story.tell(UP, DOWN, UP, DOWN, UP, DOWN, after=STILL * 0.6)
    story.wait(1)
    story.tell(UP)
    story.wait(1)

    assert presses(story) == 1
    assert story.state.visit is not None
    assert story.state.visit.began_at == first_edge


def test_a_release_that_bounces_is_not_another_press() -> None:
    """Letting go of a worn button must not ring again."""
    story = Story().online()
    story.tell(DOWN)
    story.wait(0.5)
    story.tell(UP, DOWN, UP, DOWN, UP, after=STILL * 0.6)
    story.wait(1)

    assert presses(story) == 1


def test_a_contact_that_slips_while_held_is_not_another_press() -> None:
    """A finger that trembles on the button has not let go."""
    story = Story().online()
    story.tell(DOWN)
    story.wait(0.5)
    story.tell(UP)
    story.tell(DOWN, after=STILL * 0.5)
    story.wait(1)

    assert presses(story) == 1


def test_a_spike_is_no_press() -> None:
    """A long cable beside a strike picks up more than fingers."""
    story = Story().online()
    for _ in range(20):
        story.tell(DOWN)
        story.tell(UP, after=STILL * 0.3)
        story.wait(STILL * 3)

    assert presses(story) == 0


def test_a_press_after_a_spike_is_dated_to_its_own_edge() -> None:
    """The spike that came before is no part of the visitor's wait."""
    story = Story().online()
    story.tell(DOWN)
    story.tell(UP, after=STILL * 0.3)
    story.wait(5)
    story.tell(DOWN)
    edge = story.now
    story.wait(1)

    assert story.state.visit is not None
    assert story.state.visit.began_at == edge


def test_a_button_held_while_the_daemon_starts_rings_once() -> None:
    """The visitor who pressed during the restart gets a visit, and a stuck button does not ring for ever."""
    story = Story()
    story.tell(DOWN)
    story.wait(600)

    assert presses(story) == 1


def test_edges_that_say_nothing_new_change_nothing() -> None:
    """The same level twice is no edge: neither a press more nor a longer wait for the one that is."""
    story = Story().online()
    story.tell(DOWN)
    story.tell(DOWN, after=STILL * 0.9)
    story.wait(STILL * 0.2)

    assert presses(story) == 1


def test_two_presses_are_two_presses() -> None:
    """The second one is told that it still rings."""
    story = Story().online()
    for _ in range(2):
        story.tell(DOWN)
        story.wait(0.2)
        story.tell(UP)
        story.wait(0.2)

    assert [told["got"] for told in story.records(Kind.PRESS_ANSWERED)] == ["still ringing"]
    assert presses(story) == 2


def test_a_press_counts_although_the_daemon_was_late_to_look() -> None:
    """On a stalled Pi both edges lie in the inbox before the alarm between them rings: their dates decide, not ours."""
    story = Story().online()
    story.tell(DOWN)
    edge = story.now
    story.tell(UP, after=0.3)
    story.tell(TimePassed(), after=0.1)
    story.wait(1)

    assert presses(story) == 1
    assert story.state.visit is not None
    assert story.state.visit.began_at == edge


def test_buttons_do_not_share_their_wires() -> None:
    """Two bells pressed together are two presses, each dated to its own edge."""
    story = Story().online()
    story.tell(DOWN, ButtonChanged("flat", pressed=True), ButtonChanged("nowhere", pressed=True), after=STILL * 0.3)
    story.wait(1)

    assert [told["button"] for told in story.records(Kind.PRESS_ACCEPTED)] == ["front", "flat"]
