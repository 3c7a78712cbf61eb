# SPDX-License-Identifier: GPL-2.0-or-later
"""Any sequence of events, sense or nonsense, at any times: the promises hold."""

from collections import Counter
from dataclasses import replace

from door_story import CODES, RULES
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.core.commands import CheckCode, Command, Exit, Kind, Report, SetAudio, SetStrike
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
    AudioFlowed,
    ButtonChanged,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallSent,
    CodeChecked,
    DigitReceived,
    EarlyMediaBegan,
    EarlyMediaEnded,
    EngineHeartbeat,
    EngineLost,
    EngineStarted,
    Event,
    LineLost,
    LineUp,
    StopRequested,
    TimePassed,
    TonePlayed,
    TraceRequested,
)
from intercom.core.machine import start, step
from intercom.core.outputs import audio, levels, next_deadline
from intercom.core.state import State
from intercom.core.transitions import PHASES

LATE_S = 0.1
"""By how much an event may be dated before the one taken ahead of it: they come from several threads and processes."""
RULES = replace(RULES, ring_s=3.0, talk_s=3.0, warn_s=1.0, patience_s=5.0)

buttons = st.sampled_from(["front", "flat", "nowhere", ""])
# Names that visits will have, a caller's, and ones that nobody has.
legs = st.sampled_from([f"boot-{visit}.{leg}" for visit in (1, 2, 3) for leg in (1, 2)] + ["in-1", "", "stranger"])
codes = st.sampled_from([100, 180, 183, 200, 403, 404, 480, 486, 503, 603]) | st.integers(-1, 999)
accounts = st.sampled_from(["home", "spare", "stranger"])
tones = st.sampled_from(["listening", "closing", "busy", "unreachable", "chime", "rubbish", ""])
reasons = st.sampled_from(["", "x"])
digits = st.sampled_from([*"0123456789*#ABCD", "²", "", "12"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(ButtonChanged, buttons, st.booleans()),
    st.builds(ButtonPressed, buttons, st.just("uid 0")),
    st.builds(EngineStarted, reasons),
    st.builds(EngineLost, reasons),
    st.builds(LineUp, accounts, st.floats(0, 9), st.integers(0, 300)),
    st.builds(LineLost, accounts, codes, reasons),
    st.builds(CallSent, legs),
    st.builds(CallProgressed, legs, codes),
    st.builds(EarlyMediaBegan, legs),
    st.builds(EarlyMediaEnded, legs),
    st.builds(CallAnswered, legs),
    st.builds(CallEnded, legs, codes, reasons),
    st.builds(CallArrived, legs, accounts, st.sampled_from(["201", "666", ""]), reasons, trusted=st.booleans()),
    st.builds(DigitReceived, legs, digits, st.just("RFC 4733")),
    st.builds(AudioFlowed, legs, st.sampled_from(["in", "out"])),
    st.builds(TonePlayed, tones),
    st.builds(AudioDeviceLost, reasons),
    st.builds(TraceRequested, st.just("uid 0"), st.sampled_from([0.0, 20.0])),
    st.sampled_from([TimePassed(), EngineHeartbeat(), AudioDeviceClosed(), AudioDeviceOpened("USB")]),
)
# Rarely: most of what is worth seeing happens before it.
ENDS = st.lists(st.just(StopRequested("SIGTERM")), max_size=1)
WAITS = st.sampled_from([-LATE_S, -0.01, 0.0, 0.001, 0.02, 0.3, 1.0, 6.0]) | st.floats(-LATE_S, 40.0)
UP: tuple[Event, ...] = (EngineStarted("e"), LineUp("home", 1.0, 300))
ANSWERED = (*UP, ButtonPressed("flat", "panel"), CallAnswered("boot-1.1"))
PLAYS: tuple[tuple[Event, ...], ...] = (
    # Ways into the middle of things, so that the random rest meets more than an idle door.
    (),
    (EngineStarted("e"), ButtonPressed("front", "panel")),
    UP,
    (*UP, ButtonPressed("flat", "panel"), CallProgressed("boot-1.1", 180)),
    (*ANSWERED, *(DigitReceived("boot-1.1", key, "RFC 4733") for key in "1234")),
    (*UP, CallArrived("in-1", "home", "201", "x", trusted=True)),
)
STORIES = st.tuples(
    st.sampled_from(PLAYS), st.lists(st.tuples(EVENTS, WAITS), max_size=40), ENDS, st.lists(EVENTS, max_size=5)
)
Story = tuple[tuple[Event, ...], list[tuple[Event, float]], list[Event], list[Event]]


class Told:
    """A door under a random story, that checks after every event what must hold."""

    def __init__(self) -> None:
        self.state: State
        self.state, _ = start("boot", RULES)
        self.now = self.newest = 100.0
        self.open_until: dict[str, float] = {}
        self.ended: Counter[object] = Counter()
        self.accepted: set[object] = set()

    def story(self, story: Story) -> None:
        play, rest, ends, after = story
        for event, wait in [*((event, 0.01) for event in play), *rest, *((event, 0.1) for event in [*ends, *after])]:
            at = self.newest + wait
            self.alarms(at)
            self.now = at
            self.take(event)

    def alarms(self, until: float) -> None:
        """Wake at every deadline on the way; one that wakes without end fails by its own count."""
        for _ in range(1000):
            due = next_deadline(self.state)
            if due is None or due > until:
                return
            self.now = max(due, self.newest)
            self.take(TimePassed())
        raise AssertionError(f"alarms without end: {self.state}")

    def take(self, event: Event) -> None:
        before = self.state
        self.state, commands = step(before, event, now=self.now, rules=RULES)
        self.newest = max(self.newest, self.now)
        self.check_presses(before, event, commands)
        self.check_strikes(event, commands)
        self.check_visits(commands)
        self.check_sound(before, commands)
        for order in commands:
            if isinstance(order, CheckCode):
                self.take(CodeChecked(order.check, CODES.get(order.entry, "")))

    def check_presses(self, before: State, event: Event, commands: list[Command]) -> None:
        kinds = [order.kind for order in commands if isinstance(order, Report)]
        answers = kinds.count(Kind.PRESS_ACCEPTED) + kinds.count(Kind.PRESS_ANSWERED)
        settled = sum(
            bool(new.active and not old.active) for old, new in zip(before.buttons, self.state.buttons, strict=True)
        )
        made = isinstance(event, ButtonPressed) and event.button in RULES.buttons
        assert answers == settled + made

    def check_strikes(self, event: Event, commands: list[Command]) -> None:
        for order in commands:
            if isinstance(order, SetStrike) and order.released:
                assert isinstance(event, CodeChecked)
            if isinstance(order, Report) and order.kind is Kind.DOOR_RELEASED:
                door, pulse_s = order.fields["door"], order.fields["pulse_s"]
                assert isinstance(door, str)
                assert pulse_s == RULES.pulse_s[door]
                self.open_until[door] = self.now + RULES.pulse_s[door]
            if isinstance(order, SetStrike) and not order.released:
                assert self.open_until.pop(order.door) <= self.now or isinstance(event, StopRequested)
        assert levels(self.state).released == self.open_until.keys()
        assert all(until > self.now for until in self.open_until.values())

    def check_visits(self, commands: list[Command]) -> None:
        for order in commands:
            if isinstance(order, Report) and order.kind is Kind.PRESS_ACCEPTED:
                self.accepted.add(order.fields["visit"])
            if isinstance(order, Report) and order.kind is Kind.VISIT_ENDED:
                self.ended[order.fields["visit"]] += 1
        assert max(self.ended.values(), default=0) <= 1
        running = self.state.visit.id if self.state.visit and self.state.visit.outcome is None else ""
        assert self.accepted - self.ended.keys() <= {running}

    def check_sound(self, before: State, commands: list[Command]) -> None:
        sound = audio(self.state)
        assert not sound.speak or PHASES[self.state.phase].talk
        assert sound.card == (self.state.visit is not None)
        if sound != audio(before):
            assert SetAudio(sound) in commands


@given(STORIES)
@settings(max_examples=250, deadline=None)
def test_whatever_happens_the_promises_hold(story: Story) -> None:
    """Peers send rubbish, threads are late, engines die: no exception, no open door, no lost press, one outcome."""
    told = Told()
    told.story(story)
    told.alarms(told.newest + 500)

    # Left alone, everything comes to rest.
    assert not levels(told.state).trace
    assert levels(told.state).released == frozenset()
    assert told.state.visit is None or told.state.stopping_until == float("inf")
    assert told.accepted <= told.ended.keys() or told.state.stopping_until is not None


@given(STORIES)
@settings(max_examples=50, deadline=None)
def test_a_door_that_was_told_to_stop_always_leaves(story: Story) -> None:
    """Within `stop_s`, whatever the engine does, and with every door locked."""
    told = Told()
    told.story(story)
    told.now = told.newest
    told.take(StopRequested("SIGTERM"))
    told.alarms(told.now + RULES.stop_s + LATE_S)
    _, commands = step(told.state, EngineLost("late"), now=told.now, rules=RULES)

    assert told.state.stopping_until == float("inf")
    assert levels(told.state).released == frozenset()
    assert [order for order in commands if not isinstance(order, Exit)] == []
    assert told.accepted <= told.ended.keys()


@given(st.text(alphabet="0123456789*#", max_size=20))
@settings(max_examples=50, deadline=None)
def test_no_sequence_of_keys_opens_a_door_without_a_code_in_it(keys: str) -> None:
    """The entry is compared as it was keyed: a star or a hash in the middle breaks it."""
    told = Told()
    told.story((ANSWERED, [(DigitReceived("boot-1.1", key, "SIP INFO"), 0.01) for key in keys], [], []))

    assert not levels(told.state).released or any(code in keys for code in CODES)
