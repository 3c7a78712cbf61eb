"""A walk over every state the door can reach, and what must hold in each of them and on each way between two."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from intercom.core.acoustics import Acoustics
from intercom.core.commands import Command, HangUp, Kind, Report, SetStrike
from intercom.core.doorway import Keying
from intercom.core.events import (
    AudioFlowed,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallAsked,
    CallEnded,
    CallProgressed,
    CallRedirected,
    CallSent,
    CallTurnedAway,
    CardClosed,
    CardLost,
    CardOpened,
    CodeChecked,
    DigitReceived,
    EarlyMediaBegan,
    EchoStays,
    EngineLost,
    EngineStarted,
    Event,
    HangUpAsked,
    LineAnswered,
    LineLost,
    LineUp,
    NetworkChanged,
    Reconfigured,
    SoundMeasured,
    StopRequested,
    StrangersRefused,
    StreamMeasured,
    SweepHeard,
    TextAnswered,
    TextArrived,
    TimePassed,
    TonePlayed,
    TrialKind,
    TrialWanted,
    VisitRestored,
)
from intercom.core.levels import audio, levels, next_deadline, refuses, reminds
from intercom.core.machine import start, step
from intercom.core.pending import Pending, Stage
from intercom.core.phases import NEXT, PHASES, Phase
from intercom.core.rules import CodeRule, Redirect, Rules, no_redirect
from intercom.core.state import State
from intercom.core.trial import METER_S

RULES = Rules(
    buttons={"front": (Stage(("201", "202"), 2.0), Stage(("direct",), 2.0)), "side": (Stage(("203",), 2.0, "day"),)},
    direct=frozenset({"direct"}),
    text_missed_to="200",
    text_unanswered_to="200",
    texters={"home": frozenset({"201"})},
    redirect=lambda _, contact: Redirect(contact),
    most_hops=1,
    accounts=("home",),
    callers={"home": frozenset({"201"})},
    pulse_s={"front": 1.0},
    codes={"family": CodeRule(("front",))},
    code_lengths=frozenset({1}),
    wrong_codes=1,
    tries=10**6,  # longer codes, lock-outs, sensors and keypads are walked in test_walk_doors.py
    cuts_borne=1,
    retry_s=(1.0,),
    ring_s=2.0,
    talk_s=2.0,
    warn_s=1.0,
    patience_s=2.0,
    code_pause_s=1.0,
    announce_s=1.0,
    closing_s=1.0,
    stop_s=1.0,
    silent_s=1.0,
    trial_s=1.0,
    probe_s=float("inf"),  # told as a story in test_line.py
    probe_wait_s=1.0,
)
"""Small on purpose, but with more than one of whatever there can be more than one of. The durations share a unit, so
that the ways in which deadlines can lie to each other stay few."""

SILENT = Acoustics((-90.0,) * 5, (-60.0,) * 5, (-50.0,) * 5, 0.0)
"""What a self test hears when the loudspeaker is dead."""


_ONE = replace(RULES, buttons={"front": (Stage(("201",), 2.0),)}, direct=frozenset(), cuts_borne=0)
WALKS = (
    # Another way to ring somebody, and the next stage.
    replace(RULES, buttons={"front": (Stage(("201",), 2.0), Stage(("direct",), 2.0))}, redirect=no_redirect),
    # Two phones at once, and one of them wins.
    replace(_ONE, buttons={"front": (Stage(("201", "202"), 2.0),)}, redirect=no_redirect),
    # Calls that are sent elsewhere.
    replace(_ONE, callers={}, texters={}, text_unanswered_to="", text_missed_to=""),
    # Another button, before anybody has answered.
    replace(
        _ONE,
        buttons={"front": (Stage(("201",), 2.0),), "side": (Stage(("203",), 2.0, "day"),)},
        redirect=no_redirect,
        callers={},
    ),
)
"""Several small walks instead of a big one, whose states would multiply: what has nothing to do with each other is not
walked together. Each promise is asked of all of them."""


@dataclass(frozen=True, slots=True)
class Way:
    """One step of the walk."""

    before: State
    event: Event
    now: float
    after: State
    commands: tuple[Command, ...]


def events(state: State, rules: Rules) -> list[Event]:
    """Return everything that could happen now: also what makes no sense, because peers do that."""
    if checking(state):
        # A comparison is over in a moment, and hardly meets the visit: only what may come before its answer and matter.
        over = any(keying.over for keying in state.keying)
        talker = "" if state.visit is None or over else state.visit.talker
        meanwhile = [CallEnded(talker, 200, "OK"), EngineLost("crash"), HangUpAsked("uid 0")] if talker else []
        answers = [CodeChecked(keying.check or 0, code) for keying in checking(state) for code in ("family", "")]
        return [*answers, *meanwhile, StopRequested("SIGTERM")]
    legs = ["stranger"]
    if state.visit is not None:
        legs += [leg.name for leg in state.visit.legs]
    always: list[Event] = [
        *(ButtonPressed(button, "panel") for button in rules.buttons),
        HangUpAsked("uid 0"),
        CallAsked("201", "uid 0"),
        StopRequested("SIGTERM"),
        VisitRestored(Pending("old-1", "front", "panel", 0.0, 2, (Stage(("201",), 2.0),), called_back=True)),
        TrialWanted(TrialKind.TEST, "daily"),
        TrialWanted(TrialKind.LEVELS, "uid 0"),
        Reconfigured("uid 0", "calls"),
        VisitRestored(Pending("old-2", "front", "panel", 0.0, 2, (), called_back=True)),
    ]
    if not state.engine_up:
        # Everything else comes through a voice engine.
        return [*always, EngineStarted("e")]
    always += [
        EngineLost("crash"),
        LineUp("home", 1.0, 300),
        LineLost("home", 403, "Forbidden"),
        LineAnswered("home", 1.0),
        CardOpened("card"),
        CardLost("gone"),
        CardClosed(),
        NetworkChanged("eth0"),
        CallArrived("in", "home", "201", "127.0.0.20:5060", trusted=True),
        CallArrived("in", "home", "201", "127.0.0.66:5060", trusted=False),
        CallArrived("in", "home", "666", "127.0.0.20:5060", trusted=True),
        CallTurnedAway("home", "666", "127.0.0.20:5060", 488, "not encrypted"),
        StrangersRefused(3, "192.0.2.66", "INVITE"),
        TextArrived("home", "201", "127.0.0.20:5060", trusted=True, text="status"),
        TextAnswered("home", "201", 404),
        SweepHeard(SILENT),
        TonePlayed("listening"),
        TonePlayed("closing"),
        TonePlayed("busy"),
    ]
    for leg in legs:
        always += [CallSent(leg), CallProgressed(leg, 100), CallProgressed(leg, 180), EarlyMediaBegan(leg)]
        always += [
            CallAnswered(leg),
            CallEnded(leg, 486, "Busy Here"),
            CallEnded(leg, 503, "x"),
            CallRedirected(leg, 302, ("sip:204@pbx",)),
            AudioFlowed(leg, "in"),
        ]
        always += [DigitReceived(leg, key, "RFC 4733") for key in "1#"]
    talker = (state.visit and state.visit.talker) or "stranger"
    always += [StreamMeasured(talker, "opus", False, 100, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, "", "192.0.2.7:4000")]
    return [*always, SoundMeasured(talker, True, False, None), EchoStays(talker, 3.0)]


def checking(state: State) -> list[Keying]:
    """Entries that are being compared. Keys that come meanwhile only wait (test_walk_doors.py)."""
    return [keying for keying in state.keying if keying.check is not None]


def canonical(state: State, now: float) -> State:
    """Return a state without what no decision depends on: names made of counters, past instants, marks, texts."""

    def left(instant: float | None) -> float | None:
        return None if instant is None else round(instant - now, 3)

    visit = state.visit
    if visit is not None:
        # Two legs of a stage are alike: which of them rings makes no other state.
        legs = sorted(visit.legs, key=lambda leg: (leg.name in (visit.talker, visit.early), leg.progressed, leg.rang))
        renamed = {leg.name: f"leg{place}" for place, leg in enumerate(legs)}
        visit = replace(
            visit,
            id="V",
            by="",
            began_at=0.0,
            marks=(),
            dialled=min(visit.dialled, 1),
            failures=(),
            tried=frozenset(),
            # Told to the journal, once, and to the final record; a level goes by it, and nothing else.
            stream=None,
            sound=None,
            one_way=(),
            half_duplex=False,
            silent_until=left(visit.silent_until),
            account="",
            answered_by="",
            legs=tuple(
                replace(leg, name=renamed[leg.name], target="", wanted="", method="", keyed_at=0.0) for leg in legs
            ),
            talker=renamed.get(visit.talker, visit.talker and "gone"),
            early=renamed.get(visit.early, visit.early and "gone"),
            phase_until=left(visit.phase_until),
            # How long it still has is a story in test_network_lost.py; here only whether it has waited.
            patient_until=None if visit.patient_until is None else 0.0,
        )
    return replace(
        state,
        visit=visit,
        visits=0,
        checks=0,
        tries=(),
        keying=tuple(
            replace(
                keying,
                name="talker" if state.visit and keying.name == state.visit.talker else "gone",
                visit="V",
                source="",
                check=keying.check and 1,
                until=left(keying.until),
            )
            for keying in state.keying
        ),
        # Told to the journal, read by nothing that decides.
        unwell=(),
        card_fault="",
        card_open="",
        engine_fault="",
        down_since=None,
        missed=(),
        unheard=(),
        weak=(),
        card_for="",
        trial=None if state.trial is None else replace(state.trial, by="", began_at=0.0, until=left(state.trial.until)),
        # A trial that waits does nothing before the visit is all but over.
        due=None if state.due is None or state.phase not in _NEAR_IDLE else replace(state.due, by=""),
        lines=tuple(
            replace(
                line,
                since=0.0,
                failed=0,
                fault="",
                took_ms=0.0,
                round_trip_ms=0.0,
                retry_at=left(line.retry_at),
                probe_at=None,
                probe_until=None if line.probe_until is None else 0.0,
            )
            for line in state.lines
        ),
        doors=tuple(
            replace(door, released_at=0.0, locked_at=None, visit="", released_until=left(door.released_until))
            for door in state.doors
        ),
        stopping_until=left(state.stopping_until),
    )


_NEAR_IDLE = {Phase.IDLE, Phase.CLOSING, Phase.TESTING}


@pytest.fixture(scope="module")
def walk() -> tuple[Way, ...]:
    """Every way between reachable states, of every walk."""
    return tuple(way for rules in WALKS for way in _walked(rules))


def _walked(rules: Rules) -> Iterator[Way]:
    """Each event in each state that these rules let be reached, and time to the next deadline."""
    first, _ = start("boot", rules)
    todo: deque[tuple[State, float]] = deque([(first, 0.0)])
    seen = {canonical(first, 0.0)}
    while todo:
        state, now = todo.popleft()
        due = next_deadline(state)
        moves: list[tuple[Event, float]] = [(event, now) for event in events(state, rules)]
        if due is not None and due != float("inf"):
            moves.append((TimePassed(), max(now, due)))
        for event, at in moves:
            after, commands = step(state, event, now=at, rules=rules)
            yield Way(state, event, at, after, tuple(commands))
            if after is not state and (key := canonical(after, at)) not in seen:
                seen.add(key)
                todo.append((after, at))


def reports(way: Way, kind: Kind) -> list[dict[str, Any]]:
    return [dict(order.fields) for order in way.commands if isinstance(order, Report) and order.kind is kind]


def test_the_walk_reaches_every_phase_and_follows_every_row(walk: tuple[Way, ...]) -> None:
    """A row that nothing can follow is dead, and a walk that misses rows proves nothing."""
    reached = {(way.before.phase, way.after.phase) for way in walk}

    missing = {
        (phase, entered) for phase, row in NEXT.items() for entered in row.values() if (phase, entered) not in reached
    }
    assert missing == set()
    assert len({canonical(way.after, way.now) for way in walk}) > 500


def test_the_microphone_is_heard_only_in_a_conversation(walk: tuple[Way, ...]) -> None:
    """Nobody listens at the door outside a visit that somebody answered."""
    for way in walk:
        sound = audio(way.after)
        if sound.speak:
            assert PHASES[way.after.phase].talk
            assert way.after.visit is not None
            assert sound.speak == way.after.visit.talker


def test_the_card_is_open_in_a_visit_and_in_a_trial_of_the_sound_and_never_else(walk: tuple[Way, ...]) -> None:
    """No visit, no trial and no reminder to close the door: no open microphone. And never two of them at once."""
    for way in walk:
        visit, trial = way.after.visit is not None, way.after.trial is not None
        assert audio(way.after).card == (visit or trial or reminds(way.after) or refuses(way.after))
        assert not (visit and trial)
        assert trial == (way.after.phase is Phase.TESTING)
        assert bool(audio(way.after).trial) == trial
        if trial:
            assert audio(way.after).speak == audio(way.after).hear == ""


def test_a_press_ends_a_trial_in_the_same_step(walk: tuple[Way, ...]) -> None:
    """A visitor never waits for a test; and a trial begins only when all is quiet, and ends by the clock."""
    cut = 0
    for way in walk:
        if isinstance(way.event, ButtonPressed) and way.before.trial is not None:
            cut += 1
            assert way.after.visit is not None
            assert reports(way, Kind.PRESS_ACCEPTED)
        if way.after.trial is not None and way.before.trial is None:
            assert way.before.phase in {Phase.IDLE, Phase.CLOSING}
            assert way.after.stopping_until is None
            due = next_deadline(way.after)
            assert due is not None
            assert due <= way.after.trial.until <= way.now + METER_S
    assert cut > 0


def test_every_trial_has_its_end_told_once(walk: tuple[Way, ...]) -> None:
    """Who asked for one waits for its end; also when it was refused, or cut short by whatever."""
    for way in walk:
        told = reports(way, Kind.TRIAL_ENDED)
        refused = [fields for fields in told if fields["outcome"].startswith("refused")]
        began, ended = len(reports(way, Kind.TRIAL_BEGAN)), len(told) - len(refused)
        was, is_now = way.before.trial is not None, way.after.trial is not None

        assert was + began == is_now + ended, way
        if isinstance(way.event, TrialWanted):
            meters = way.before.trial is not None and way.before.trial.kind is way.event.kind is TrialKind.LEVELS
            taken = began or way.after.due != way.before.due or meters
            assert len(refused) == (0 if taken else 1), way
        else:
            assert not refused


def test_every_opening_of_the_card_is_told_with_its_reason(walk: tuple[Way, ...]) -> None:
    """Whom the microphone is open for can be read in the journal, and so can each change of it."""
    for way in walk:
        told = [fields["reason"] for fields in reports(way, Kind.CARD_OPENED)]
        if way.after.card_open and way.after.card_for != way.before.card_for:
            assert told == [way.after.card_for]
        elif not (isinstance(way.event, CardOpened) and way.before.card_open):
            assert told == []
        if way.after.card_open:
            assert way.after.card_for


def test_a_call_from_the_house_is_told_to_the_visitor_before_it_is_answered(walk: tuple[Way, ...]) -> None:
    """From an incoming call to a conversation there is no way around the warning tone."""
    for way in walk:
        if way.after.phase is Phase.ANSWERING and way.before.phase is not Phase.ANSWERING:
            assert way.before.phase is Phase.ANNOUNCING
            assert way.event == TonePlayed("listening")


def test_only_a_right_code_from_the_talking_leg_releases_a_door(walk: tuple[Way, ...]) -> None:
    """There is no other way to a released strike, and the code was keyed while that leg talked."""
    released = 0
    for way in walk:
        if levels(way.after).released - levels(way.before).released:
            released += 1
            assert isinstance(way.event, CodeChecked)
            assert way.event.code == "family"
            (keying,) = checking(way.before)
            assert keying.check == way.event.check
        for keying in checking(way.after):
            if keying not in checking(way.before) and not keying.over:
                assert isinstance(way.event, DigitReceived)
                assert way.before.visit is not None
                assert way.event.leg == way.before.visit.talker == keying.name
                assert PHASES[way.before.phase].talk
                assert keying.wrong < RULES.wrong_codes
    assert released > 0


def test_a_released_door_always_has_a_deadline(walk: tuple[Way, ...]) -> None:
    """Time alone locks every door again, within its pulse."""
    for way in walk:
        for door in way.after.doors:
            if door.released_until is not None:
                due = next_deadline(way.after)
                assert due is not None
                assert due <= door.released_until <= way.now + RULES.pulse_s[door.name]


def test_strikes_are_ordered_exactly_when_they_change(walk: tuple[Way, ...]) -> None:
    """The relay follows the state, and is not nagged."""
    for way in walk:
        before, after = levels(way.before).released, levels(way.after).released
        wanted = {(order.door, order.released) for order in way.commands if isinstance(order, SetStrike)}
        assert wanted == {(door, True) for door in after - before} | {(door, False) for door in before - after}


def test_a_looped_tone_belongs_to_a_phase_that_ends_by_itself(walk: tuple[Way, ...]) -> None:
    """No tone goes on for ever at a door."""
    for way in walk:
        if audio(way.after).loop is not None:
            assert PHASES[way.after.phase].loop is audio(way.after).loop
            assert way.after.visit is not None
            assert way.after.visit.phase_until is not None


def test_every_phase_but_idle_has_a_deadline(walk: tuple[Way, ...]) -> None:
    """Whatever a peer does not do, the visit goes on by the clock."""
    for way in walk:
        if way.after.phase is Phase.TESTING:
            assert next_deadline(way.after) is not None
        elif way.after.phase is not Phase.IDLE:
            assert way.after.visit is not None
            assert way.after.visit.phase_until is not None


def test_every_press_is_accepted_or_told_what_it_got_instead(walk: tuple[Way, ...]) -> None:
    """Promise one, first half: exactly one of the two, at once."""
    for way in walk:
        told = len(reports(way, Kind.PRESS_ACCEPTED)) + len(reports(way, Kind.PRESS_ANSWERED))
        assert told == (1 if isinstance(way.event, ButtonPressed | CallAsked) else 0)


def test_every_visit_ends_with_exactly_one_outcome(walk: tuple[Way, ...]) -> None:
    """Promise one, second half: the outcome is told when the visit ends, not before, and never twice."""
    for way in walk:
        running_before = way.before.visit is not None and way.before.visit.outcome is None
        running_after = way.after.visit is not None and way.after.visit.outcome is None
        replaced = bool(reports(way, Kind.PRESS_ACCEPTED)) and running_before
        ended = running_before and (not running_after or replaced)
        # What a crash left behind and nobody can take up again begins and ends in one step.
        found_over = isinstance(way.event, VisitRestored) and way.before.visit is None and not running_after
        assert len(reports(way, Kind.VISIT_ENDED)) == (ended or found_over), way


def test_an_answer_that_nobody_waits_for_is_hung_up(walk: tuple[Way, ...]) -> None:
    """A 200 that crossed our CANCEL must not leave a phone talking to nobody."""
    for way in walk:
        if isinstance(way.event, CallAnswered) and way.event.leg == "stranger":
            assert HangUp("stranger") in way.commands
            assert way.after.phase is way.before.phase


def test_a_stranger_never_gets_in(walk: tuple[Way, ...]) -> None:
    """A call that is not from the account's server, or not from an allowed caller, changes nothing."""
    for way in walk:
        if isinstance(way.event, CallArrived) and (not way.event.trusted or way.event.caller == "666"):
            assert HangUp("in", 403) in way.commands
            assert way.after == way.before


def test_no_state_waits_for_ever_to_stop(walk: tuple[Way, ...]) -> None:
    """After a stop was asked for, no visit begins and every door is locked."""
    for way in walk:
        if way.after.stopping_until is not None:
            assert not levels(way.after).released
            assert not reports(way, Kind.PRESS_ACCEPTED)
