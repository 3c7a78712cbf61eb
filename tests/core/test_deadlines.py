# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines belong to what they are about: a call, an answer to be confirmed, a door that stands open, a press."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import HangUp, Kind, PlaceCall, Probe, Register
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    CallRequested,
    DigitReceived,
    EngineStarted,
    Event,
    LineLost,
    LineUp,
    Reconfigured,
    ReleaseRequested,
    SensorChanged,
    ServerResponded,
    TimePassed,
    VisitRestored,
)
from intercom.core.machine import step
from intercom.core.outputs import levels, next_deadline
from intercom.core.rules import Rules, Sensor, SensorKind
from intercom.core.snapshot import Pending, Stage
from intercom.core.transitions import Phase

FRONT = ButtonPressed("front", "panel")
THREE = replace(RULES, accounts=("a", "b", "c"))
TOLD = replace(RULES, text_missed_to="200")
LEFT = Pending("old-1", "front", "panel", 90.0, 1, (Stage(("201",), 30.0),))


class House(Story):
    """A door whose servers answer at once, those of them that live."""

    def __init__(self, rules: Rules, *, alive: str) -> None:
        """Have the servers of the accounts in `alive` live."""
        super().__init__(rules)
        self.alive = alive

    def wait(self, seconds: float) -> None:
        """Let time pass; each server that lives answers what it is asked."""
        until = self.now + seconds
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            self.state, commands = step(self.state, TimePassed(), now=self.now, rules=self.rules)
            self.diary += commands
            for order in commands:
                if isinstance(order, Probe | Register) and order.account in self.alive:
                    asked = isinstance(order, Probe)
                    answer = ServerResponded(order.account, 1.0) if asked else LineUp(order.account, 1.0, 300)
                    self.state, more = step(self.state, answer, now=self.now, rules=self.rules)
                    self.diary += more
        self.now = until

    def placed(self) -> list[str]:
        """Through which accounts calls were placed so far."""
        return [order.account for order in self.wanted(PlaceCall) if isinstance(order, PlaceCall)]


@pytest.mark.parametrize("silent", ["a", "ab"])
@pytest.mark.parametrize("first", [None, 503])
def test_each_server_is_passed_over_as_quickly_as_the_first(silent: str, first: int | None) -> None:
    """Several are silent, or one refuses and the next one is silent: each costs `silent_s`, no more."""
    house = House(THREE, alive="c").online()
    began = house.now
    house.tell(FRONT)
    for way in range(2):
        if first is not None and way == 0:
            house.tell(CallProgressed("boot-1.1", 100), CallEnded("boot-1.1", first, "x"))
        else:
            house.wait(RULES.silent_s + 0.01)

    assert house.placed() == ["a", "b", "c"]
    assert house.now - began < 2 * RULES.silent_s + 0.2
    house.tell(CallProgressed("boot-1.3", 180))
    rings_since = house.now
    house.wait(RULES.ring_s - 0.1)
    assert house.state.phase is Phase.RINGING, "the whole ring time, by whichever way"
    house.wait(0.2)
    assert house.records(Kind.VISIT_ENDED)[0]["outcome"] == "no answer"
    assert house.now - rings_since < RULES.ring_s + 0.2


def test_a_short_stage_is_long_enough_for_the_third_way() -> None:
    """It would be over before the second server was found to be silent, and the call by the third would be cut off."""
    rules = replace(THREE, buttons={"front": (Stage(("201",), 5.0),)})
    house = House(rules, alive="c").online()
    house.tell(FRONT)
    house.wait(2 * RULES.silent_s + 0.1)
    house.tell(CallProgressed("boot-1.3", 100))
    house.wait(4.8)

    assert house.placed() == ["a", "b", "c"]
    assert house.state.phase is Phase.DIALLING, "its whole ring time"
    house.wait(0.3)
    assert len(house.records(Kind.VISIT_ENDED)) == 1


def test_a_server_is_silent_for_its_own_calls_only() -> None:
    """What another server says, or another phone that rings, is no news of this one."""
    house = House(replace(THREE, direct=frozenset({"203"})), alive="bc").online()
    house.tell(ButtonPressed("flat", "panel"))
    house.tell(CallProgressed("boot-1.2", 180))
    house.wait(RULES.silent_s + 0.1)

    assert house.placed() == ["a", "no account", "b"]
    assert house.state.phase is Phase.RINGING


def test_a_line_that_is_lost_while_another_phone_rings_is_passed_over() -> None:
    """Whoever rings already rings on; who was called through the lost one is called another way."""
    house = House(replace(THREE, direct=frozenset({"203"})), alive="bc").online()
    house.tell(ButtonPressed("flat", "panel"), CallProgressed("boot-1.2", 180), LineLost("a", 503, "x"))

    assert house.placed() == ["a", "no account", "b"]
    assert HangUp("boot-1.1") in house.diary


def test_a_stage_is_not_prolonged_for_ever() -> None:
    """Calls that fail one after the other by thirty ways end within the stage's time and `patience_s`."""
    accounts = tuple(f"a{number}" for number in range(32))
    house = House(replace(RULES, accounts=accounts, probe_s=1e6), alive="").online()
    house.tell(FRONT)
    for number in range(1, 33):
        house.tell(CallProgressed(f"boot-1.{number}", 180))
        house.wait(20)
        house.tell(CallEnded(f"boot-1.{number}", 503, "x"))
    house.wait(100)
    ended = house.records(Kind.VISIT_ENDED)[0]

    assert ended["outcome"] == "no answer"
    assert float(str(ended["total_ms"])) <= 1000 * (RULES.ring_s + RULES.patience_s) + 1


def test_a_phone_that_talks_has_no_time_to_answer_any_more() -> None:
    """It was picked up before any server had said 100."""
    house = House(THREE, alive="bc").online()
    house.tell(FRONT, CallAnswered("boot-1.1"))
    house.wait(20)

    assert house.state.phase is Phase.TALKING
    assert house.placed() == ["a"]


CONFIRM = replace(RULES, confirm=frozenset({"front"}), buttons={"front": (Stage(("201",), 15.0),)}, confirm_s=10.0)
PICKED_UP = (FRONT, CallProgressed("boot-1.1", 180))


@pytest.mark.parametrize("after_s", [0.5, 10.0, 14.9])
def test_whoever_picks_up_late_has_time_to_confirm(after_s: float) -> None:
    """The beeps alone take two seconds a round."""
    story = Story(CONFIRM).online()
    story.tell(*PICKED_UP)
    story.wait(after_s - 0.1)
    story.tell(CallAnswered("boot-1.1"))
    story.wait(9.9)
    story.tell(DigitReceived("boot-1.1", "1", "RFC 4733"), after=0.0)

    assert story.state.phase is Phase.TALKING


def test_what_never_confirms_holds_its_stage_once() -> None:
    """A voicemail is no reason to let the visitor wait for ever, however often it says that it has answered."""
    story = Story(CONFIRM).online()
    story.tell(*PICKED_UP)
    story.wait(14.0)
    story.tell(CallAnswered("boot-1.1"))
    story.wait(9.0)
    story.tell(CallAnswered("boot-1.1"))
    story.wait(1.1)

    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ["no answer"]
    assert len(story.records(Kind.CALL_UNCONFIRMED)) == 1


DOOR = replace(
    RULES,
    sensors={"contact front": Sensor(SensorKind.CONTACT, "front")},
    hold_s={"front": 86400.0, "yard": 600.0},
    held_s={"front": 60.0},
)
SHUT, OPENS = SensorChanged("contact front", active=False), SensorChanged("contact front", active=True)
HOLD, PULSE = ReleaseRequested("front", "uid 0", hold=True), ReleaseRequested("front", "uid 0")
END = ReleaseRequested("front", "uid 0", released=False)
LEFT_OPEN = "door front left open"


def told_after(*waits: tuple[Event, float]) -> float | None:
    """Seconds after the last event until the door is told to be left open; None if not within two days."""
    story = Story(DOOR)
    story.tell(SHUT)
    story.wait(1.0)
    for event, wait in waits:
        story.tell(event, after=0.0)
        since = story.now
        story.wait(wait)
    while LEFT_OPEN not in levels(story.state).wrong:
        due = next_deadline(story.state)
        if due is None or due > since + 2 * 86400:
            return None
        story.wait(due - story.now + 0.001)
    return round(story.now - since, 1)


@pytest.mark.parametrize(
    ("waits", "after_s"),
    [
        (((PULSE, 1.0), (OPENS, 0.0)), 60.0),
        (((HOLD, 1.0), (OPENS, 50.0), (END, 0.0)), 60.0),
        (((PULSE, 1.0), (OPENS, 8.0), (HOLD, 0.0)), 86460.0),
        (((PULSE, 1.0), (OPENS, 8.0), (HOLD, 100.0), (END, 0.0)), 60.0),
        (((OPENS, 50.0), (PULSE, 0.0)), 10.0),
        (((HOLD, 1.0), (OPENS, 10.0), (SHUT, 10.0), (END, 0.0)), None),
        (((OPENS, 50.0), (SHUT, 1.0), (OPENS, 0.0)), 60.0),
    ],
)
def test_left_open_is_told_when_nobody_holds_it_open(waits: tuple[tuple[Event, float], ...], after_s: float) -> None:
    """Open, and not held released on purpose, for `held_s`: whichever of the two came first."""
    found = told_after(*waits)

    assert found == after_s or (found is not None and after_s is not None and abs(found - after_s) < 0.1)


def test_a_door_that_is_held_open_on_purpose_is_not_left_open_any_more() -> None:
    """The condition ends with what it is about, and so does its tone."""
    story = Story(DOOR)
    story.tell(SHUT, after=1.0)
    story.wait(1.0)
    story.tell(OPENS)
    story.wait(61.0)
    left_open = LEFT_OPEN in levels(story.state).wrong
    story.tell(HOLD)

    assert left_open
    assert LEFT_OPEN not in levels(story.state).wrong
    assert levels(story.state).audio.loop is None


def test_a_visit_that_kills_the_daemon_rings_a_few_times_and_is_told() -> None:
    """A daemon's deaths count as an engine's do."""
    left: Pending | None = LEFT
    rung = 0
    for start in range(20):
        story = Story(TOLD)
        story.now = 95.0 + start
        if left is not None:
            story.tell(VisitRestored(left))
        story.tell(EngineStarted("e"), LineUp("home", 1.0, 300))
        rung += bool(story.wanted(PlaceCall))
        left = levels(story.state).pending
        if story.records(Kind.VISIT_ENDED):
            break
    assert rung == RULES.cuts_borne
    assert left is None
    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ["cut off"]
    assert [press.at for press in story.state.untold.missed] == [LEFT.began_at]


@pytest.mark.parametrize(("age_s", "rings"), [(10.0, True), (89.0, True), (91.0, False), (10_000.0, False)])
def test_a_press_that_nobody_can_be_waiting_for_any_more_is_told_and_not_rung(age_s: float, rings: bool) -> None:
    """Whoever pressed hours ago is gone."""
    story = Story(TOLD)
    story.now = LEFT.began_at + age_s
    story.tell(VisitRestored(LEFT), after=0.0)
    story.tell(EngineStarted("e"), LineUp("home", 1.0, 300))

    assert bool(story.wanted(PlaceCall)) == rings
    assert [told["outcome"] for told in story.records(Kind.VISIT_ENDED)] == ([] if rings else ["cut off"])
    assert bool(story.state.untold.missed) == (not rings)


def test_what_a_visit_has_been_through_survives_the_daemon() -> None:
    """A phone that rang before the crash rang; a conversation that was cut is not missed."""
    rang = Story(RULES)
    rang.tell(VisitRestored(replace(LEFT, rang=True)), after=0.0)
    rang.wait(200)
    talked = Story(TOLD)
    talked.tell(VisitRestored(replace(LEFT, talked=True, called_back=True)), after=0.0)
    talked.wait(200)

    assert rang.records(Kind.VISIT_ENDED)[0]["outcome"] == "no answer"
    assert talked.records(Kind.VISIT_ENDED)[0]["outcome"] == "cut off"
    assert talked.state.untold.missed == ()


def test_a_target_that_is_named_no_more_is_no_trouble_any_more() -> None:
    """After the configuration was mended there is nothing left to mend."""
    story = Story(replace(RULES, accounts=("home",), probe_s=1e6)).online()
    for _ in range(5):
        story.tell(ButtonPressed("flat", "panel"))
        legs = [order for order in story.wanted(PlaceCall) if isinstance(order, PlaceCall)][-2:]
        rings, deaf = legs
        story.tell(CallEnded(deaf.leg, 480, "x"), CallProgressed(rings.leg, 180), CallEnded(rings.leg, 603, "x"))
        story.wait(86400.0)
    before = levels(story.state).wrong
    story.rules = replace(story.rules, buttons={**RULES.buttons, "flat": (Stage(("202",), 30.0),)})
    story.tell(Reconfigured("uid 0", "buttons"))

    assert before == {"target 203": "called, never rang"}
    assert levels(story.state).wrong == {}


def test_whom_only_an_operator_calls_is_no_trouble() -> None:
    """The configuration names nobody of that number."""
    story = Story(replace(RULES, accounts=("home",), probe_s=1e6)).online()
    for _ in range(5):
        story.tell(CallRequested("777", "uid 0"))
        story.tell(CallEnded(f"boot-{story.state.visits}.1", 480, "x"))
        story.wait(86400.0)

    assert story.state.unheard == ()
