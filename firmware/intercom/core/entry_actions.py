# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens once, on entering each phase of a visit.

`go` is the only place that changes the phase, and `_enter_closing` the only one that ends a visit: there every press
gets its one outcome and its one final record.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from intercom.core import legs, messages, outage, plan
from intercom.core import outcome as visit_outcome
from intercom.core.commands import AnswerCall, HangUp, PlayTone, Tone
from intercom.core.context import StepContext
from intercom.core.line import press_waits
from intercom.core.outputs import line_up
from intercom.core.transitions import NEXT, OUTCOME_TONES, PHASES, Phase, Signal
from intercom.core.words import DIRECT


def go(turn: StepContext, signal: Signal) -> None:
    """Follow the table, and do what entering the new phase asks for. A signal without a row changes nothing."""
    left = turn.state.phase
    entered = NEXT[left].get(signal)
    if entered is None:
        return
    if entered is Phase.IDLE:
        turn.set(phase=entered, visit=None)
        return
    turn.set(phase=entered)
    if entered is Phase.TESTING:
        return
    _count_talk(turn, left, entered)
    if entered is not Phase.RINGING:  # its end is that of the stage that is being dialled, or later (legs.give_time)
        turn.set_visit(phase_until=turn.now + _lasts(turn, entered))
    if entered is Phase.CLOSING:
        _enter_closing(turn, left, signal)
    elif entered in _ON_ENTER:
        _ON_ENTER[entered](turn)


def _count_talk(turn: StepContext, left: Phase, entered: Phase) -> None:
    """Note that somebody talked, and for how long: a visit may hold two conversations, the second one called back."""
    began, ended = (PHASES[entered].talk, PHASES[left].talk) if left is not entered else (False, False)
    if began and not ended:
        turn.set_visit(talked_s=turn.visit.talked_s or 0.0, talks_since=turn.now)
    elif ended and not began:
        lasted = turn.now - (turn.now if turn.visit.talks_since is None else turn.visit.talks_since)
        turn.set_visit(talked_s=(turn.visit.talked_s or 0.0) + lasted, talks_since=None)


def _enter_waiting(turn: StepContext) -> None:
    until = turn.visit.patient_until or turn.visit.phase_until
    turn.set_visit(phase_until=until, patient_until=until)
    press_waits(turn)
    if not turn.visit.dialled:
        turn.order(PlayTone(Tone.NO_LINE))


def _lasts(turn: StepContext, phase: Phase) -> float:
    """Return how long a phase may last."""
    lasts = PHASES[phase].lasts
    assert lasts is not None  # only IDLE has no end, and it has no visit
    return lasts(turn.rules)


def _enter_dialling(turn: StepContext) -> None:
    line = line_up(turn.state)
    stages = plan.first_reachable(turn.visit.stages, turn.rules, line)
    first = not turn.visit.dialled
    most = turn.now + stages[0].ring_s + turn.rules.patience_s
    turn.set_visit(
        stages=stages,
        doubted="",
        account=line.name if line else DIRECT,
        phase_until=turn.now,
        rings_most_until=most,
    )
    for target in plan.callable_now(stages[0], turn.rules, line):
        legs.place(turn, target, DIRECT if line is None or target in turn.rules.direct else line.name)
    if first:
        turn.order(PlayTone(Tone.CHIME))


def _enter_announcing(turn: StepContext) -> None:
    turn.order(PlayTone(Tone.LISTENING))


def _enter_answering(turn: StepContext) -> None:
    if turn.visit.incoming is not None:
        turn.order(AnswerCall(turn.visit.incoming.name))


def _enter_talking(turn: StepContext) -> None:
    talker = turn.visit.talker
    turn.order(*(HangUp(leg.name, elsewhere=True) for leg in turn.visit.legs if leg.name != talker))
    stays = tuple(replace(leg, moved=False) for leg in turn.visit.legs if leg.name == talker)
    turn.set_visit(legs=stays, early="", patient_until=None)


def _enter_warned(turn: StepContext) -> None:
    turn.order(PlayTone(Tone.WARNING))


_ON_ENTER: Mapping[Phase, Callable[[StepContext], None]] = {
    Phase.WAITING: _enter_waiting,
    Phase.DIALLING: _enter_dialling,
    Phase.ANNOUNCING: _enter_announcing,
    Phase.ANSWERING: _enter_answering,
    Phase.TALKING: _enter_talking,
    Phase.WARNED: _enter_warned,
}


def _enter_closing(turn: StepContext, left: Phase, signal: Signal) -> None:
    outcome = visit_outcome.outcome(turn.visit, left, signal)
    visit_outcome.tell(turn, outcome, signal)
    turn.order(*(HangUp(name) for name in legs.names(turn.visit)))
    if visit_outcome.missed(turn.visit, outcome, stopping=turn.state.stopping_until is not None):
        outage.missed(turn, turn.visit.button, turn.visit.began_at)
    turn.set_visit(outcome=outcome, legs=(), incoming=None, early="", patient_until=None, doubted="")
    messages.unanswered(turn, outcome)
    if outcome in OUTCOME_TONES:
        turn.order(PlayTone(OUTCOME_TONES[outcome]))
