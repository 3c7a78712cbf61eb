# SPDX-License-Identifier: GPL-2.0-or-later
"""A second walk, over what `test_walk.py` leaves out: codes, lock-outs, keypads and sensors, in and out of a call.

The visit is one that talks for ever, or none: how a visit runs has its own walk.
"""

from dataclasses import replace

import pytest
from walking import Walk, Way, walk_on

from intercom.core.codes import CARD
from intercom.core.commands import CheckCode, Kind, SaveLedger, SaveVisit
from intercom.core.door_state import AccessLedger, CodeEntry
from intercom.core.events import (
    BadgeRead,
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CodeChecked,
    DigitReceived,
    EngineStarted,
    Event,
    KeypadDigit,
    LineUp,
    ReleaseRequested,
    SensorChanged,
    StopRequested,
    TonePlayed,
)
from intercom.core.machine import start, step
from intercom.core.outputs import levels, next_deadline
from intercom.core.rules import Budget, CodeRule, Rules, Sensor, SensorKind, What
from intercom.core.snapshot import Stage
from intercom.core.state import State
from intercom.core.transitions import PHASES

RULES = Rules(
    buttons={"front": (Stage(("201",), 1e6),)},
    accounts=("home",),
    callers={},
    pulse_s={"front": 1.0},
    hold_s={"front": 2.0},
    codes={"family": CodeRule(("front",)), "once": CodeRule(("front",), uses=1)},
    code_lengths=frozenset({1, 2}),
    wrong_codes=2,
    tries=2,
    tries_s=2.0,
    budgets={(place, what): (Budget(2, 1.0),) for place in ("keypad", "phone") for what in What},
    notice=Budget(2, 1.0),
    slips=Budget(1, 1.0),
    code_pause_s=1.0,
    talk_s=1e6,
    debounce_s=0.0,
    stuck_s=1e6,
    closing_s=1.0,
    probe_s=float("inf"), hush_s=float("inf"),
)  # fmt: skip
SENSORS = replace(
    RULES,
    codes={},
    code_lengths=frozenset(),
    sensors={
        "exit front": Sensor(SensorKind.EXIT, "front"),
        "contact front": Sensor(SensorKind.CONTACT, "front"),
    },
    held_s={"front": 2.0},
    reminder_s=2.0,
)
TALKER = "boot-1.1"


def keying_events(state: State) -> list[Event]:
    """What fingers, the code book and an operator can do."""
    always: list[Event] = []
    if any(keying.waiting for keying in state.keying):
        pass  # more of them wait just so
    elif state.engine_up:
        always += [DigitReceived(TALKER, key, "RFC 4733") for key in "1#*"]
        always += [DigitReceived("stranger", "1", "RFC 4733"), CallEnded(TALKER, 200, "OK")]
    else:
        always += [KeypadDigit("door", key) for key in "1#*"]
        always += [BadgeRead("door", "7")]
    for keying in state.keying:
        if keying.check is not None:
            always += [CodeChecked(keying.check, code) for code in ("family", "once", "")]
            always += [CodeChecked(keying.check, "family", expired=True)]
    return [*always, CodeChecked(999_999, "family"), StopRequested("SIGTERM")]


def sensor_events(state: State) -> list[Event]:
    """What wires and an operator can do. Debouncing has its own tests: here it is over at once."""
    if any(wire.settles_at is not None for wire in state.sensors):
        return []
    return [
        *(SensorChanged(name, active) for name in SENSORS.sensors for active in (True, False)),
        ReleaseRequested("front", "uid 0", hold=True),
        ReleaseRequested("front", "uid 0", released=False),
        ReleaseRequested("nowhere", "uid 0"),
        StopRequested("SIGTERM"),
    ]


def kind(state: State, now: float) -> State | None:
    """Return a state without what no decision depends on, and with what is left of each deadline.

    One that only waits for its end goes no further.
    """
    if state.stopping_until is not None:
        return None

    def left(instant: float | None) -> float | None:
        return None if instant is None else round(max(instant - now, -1.0 if state.keying or state.tries else -2.0), 3)

    def since(instant: float) -> float:
        """What is over is over, however long ago."""
        return round(max(instant - now, 0.0), 3)

    def keying(one: CodeEntry) -> CodeEntry:
        return replace(one, check=one.check and 1, until=left(one.until), waiting=one.waiting,
                       refused_until=None if one.refused_until is None else 0.0)  # fmt: skip

    return replace(
        state,
        visit=state.visit and replace(state.visit, began_at=0.0, marks=(), phase_until=None,
                                      legs=tuple(replace(leg, keyed_at=0.0) for leg in state.visit.legs)),
        visits=0,
        checks=0,
        unwell=(),
        lines=(),
        unheard=(),
        keying=tuple(keying(one) for one in state.keying),
        tries=tuple(
            replace(one, whole_at=tuple(since(at) for at in one.whole_at), locked_until=since(one.locked_until),
                    noticed=since(one.noticed), slipped=since(one.slipped),
                    guessing_until=None if one.guessing_until is None else since(one.guessing_until))
            for one in state.tries
        ),
        doors=tuple(
            replace(door, released_at=0.0, visit="", released_until=left(door.released_until), unopened=0,
                    locked_at=left(door.locked_at) if state.sensors else None, held_at=left(door.held_at),
                    reminds_until=left(door.reminds_until))
            for door in state.doors
        ),
        sensors=tuple(
            replace(wire, since=0.0, settles_at=left(wire.settles_at), stuck_at=None) for wire in state.sensors
        ),
    )  # fmt: skip


def lock_outs(state: State) -> list[float]:
    """When lock-outs end: no alarm rings for that."""
    return [tries.locked_until for tries in state.tries]


@pytest.fixture(scope="module")
def keyed() -> Walk:
    """The walk over codes, from a call and from an idle door with a keypad."""
    idle, _ = start("boot", RULES)
    talking = idle
    for event in (
        EngineStarted("e"), LineUp("home", 1.0, 300), ButtonPressed("front", "panel"), CallAnswered(TALKER),
        TonePlayed("chime"),
    ):  # fmt: skip
        talking, _ = step(talking, event, now=0.0, rules=RULES)
    walk = Walk()
    walk_on(walk, [(talking, 100.0), (idle, 100.0)], keying_events, kind, RULES, lock_outs)
    return walk


@pytest.fixture(scope="module")
def sensed() -> Walk:
    """The walk over sensors, without any engine or line: a door works without them."""
    walk = Walk()
    walk_on(walk, [(start("boot", SENSORS)[0], 100.0)], sensor_events, kind, SENSORS)
    return walk


def released(way: Way) -> bool:
    """Whether a strike was released, or released for longer."""
    return bool(way.told(Kind.DOOR_RELEASED))


def kept_first(way: Way) -> bool:
    """Whether the ledger is written down before the world is touched."""
    orders = [order for order in way.commands if not isinstance(order, SaveVisit)]
    return orders[0] == SaveLedger(AccessLedger(way.after.uses, way.after.tries))


def test_the_walks_reach_something(keyed: Walk, sensed: Walk) -> None:
    """A walk that goes nowhere proves nothing."""
    assert sum(released(way) for way in keyed.moved) > 50
    assert sum(released(way) for way in sensed.moved) > 50
    assert sum(bool(way.told(Kind.LOCKED_OUT)) for way in keyed.moved) > 20
    locked = {(told["source"], told["what"]) for way in keyed.moved for told in way.told(Kind.LOCKED_OUT)}
    assert locked == {("201@home", "codes"), ("keypad door", "codes"), ("keypad door", "cards")}
    assert any(way.told(Kind.GUESSING) for way in keyed.moved)
    assert any(way.told(Kind.DOOR_FORCED) for way in sensed.moved)
    assert any(way.told(Kind.DOOR_HELD) for way in sensed.moved)
    print(f"\n{keyed.states} kinds of states of keying, {sensed.states} of sensors")


def test_only_the_answer_to_what_was_keyed_releases_a_door(keyed: Walk) -> None:
    """A right code in a comparison that is under way: nothing else that peers, fingers or time can do."""
    for way in keyed.moved:
        if released(way):
            assert isinstance(way.event, CodeChecked)
            assert way.event.code in RULES.codes
            assert not way.event.expired
            assert any(keying.check == way.event.check for keying in way.before.keying)


def test_a_comparison_begins_only_with_a_key_from_who_may(keyed: Walk) -> None:
    """The phone that talks, or a keypad; not locked out, and not after too many wrong ones in the call."""
    for way in keyed.moved:
        for order in way.commands:
            if not isinstance(order, CheckCode):
                continue
            assert isinstance(way.event, DigitReceived | KeypadDigit | BadgeRead | CodeChecked)
            (keying,) = (one for one in way.after.keying if one.check == order.check)
            what = What.CARDS if order.entry.startswith(CARD) else What.CODES
            accounts = [tries for tries in way.after.tries if (tries.name, tries.what) == (keying.source, what)]
            locked_until = [tries.locked_until for tries in accounts]
            assert all(way.now >= until for until in locked_until)
            if keying.visit:
                assert way.before.visit is not None
                assert keying.name == way.before.visit.talker
                assert PHASES[way.before.phase].talk
                assert way.before.visit.wrong_codes < RULES.wrong_codes


def test_every_guess_is_counted_once(keyed: Walk) -> None:
    """Whoever compares an entry in vain has one wrong code more, even by hanging up: `*` and `#` are no way around."""
    for way in keyed.moved:
        guessed = [one for one in way.before.keying if one.compared and one.check is None]
        gone_on = {one.name for one in way.after.keying if one.compared or one.check is not None}
        wrong = way.told(Kind.CODE_WRONG)
        for keying in guessed:
            if keying.name not in gone_on and way.after.stopping_until is None:
                assert [entry for entry in wrong if entry["source"] == keying.source]


def test_nothing_is_wrong_that_was_not_compared(keyed: Walk) -> None:
    """Single keys, a pause, a `#` too early: nothing was tried by them, and nobody pays."""
    for way in keyed.moved:
        wrong = way.told(Kind.CODE_WRONG)
        guessed = [one.source for one in way.before.keying if one.compared]
        if isinstance(way.event, CodeChecked):
            guessed += [one.source for one in way.before.keying if one.check == way.event.check]
        assert {told["source"] for told in wrong} <= set(guessed)


def test_who_is_wrong_pays_and_nobody_else_does(keyed: Walk) -> None:
    """Each wrong entry is charged to its own source, for what was compared; nothing else changes an account for worse.

    Only a right code in the same call takes something back.
    """
    for way in keyed.moved:
        before, after = ({(one.name, one.what): one for one in state.tries} for state in (way.before, way.after))
        wrong = {told["source"] for told in way.told(Kind.CODE_WRONG)}
        for place in before.keys() | after.keys():
            was, now = before.get(place), after.get(place)
            if now is not None and (was is None or now.whole_at > was.whole_at):
                assert place[0] in wrong
            if was is not None and (now is None or now.whole_at < was.whole_at):
                assert released(way) if now is not None else was.forgotten_at <= way.now
        for source in wrong:
            accounts = [(before.get(place), one) for place, one in after.items() if place[0] == source]
            assert any(was is None or one.whole_at > was.whole_at for was, one in accounts)


def test_a_lock_out_is_told_and_kept_and_never_longer_than_one_entry_takes_to_come_back(keyed: Walk) -> None:
    """Each has its record and is written down before anything else happens."""
    for way in keyed.moved:
        before = {(tries.name, tries.what): tries.locked_until for tries in way.before.tries}
        for tries in way.after.tries:
            if tries.locked_until > max(way.now, before.get((tries.name, tries.what), 0.0)):
                assert kept_first(way)
                (record,) = (told for told in way.told(Kind.LOCKED_OUT) if told["what"] == tries.what.value)
                assert record["lasts_s"] == tries.locked_until - way.now <= 1.0
            assert tries.locked_until <= way.now + 1.0


def test_a_code_with_one_use_is_used_once(keyed: Walk) -> None:
    """Counted before the strike moves."""
    for way in keyed.moved:
        if released(way) and isinstance(way.event, CodeChecked) and way.event.code == "once":
            assert dict(way.before.uses).get("once", 0) == 0
            assert dict(way.after.uses)["once"] == 1
            assert kept_first(way)


def test_only_the_exit_button_or_an_operator_releases_without_a_code(sensed: Walk) -> None:
    """And the exit button only when it is pressed: a level that is there from the start is no press."""
    for way in sensed.moved:
        if released(way):
            if isinstance(way.event, ReleaseRequested):
                assert way.event.released
                continue
            (before,) = (wire for wire in way.before.sensors if wire.name == "exit front")
            (after,) = (wire for wire in way.after.sensors if wire.name == "exit front")
            assert (before.active, after.active) == (False, True)


def test_a_released_door_always_has_a_deadline(keyed: Walk, sensed: Walk) -> None:
    """Time alone locks every door again, within its pulse or the longest hold."""
    for way in (*keyed.moved, *sensed.moved):
        for door in way.after.doors:
            if door.released_until is not None:
                due = next_deadline(way.after)
                assert due is not None
                assert due <= door.released_until <= way.now + 2.0
                assert door.holding or door.released_until <= way.now + 1.0
            assert (door.name in levels(way.after).released) == (door.released_until is not None)


def test_a_stop_locks_and_nothing_releases_after_it(keyed: Walk, sensed: Walk) -> None:
    """In every state, by every event."""
    for way in (*keyed.moved, *sensed.moved):
        if way.after.stopping_until is not None:
            assert levels(way.after).released == frozenset()


def test_a_door_is_forced_only_when_it_opens_locked(sensed: Walk) -> None:
    """Nobody is accused who was let in, and nothing that was open from the start."""
    for way in sensed.moved:
        if way.told(Kind.DOOR_FORCED):
            assert way.before.doors[0].released_until is None
            assert way.before.doors[0].is_open is False
            assert way.after.doors[0].is_open


def test_a_reminder_ends_by_itself_and_opens_no_microphone(sensed: Walk) -> None:
    """The tone needs the card; nobody hears the door by it."""
    for way in sensed.moved:
        sound = way.sound
        assert sound.card == (way.after.doors[0].reminds_until is not None and way.after.stopping_until is None)
        assert not sound.speak
        if sound.card:
            due = next_deadline(way.after)
            assert due is not None
            assert way.after.doors[0].is_open
