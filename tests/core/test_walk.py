"""A walk over every state the door can reach, and what must hold in each of them and on each way between two."""

from dataclasses import replace
from itertools import chain

import pytest
import walked_visits
from walked_visits import FORBIDDEN, RULES, checking
from walking import Walk, many

from intercom.core.commands import AnswerCall, HangUp, Kind, PlaceCall, SendDtmf, SetStrike
from intercom.core.events import (
    AudioDeviceOpened,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallProgressed,
    CallRequested,
    CodeChecked,
    DigitReceived,
    SoundCheckKind,
    SoundCheckRequested,
    TonePlayed,
    VisitRestored,
)
from intercom.core.outputs import next_deadline, refuses, released, reminds
from intercom.core.sound_check import METER_S
from intercom.core.transitions import NEXT, PHASES, Phase
from intercom.core.words import OPERATOR


@pytest.fixture(scope="module")
def walk() -> Walk:
    """Every way between reachable states, of every walk."""
    with many():
        return walked_visits.walk()


def test_the_walk_reaches_every_phase_and_follows_every_row(walk: Walk) -> None:
    """A row that nothing can follow is dead, and a walk that misses rows proves nothing."""
    reached = {(way.before.phase, way.after.phase) for way in walk.moved}

    missing = {
        (phase, entered) for phase, row in NEXT.items() for entered in row.values() if (phase, entered) not in reached
    }
    assert missing == set()
    assert walk.states > 500
    print(f"\n{walk.states} kinds of states, {walk.steps} ways between them")


def test_the_microphone_is_heard_only_in_a_conversation(walk: Walk) -> None:
    """Nobody listens at the door outside a visit that somebody answered."""
    for way in walk.moved:
        if way.sound.speak:
            assert PHASES[way.after.phase].talk
            assert way.after.visit is not None
            assert way.sound.speak == way.after.visit.talker


def test_the_card_is_open_in_a_visit_and_in_a_trial_of_the_sound_and_never_else(walk: Walk) -> None:
    """No visit, no trial and no reminder to close the door: no open microphone. And never two of them at once."""
    for way in walk.moved:
        visit, trial = way.after.visit is not None, way.after.trial is not None
        assert way.sound.card == (visit or trial or reminds(way.after) or refuses(way.after))
        assert not (visit and trial)
        assert trial == (way.after.phase is Phase.TESTING)
        assert bool(way.sound.trial) == trial
        if trial:
            assert way.sound.speak == way.sound.hear == ""


def test_a_press_ends_a_trial_in_the_same_step(walk: Walk) -> None:
    """A visitor never waits for a test; and a trial begins only when all is quiet, and ends by the clock."""
    cut = 0
    for way in chain(walk.moved, walk.on(ButtonPressed)):
        if isinstance(way.event, ButtonPressed) and way.before.trial is not None:
            cut += 1
            assert way.after.visit is not None
            assert way.told(Kind.PRESS_ACCEPTED)
        if way.after.trial is not None and way.before.trial is None:
            assert way.before.phase in {Phase.IDLE, Phase.CLOSING}
            assert way.after.stopping_until is None
            due = next_deadline(way.after)
            assert due is not None
            assert due <= way.after.trial.until <= way.now + METER_S
    assert cut > 0


def test_every_trial_has_its_end_told_once(walk: Walk) -> None:
    """Who asked for one waits for its end; also when it was refused, or cut short by whatever."""
    for way in chain(walk.moved, walk.on(SoundCheckRequested)):
        told = way.told(Kind.TRIAL_ENDED)
        refused = [fields for fields in told if fields["outcome"].startswith("refused")]
        began, ended = len(way.told(Kind.TRIAL_BEGAN)), len(told) - len(refused)
        was, is_now = way.before.trial is not None, way.after.trial is not None

        assert was + began == is_now + ended, way
        if isinstance(way.event, SoundCheckRequested):
            meters = way.before.trial is not None and way.before.trial.kind is way.event.kind is SoundCheckKind.LEVELS
            taken = began or way.after.due != way.before.due or meters
            assert len(refused) == (0 if taken else 1), way
        else:
            assert not refused


def test_every_opening_of_the_card_is_told_with_its_reason(walk: Walk) -> None:
    """Whom the microphone is open for can be read in the journal, and so can each change of it."""
    for way in walk.moved:
        told = [fields["reason"] for fields in way.told(Kind.CARD_OPENED)]
        if way.after.card_open and way.after.card_for != way.before.card_for:
            assert told == [way.after.card_for]
        elif not (isinstance(way.event, AudioDeviceOpened) and way.before.card_open):
            assert told == []
        if way.after.card_open:
            assert way.after.card_for


def test_a_call_from_the_house_is_told_to_the_visitor_before_it_is_answered(walk: Walk) -> None:
    """From an incoming call to a conversation there is no way around the warning tone."""
    for way in walk.moved:
        if way.after.phase is Phase.ANSWERING and way.before.phase is not Phase.ANSWERING:
            assert way.before.phase is Phase.ANNOUNCING
            assert way.event == TonePlayed("listening")


def test_a_visit_that_no_button_began_places_no_call(walk: Walk) -> None:
    """Whatever becomes of a call from the house: its caller, who gave a number of his own choice, is never dialled."""
    placed = 0
    for way in walk.moved:
        calls = [order for order in way.commands if isinstance(order, PlaceCall)]
        placed += len(calls)
        if calls:
            assert way.after.visit is not None, way
            assert way.after.visit.button, way
            assert way.after.visit.incoming is None, way
    assert placed > 0


def test_only_a_call_that_came_in_is_answered(walk: Walk) -> None:
    """Once its visitor has been told; and a call that the door placed is answered by nobody but the far end."""
    answered = 0
    for way in walk.moved:
        for order in way.commands:
            if isinstance(order, AnswerCall):
                answered += 1
                assert way.after.visit is not None
                assert way.after.visit.incoming is not None
                assert way.after.visit.incoming.name == order.leg
    assert answered > 0


def test_a_visit_has_calls_of_one_direction_only(walk: Walk) -> None:
    """A button's visit never gets a caller, a caller's visit never a leg; so nothing done about one hits the other."""
    for way in walk.moved:
        if (visit := way.after.visit) is not None:
            assert visit.incoming is None or (visit.legs == () and visit.button == ""), way


def test_keys_go_only_to_whom_the_configuration_gives_them(walk: Walk) -> None:
    """They may be a PIN: no caller of that name gets them, and nobody whom a server named instead."""
    sent = 0
    for way in walk.moved:
        for order in way.commands:
            if isinstance(order, SendDtmf):
                sent += 1
                assert way.before.visit is not None
                (leg,) = (leg for leg in way.before.visit.legs if leg.name == order.leg)
                assert (leg.target, leg.wanted) == ("201", ""), way
    assert sent > 0


def test_what_the_door_may_not_call_is_never_dialled(walk: Walk) -> None:
    """Neither for an operator, nor because a server named it, nor because a note of another daemon did."""
    for way in walk.moved:
        assert not [order for order in way.commands if isinstance(order, PlaceCall) and order.target == FORBIDDEN]


def test_only_a_right_code_from_the_talking_leg_releases_a_door(walk: Walk) -> None:
    """There is no other way to a released strike, and the code was keyed while that leg talked."""
    opened = 0
    for way in walk.moved:
        if released(way.after) - released(way.before):
            opened += 1
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
                assert way.before.visit.wrong_codes < RULES.wrong_codes
    assert opened > 0


def test_a_released_door_always_has_a_deadline(walk: Walk) -> None:
    """Time alone locks every door again, within its pulse."""
    for way in walk.moved:
        for door in way.after.doors:
            if door.released_until is not None:
                due = next_deadline(way.after)
                assert due is not None
                assert due <= door.released_until <= way.now + RULES.pulse_s[door.name]


def test_strikes_are_ordered_exactly_when_they_change(walk: Walk) -> None:
    """The relay follows the state, and is not nagged."""
    for way in walk.moved:
        before, after = released(way.before), released(way.after)
        wanted = {(order.door, order.released) for order in way.commands if isinstance(order, SetStrike)}
        assert wanted == {(door, True) for door in after - before} | {(door, False) for door in before - after}


def test_a_looped_tone_belongs_to_a_phase_that_ends_by_itself(walk: Walk) -> None:
    """No tone goes on for ever at a door."""
    for way in walk.moved:
        if way.sound.loop is not None:
            assert PHASES[way.after.phase].loop is way.sound.loop
            assert way.after.visit is not None
            assert way.after.visit.phase_until is not None


def test_every_phase_but_idle_has_a_deadline(walk: Walk) -> None:
    """Whatever a peer does not do, the visit goes on by the clock."""
    for way in walk.moved:
        if way.after.phase is Phase.TESTING:
            assert next_deadline(way.after) is not None
        elif way.after.phase is not Phase.IDLE:
            assert way.after.visit is not None
            assert way.after.visit.phase_until is not None


def test_every_press_is_accepted_or_told_what_it_got_instead(walk: Walk) -> None:
    """Promise one, first half: exactly one of the two, at once."""
    for way in chain(walk.moved, walk.on(ButtonPressed, CallRequested)):
        told = len(way.told(Kind.PRESS_ACCEPTED)) + len(way.told(Kind.PRESS_ANSWERED))
        assert told == (1 if isinstance(way.event, ButtonPressed | CallRequested) else 0)


def test_every_visit_ends_with_exactly_one_outcome(walk: Walk) -> None:
    """Promise one, second half: the outcome is told when the visit ends, not before, and never twice."""
    for way in chain(walk.moved, walk.on(VisitRestored)):
        running_before = way.before.visit is not None and way.before.visit.outcome is None
        running_after = way.after.visit is not None and way.after.visit.outcome is None
        replaced = bool(way.told(Kind.PRESS_ACCEPTED)) and running_before
        ended = running_before and (not running_after or replaced)
        # What a crash left behind and nobody can take up again begins and ends in one step.
        found_over = isinstance(way.event, VisitRestored) and way.before.visit is None and not running_after
        assert len(way.told(Kind.VISIT_ENDED)) == (ended or found_over), way


def test_the_outcome_is_what_the_visit_has_been_through(walk: Walk) -> None:
    """A phone that rang is told, whatever ended it and came later; who talked is never missed (test_outcomes.py)."""
    seen = set()
    for way in walk.moved:
        visit = way.before.visit
        for told in way.told(Kind.VISIT_ENDED):
            if visit is None or visit.outcome is not None or told["visit"] != visit.id:
                continue  # found over: its history is the daemon's before
            outcome = told["outcome"]
            seen.add((outcome, visit.rang, visit.talked_s is not None))
            if outcome in ("stopped", "superseded", "cut off"):
                continue
            assert (outcome == "talked") == (visit.talked_s is not None), way
            if visit.rang and visit.talked_s is None:
                assert outcome in ("no answer", "busy", "declined"), way
            if outcome == "no answer" and visit.button:
                assert visit.rang, way
    assert len(seen) >= 10


def test_ringing_and_talking_are_not_forgotten(walk: Walk) -> None:
    """Neither by a next stage, nor with the voice engine, nor while a visit waits for a line."""
    for way in walk.moved:
        was, visit = way.before.visit, way.after.visit
        if was is not None and visit is not None and was.id == visit.id:
            assert visit.rang >= was.rang, way
            assert (visit.talked_s is None) <= (was.talked_s is None), way
            if isinstance(way.event, CallProgressed) and way.event.code >= 180:
                mine = [leg for leg in was.legs if leg.name == way.event.leg]
                assert visit.rang or not mine, way
            if PHASES[way.after.phase].talk:
                assert visit.talked_s is not None, way


def test_an_operator_s_call_is_no_visitor_s(walk: Walk) -> None:
    """Nobody is told by text that it was in vain; and a number that may not be called is refused at once."""
    ended = 0
    for way in walk.moved:
        mine = [told for told in way.told(Kind.VISIT_ENDED) if told["button"] == OPERATOR]
        ended += len(mine)
        if mine and not isinstance(way.event, VisitRestored):
            assert way.after.untold.unanswered in ((), way.before.untold.unanswered), way
            assert len(way.after.untold.missed) <= len(way.before.untold.missed), way
    for way in walk.on(CallRequested):
        if isinstance(way.event, CallRequested) and way.event.target == FORBIDDEN:
            assert way.after == way.before
            assert way.told(Kind.PRESS_ANSWERED)
    assert ended > 0


def test_an_answer_that_nobody_waits_for_is_hung_up(walk: Walk) -> None:
    """A 200 that crossed our CANCEL must not leave a phone talking to nobody."""
    for way in walk.on(CallAnswered):
        assert isinstance(way.event, CallAnswered)
        if way.event.leg == "stranger":
            assert HangUp("stranger") in way.commands
            assert way.after.phase is way.before.phase


def test_a_stranger_never_gets_in(walk: Walk) -> None:
    """A call that is not from the account's server, or not from an allowed caller, changes nothing."""
    for way in walk.on(CallArrived):
        assert isinstance(way.event, CallArrived)
        if not way.event.trusted or way.event.caller == "666":
            assert HangUp("in", 403) in way.commands
            assert replace(way.after, refusals=way.before.refusals) == way.before  # how many of them are told


def test_no_state_waits_for_ever_to_stop(walk: Walk) -> None:
    """After a stop was asked for, no visit begins and every door is locked."""
    for way in walk.moved:
        if way.after.stopping_until is not None:
            assert not released(way.after)
            assert not way.told(Kind.PRESS_ACCEPTED)
