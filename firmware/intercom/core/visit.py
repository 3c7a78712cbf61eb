# SPDX-License-Identifier: GPL-2.0-or-later
"""The visit: what events mean to it, and what happens once on entering each phase.

`go` is the only place that changes the phase, and `_enter_closing` the only one that ends a visit: there every press
gets its one outcome and its one final record.
"""

from collections.abc import Callable, Mapping

from intercom.core import plan
from intercom.core.commands import AnswerCall, HangUp, Kind, PlaceCall, PlayTone, Tone
from intercom.core.events import CallArrived
from intercom.core.state import (
    NEXT,
    OUTCOME_TONES,
    PHASES,
    Leg,
    Outcome,
    Phase,
    Signal,
    Visit,
    line_up,
)
from intercom.core.turn import Turn

_BEFORE_ANSWER = (Phase.WAITING, Phase.DIALLING, Phase.RINGING)


def pressed(turn: Turn, button: str, by: str, *, edge_at: float | None = None) -> None:
    """Somebody pressed: a visit begins, or the press is told what it gets instead. Never neither, never both."""
    if button not in turn.rules.buttons:
        return
    if turn.state.stopping_until is not None:
        turn.tell(Kind.PRESS_ANSWERED, button=button, by=by, got="stopping")
        return
    visit, phase = turn.state.visit, turn.state.phase
    if visit is not None and phase is not Phase.CLOSING:
        if visit.button == button or phase not in _BEFORE_ANSWER:
            _pressed_again(turn, button, by)
            return
        go(turn, Signal.SUPERSEDED)
    if turn.state.phase is Phase.CLOSING:
        go(turn, Signal.TIME_UP)
    _begin(turn, button, by, turn.now if edge_at is None else edge_at, plan.targets(button, turn.rules))
    turn.mark("accepted")
    turn.tell(Kind.PRESS_ACCEPTED, button=button, by=by)
    go(turn, Signal.PRESSED if line_up(turn.state) else Signal.PRESSED_WITHOUT_LINE)


def called(turn: Turn, event: CallArrived) -> None:
    """Somebody calls the door: let in who may, refuse everybody else.

    The name a caller gives is worth nothing by itself, so it counts only on a call that came from the very server the
    account is registered with.
    """
    allowed = turn.rules.callers.get(event.account, frozenset())
    if not event.trusted:
        _refuse(turn, event, 403, "not from the account's server")
    elif event.caller not in allowed and "*" not in allowed:
        _refuse(turn, event, 403, "not an allowed caller")
    elif turn.state.stopping_until is not None:
        _refuse(turn, event, 480, "stopping")
    elif turn.state.phase not in (Phase.IDLE, Phase.CLOSING):
        _refuse(turn, event, 486, "a visit is under way")
    else:
        if turn.state.phase is Phase.CLOSING:
            go(turn, Signal.TIME_UP)
        _begin(turn, "", event.caller, turn.now, ())
        turn.set_visit(legs=(Leg(event.leg, event.caller),), account=event.account)
        turn.tell(Kind.CALL_ARRIVED, leg=event.leg, caller=event.caller, account=event.account, source=event.source)
        go(turn, Signal.CALLED)


def sent(turn: Turn, leg: str) -> None:
    """The INVITE of a leg is on the wire."""
    if (target := _target(turn, leg)) is not None:
        turn.mark("sent")
        turn.tell(Kind.CALL_PLACED, leg=leg, target=target, account=turn.visit.account)


def progressed(turn: Turn, leg: str, code: int) -> None:
    """A provisional answer came; from 180 on it counts as ringing, 100 only says that the server is there."""
    if (target := _target(turn, leg)) is None:
        return
    turn.mark("progress")
    if code >= 180:
        if turn.state.phase is Phase.DIALLING:
            turn.tell(Kind.CALL_RINGING, leg=leg, target=target, code=code)
        turn.mark("ringing")
        go(turn, Signal.RINGS)


def early_media(turn: Turn, leg: str) -> None:
    """The far end makes its own ring-back: it is heard instead of ours. With several legs the first one wins."""
    if _target(turn, leg) is not None and not turn.visit.early:
        turn.set_visit(early=leg)
        turn.mark("early_media")


def answered(turn: Turn, leg: str) -> None:
    """A leg is up. One that nobody waits for any more (its 200 crossed our CANCEL) is hung up."""
    target = _target(turn, leg)
    if target is None or Signal.ANSWERED not in NEXT[turn.state.phase]:
        if turn.state.visit is None or leg != turn.visit.talker:
            turn.order(HangUp(leg))
        return
    turn.mark("answered")
    turn.set_visit(talker=leg, answered_by=target)
    turn.tell(Kind.CALL_ANSWERED, leg=leg, target=target)
    go(turn, Signal.ANSWERED)


def leg_ended(turn: Turn, leg: str, code: int, reason: str) -> None:
    """A leg is gone. The visit goes on while another one may still be answered."""
    target = _target(turn, leg)
    if target is None:
        return
    visit = turn.visit
    turn.tell(Kind.CALL_ENDED, leg=leg, target=target, code=code, reason=reason)
    turn.set_visit(
        legs=tuple(other for other in visit.legs if other.name != leg),
        failures=visit.failures if leg == visit.talker else (*visit.failures, code),
        early="" if visit.early == leg else visit.early,
    )
    if leg == visit.talker or not turn.visit.legs:
        go(turn, Signal.GONE)


def audio_flowed(turn: Turn, leg: str, direction: str) -> None:
    """The first sound of the conversation passed the card."""
    if turn.state.visit is not None and leg == turn.visit.talker:
        turn.mark(f"audio_{direction}")


def tone_played(turn: Turn, tone: str) -> None:
    """A tone was heard to its end; two phases wait for theirs."""
    visit = turn.state.visit
    if visit is None:
        return
    if turn.state.phase is Phase.ANNOUNCING and tone == Tone.LISTENING:
        go(turn, Signal.ANNOUNCED)
    elif turn.state.phase is Phase.CLOSING and visit.outcome and tone == OUTCOME_TONES.get(visit.outcome):
        go(turn, Signal.TOLD)


def card_back(turn: Turn) -> None:
    """The microphone came alive in a conversation that the house began without the visitor hearing of it: tell."""
    if PHASES[turn.state.phase].talk and not turn.visit.button:
        turn.order(PlayTone(Tone.LISTENING))


def line_back(turn: Turn) -> None:
    """A line came up, if the account is one of ours."""
    if line_up(turn.state):
        go(turn, Signal.LINE_BACK)


def engine_lost(turn: Turn) -> None:
    """All calls died with the voice engine. Who was not answered yet is dialled again by the next one."""
    if turn.state.visit is not None:
        turn.set_visit(legs=(), early="")
        go(turn, Signal.LINE_GONE)


def stopped(turn: Turn) -> None:
    """The daemon ends, and with it the visit."""
    go(turn, Signal.STOPPED)


def time_passed(turn: Turn) -> None:
    """Leave a phase that lasted as long as it may."""
    visit = turn.state.visit
    if visit is not None and visit.phase_until is not None and turn.now >= visit.phase_until:
        go(turn, Signal.TIME_UP)


def go(turn: Turn, signal: Signal) -> None:
    """Follow the table, and do what entering the new phase asks for. A signal without a row changes nothing."""
    left = turn.state.phase
    entered = NEXT[left].get(signal)
    if entered is None:
        return
    if entered is Phase.IDLE:
        turn.set(phase=entered, visit=None)
        return
    turn.set(phase=entered)
    lasts = PHASES[entered].lasts
    turn.set_visit(phase_until=turn.now + lasts(turn.rules) if lasts else None)
    if entered is Phase.CLOSING:
        _enter_closing(turn, left, signal)
    elif entered in _ON_ENTER:
        _ON_ENTER[entered](turn)


def _enter_waiting(turn: Turn) -> None:
    if not turn.visit.dialled:
        turn.order(PlayTone(Tone.NO_LINE))


def _enter_dialling(turn: Turn) -> None:
    line, visit = line_up(turn.state), turn.visit
    assert line is not None  # PRESSED and LINE_BACK are only given when there is one
    legs = tuple(
        Leg(f"{visit.id}.{visit.dialled + number}", target) for number, target in enumerate(visit.targets, start=1)
    )
    turn.order(*(PlaceCall(leg.name, line.account, leg.target) for leg in legs))
    if not visit.dialled:
        turn.order(PlayTone(Tone.CHIME))
    turn.set_visit(legs=legs, dialled=visit.dialled + len(legs), account=line.account, failures=())


def _enter_announcing(turn: Turn) -> None:
    turn.order(PlayTone(Tone.LISTENING))


def _enter_answering(turn: Turn) -> None:
    turn.order(*(AnswerCall(leg.name) for leg in turn.visit.legs))


def _enter_talking(turn: Turn) -> None:
    talker = turn.visit.talker
    turn.order(*(HangUp(leg.name) for leg in turn.visit.legs if leg.name != talker))
    turn.set_visit(legs=tuple(leg for leg in turn.visit.legs if leg.name == talker), early="")


def _enter_warned(turn: Turn) -> None:
    turn.order(PlayTone(Tone.WARNING))


_ON_ENTER: Mapping[Phase, Callable[[Turn], None]] = {
    Phase.WAITING: _enter_waiting,
    Phase.DIALLING: _enter_dialling,
    Phase.ANNOUNCING: _enter_announcing,
    Phase.ANSWERING: _enter_answering,
    Phase.TALKING: _enter_talking,
    Phase.WARNED: _enter_warned,
}


def _enter_closing(turn: Turn, left: Phase, signal: Signal) -> None:
    outcome = _outcome(turn.visit, left, signal)
    _tell_end(turn, outcome, signal)
    turn.order(*(HangUp(leg.name) for leg in turn.visit.legs))
    turn.set_visit(outcome=outcome, legs=(), early="", digits="", digits_until=None)
    if outcome in OUTCOME_TONES:
        turn.order(PlayTone(OUTCOME_TONES[outcome]))


def _outcome(visit: Visit, left: Phase, signal: Signal) -> Outcome:
    if signal is Signal.STOPPED:
        return Outcome.STOPPED
    if signal is Signal.SUPERSEDED:
        return Outcome.SUPERSEDED
    if signal is Signal.LINE_GONE:
        return Outcome.ENGINE_LOST
    if PHASES[left].talk:
        return Outcome.TALKED
    if signal is Signal.GONE and visit.button:
        return plan.outcome(visit.failures)
    if signal is Signal.GONE or left is Phase.RINGING:
        return Outcome.NO_ANSWER
    return Outcome.UNREACHABLE


def _tell_end(turn: Turn, outcome: Outcome, signal: Signal) -> None:
    turn.mark("ended")
    visit = turn.visit
    line = {name: round(1000 * (at - visit.began_at), 3) for name, at in visit.marks}
    turn.tell(
        Kind.VISIT_ENDED,
        button=visit.button,
        by=visit.by,
        target=visit.answered_by or " ".join(visit.targets) or visit.by,
        account=visit.account,
        outcome=outcome.value,
        reason=signal.value,
        timeline=line,
        total_ms=line["ended"],
        talked_s=round((line["ended"] - line["answered"]) / 1000, 3) if "answered" in line else 0.0,
    )


def _begin(turn: Turn, button: str, by: str, at: float, targets: tuple[str, ...]) -> None:
    number = turn.state.visits + 1
    turn.set(visits=number, visit=Visit(f"{turn.state.boot}-{number}", button, by, at, targets))


def _pressed_again(turn: Turn, button: str, by: str) -> None:
    waiting = turn.state.phase in _BEFORE_ANSWER
    turn.tell(Kind.PRESS_ANSWERED, button=button, by=by, got="still ringing" if waiting else "busy talking")
    if waiting:
        turn.order(PlayTone(Tone.NO_LINE if turn.state.phase is Phase.WAITING else Tone.STILL_RINGING))


def _refuse(turn: Turn, event: CallArrived, code: int, reason: str) -> None:
    turn.order(HangUp(event.leg, code))
    # Not the running visit's affair, so its name is kept out of the record.
    turn.tell(
        Kind.CALL_REFUSED,
        visit="",
        leg=event.leg,
        caller=event.caller,
        account=event.account,
        source=event.source,
        code=code,
        reason=reason,
    )


def _target(turn: Turn, leg: str) -> str | None:
    """Return whom a leg of this visit calls, or None for a leg that is not (or no longer) one of its own."""
    if turn.state.visit is None:
        return None
    return next((known.target for known in turn.visit.legs if known.name == leg), None)
