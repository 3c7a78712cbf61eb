# SPDX-License-Identifier: GPL-2.0-or-later
"""The visit: what events mean to it. What happens on entering each phase is in `entry_actions.py`."""

from dataclasses import replace

from intercom.core import legs, plan, redirect, refusals
from intercom.core.commands import HangUp, Kind, PlayTone, RequestConfirmation, SendDtmf, Tone
from intercom.core.context import StepContext
from intercom.core.entry_actions import go
from intercom.core.events import CallArrived, CallRejected
from intercom.core.line import doubt, refused
from intercom.core.outputs import line_up
from intercom.core.rules import Rules, is_named
from intercom.core.snapshot import Pending, Stage
from intercom.core.state import Incoming, Leg, Visit
from intercom.core.transitions import NEXT, OUTCOME_TONES, PHASES, Phase, Signal

_BEFORE_ANSWER = (Phase.WAITING, Phase.DIALLING, Phase.RINGING)
_RINGING, _SESSION_PROGRESS = 180, 183
"""RFC 3261 section 21.1."""
_GIVES_WAY = (*_BEFORE_ANSWER, Phase.ANNOUNCING, Phase.ANSWERING)
"""Phases that another button's press ends. A call from outside that is not up yet is one: who calls again and again, or
has that made up, must not keep the door from ringing."""


def pressed(turn: StepContext, button: str, by: str, *, edge_at: float | None = None) -> None:
    """Somebody pressed: a visit begins, or the press is told what it gets instead. Never neither, never both."""
    if button not in turn.rules.buttons:
        return
    if turn.state.stopping_until is not None:
        turn.tell(Kind.PRESS_ANSWERED, button=button, by=by, got="stopping")
        return
    visit, phase = turn.state.visit, turn.state.phase
    if visit is not None and phase is not Phase.CLOSING:
        if visit.button == button or phase not in _GIVES_WAY:
            _pressed_again(turn, button, by)
            return
        go(turn, Signal.SUPERSEDED)
    stages = plan.stages(button, turn.rules, turn.state.profiles)
    ring(turn, button, by, turn.now if edge_at is None else edge_at, stages)


def ring(turn: StepContext, button: str, by: str, at: float, stages: tuple[Stage, ...]) -> None:
    """Begin a visit that rings; one that is closing is over with that."""
    if turn.state.phase is Phase.CLOSING:
        go(turn, Signal.TIME_UP)
    _begin(turn, button, by, at, stages)
    turn.mark("accepted")
    turn.tell(Kind.PRESS_ACCEPTED, button=button, by=by)
    can_ring = turn.state.engine_up and plan.first_reachable(stages, turn.rules, line_up(turn.state))
    go(turn, Signal.PRESSED if can_ring else Signal.PRESSED_WITHOUT_LINE)


def restored(turn: StepContext, pending: Pending) -> None:
    """The daemon before this one died in a visit: it goes on under its own name, or is told to have been cut."""
    if turn.state.visit is not None:
        return
    visit = Visit(
        id=pending.visit,
        button=pending.button,
        by=pending.by,
        began_at=pending.began_at,
        planned=pending.stages,
        stages=pending.stages,
        dialled=pending.dialled,
        called_back=pending.called_back,
        cuts=pending.cuts + 1,
        rang=pending.rang,
        talked_s=0.0 if pending.talked else None,
        wrong_codes=pending.wrong_codes,
    )
    turn.set(visit=visit)
    go(turn, Signal.PRESSED_WITHOUT_LINE)
    goes_on = pending.stages and turn.state.stopping_until is None
    if goes_on and visit.cuts <= turn.rules.cuts_borne and turn.now < pending.began_at + _worth(pending, turn.rules):
        turn.tell(Kind.VISIT_RESUMED, button=pending.button, reason="the daemon was restarted")
    else:
        go(turn, Signal.CUT)


def _worth(pending: Pending, rules: Rules) -> float:
    """Return how long after the press a visit is taken up again, in seconds: no longer than somebody may be waiting."""
    talks = rules.talk_s + rules.warn_s if pending.talked else 0.0
    return rules.patience_s + talks + sum(stage.ring_s for stage in pending.stages)


def called(turn: StepContext, event: CallArrived) -> None:
    """Somebody calls the door: let in who may, refuse everybody else.

    The name a caller gives is worth nothing by itself, so it counts only on a call that came from the very server the
    account is registered with.
    """
    allowed = turn.rules.callers.get(event.account, frozenset())
    if not event.trusted:
        _refuse(turn, event, 403, "not from the account's server")
    elif "*" not in allowed and not is_named(event.caller, event.asserted, allowed):
        _refuse(turn, event, 403, "not an allowed caller")
    elif turn.state.stopping_until is not None:
        _refuse(turn, event, 480, "stopping")
    elif turn.state.phase not in (Phase.IDLE, Phase.CLOSING, Phase.TESTING):
        _refuse(turn, event, 486, "a visit is under way")
    else:
        if turn.state.phase is Phase.CLOSING:
            go(turn, Signal.TIME_UP)
        _begin(turn, "", event.caller, turn.now, ())
        shown = f"{event.shown}, sent on by {event.diverted}" if event.diverted else event.shown
        turn.set_visit(incoming=Incoming(event.leg, event.caller, event.account), account=event.account, shown=shown)
        turn.tell(
            Kind.CALL_ARRIVED,
            leg=event.leg,
            caller=event.caller,
            account=event.account,
            source=event.source,
            **({"shown": shown} if shown else {}),
        )
        go(turn, Signal.CALLED)


def sent(turn: StepContext, leg: str) -> None:
    """The INVITE of a leg is on the wire."""
    if (known := legs.find(turn, leg)) is not None:
        turn.mark("sent")
        turn.tell(Kind.CALL_PLACED, leg=leg, target=known.target, account=known.account)


def progressed(turn: StepContext, leg: str, code: int) -> None:
    """A provisional answer came. 180 is ringing; every other one only says that somebody has taken notice."""
    if (known := legs.find(turn, leg)) is None:
        return
    turn.mark("progress")
    legs.put(turn, replace(known, progressed=True, silent_until=None))
    if code == _RINGING:
        _rings(turn, leg, code)


def early_media(turn: StepContext, leg: str) -> None:
    """Sound of the far end's own is heard instead of our ring-back. With several legs the first one wins."""
    if (known := legs.find(turn, leg)) is None:
        return
    turn.set_visit(early=turn.visit.early or leg)
    legs.put(turn, replace(known, progressed=True, silent_until=None))
    turn.mark("early_media")
    _rings(turn, leg, _SESSION_PROGRESS)


def early_media_over(turn: StepContext, leg: str) -> None:
    """It has stopped: the visitor hears our ring-back again, until another leg's is told of."""
    if turn.state.visit is not None and turn.visit.early == leg:
        turn.set_visit(early="")


def _rings(turn: StepContext, leg: str, code: int) -> None:
    known = legs.find(turn, leg)
    if known is None or known.rang:
        return
    legs.put(turn, replace(known, rang=True))
    legs.heard(turn, known.planned)
    turn.tell(Kind.CALL_RINGING, leg=leg, target=known.target, code=code)
    turn.mark("ringing")
    go(turn, Signal.RINGS)


def answered(turn: StepContext, leg: str) -> None:
    """A leg is up. One that nobody waits for any more (its 200 crossed our CANCEL) is hung up."""
    known, came_in = legs.find(turn, leg), legs.incoming(turn, leg)
    if (known is None and came_in is None) or Signal.ANSWERED not in NEXT[turn.state.phase]:
        if turn.state.visit is None or leg != turn.visit.talker:
            turn.order(HangUp(leg))
    elif known is not None:
        if not known.unconfirmed:
            _taken(turn, known)
    elif came_in is not None:
        _talk_to(turn, leg, came_in.caller, came_in.account)


def _taken(turn: StepContext, known: Leg) -> None:
    """Somebody, or something, picked up a call that the door placed."""
    known = replace(known, progressed=True, silent_until=None)
    legs.put(turn, known)
    legs.heard(turn, known.planned)
    # Only for whom the configuration names: a server that sends the call on does not learn a PIN by it.
    digits = "" if known.wanted else turn.rules.keys.get(known.target, "")
    if digits:
        turn.order(SendDtmf(known.name, digits))
    if turn.visit.button in turn.rules.confirm:
        legs.put(turn, replace(known, rang=True, unconfirmed=True))
        # Whoever has picked up is not cut off before there was time to key 1.
        turn.set_visit(phase_until=max(turn.visit.phase_until or 0.0, turn.now + turn.rules.confirm_s))
        turn.order(RequestConfirmation(known.name))
        turn.tell(Kind.CALL_UNCONFIRMED, leg=known.name, target=known.target)
        go(turn, Signal.RINGS)
        return
    _talk_to(turn, known.name, known.target, known.account)


def confirmed(turn: StepContext, leg: str, key: str) -> bool:
    """Take a key from a leg that has yet to show that it is a person; return whether it came from such a one."""
    known = legs.find(turn, leg)
    if known is None or not known.unconfirmed:
        return False
    if key == "1":
        legs.put(turn, replace(known, unconfirmed=False))
        _talk_to(turn, known.name, known.target, known.account)
    return True


def leg_ended(turn: StepContext, leg: str, code: int, reason: str, contacts: tuple[str, ...] = ()) -> None:
    """A leg is gone. The visit goes on while another one may still be answered, here or by another way.

    `contacts` are those whom the far end wants called instead.
    """
    if (came_in := legs.incoming(turn, leg)) is not None:
        turn.tell(Kind.CALL_ENDED, leg=leg, target=came_in.caller, code=code, reason=reason)
        turn.set_visit(incoming=None)
        go(turn, Signal.GONE)
        return
    known = legs.find(turn, leg)
    if known is None:
        return
    visit = turn.visit
    turn.tell(Kind.CALL_ENDED, leg=leg, target=known.target, code=code, reason=reason)
    talked = leg == visit.talker
    known = redirect.followed(turn, known, contacts)
    if not talked and not known.rang:
        legs.unheard(turn, known.planned)
    if talked:
        turn.set_visit(legs=tuple(other for other in visit.legs if other.name != leg))
    else:
        legs.failed(turn, known, code)
    servers_fault = code in plan.SERVER_FAILURES
    if code in (401, 407):
        refused(turn, known.account)
    if talked:
        go(turn, Signal.GONE)
    elif servers_fault and known.moved:
        if not turn.visit.legs:
            _call_anew(turn)
    elif redirect.call_next(turn, known) or (
        plan.worth_another_account(code, rang=known.rang) and legs.retry_via_other_account(turn, known)
    ):
        pass
    elif not turn.visit.legs:
        _stage_over(turn, Signal.GONE, doubted=known.account if servers_fault else "")


def line_lost(turn: StepContext, account: str) -> None:
    """An account's server is gone: who was called through it and has not rung yet is called another way, or later."""
    if turn.state.phase not in (Phase.DIALLING, Phase.RINGING):
        return
    for leg in turn.visit.legs:
        if leg.account == account and not leg.progressed:
            legs.abandon(turn, leg)
    if not turn.visit.legs:
        _stage_over(turn, Signal.GONE)


def line_answered(turn: StepContext, account: str) -> None:
    """A server lives that a visit doubted: its failure was an answer, and the visit ends with it."""
    if turn.state.phase is Phase.WAITING and turn.visit.doubted == account:
        go(turn, Signal.GONE)


def audio_flowed(turn: StepContext, leg: str, direction: str) -> None:
    """The first sound of the conversation passed the card."""
    if turn.state.visit is not None and leg == turn.visit.talker:
        turn.mark(f"audio_{direction}")


def tone_played(turn: StepContext, tone: str) -> None:
    """A tone was heard to its end; two phases wait for theirs."""
    visit = turn.state.visit
    if visit is None:
        return
    if turn.state.phase is Phase.ANNOUNCING and tone == Tone.LISTENING:
        go(turn, Signal.ANNOUNCED)
    elif turn.state.phase is Phase.CLOSING and visit.outcome and tone == OUTCOME_TONES.get(visit.outcome):
        go(turn, Signal.TOLD)


def card_back(turn: StepContext) -> None:
    """The microphone came alive in a conversation that the house began without the visitor hearing of it: tell."""
    if PHASES[turn.state.phase].talk and not turn.visit.button:
        turn.order(PlayTone(Tone.LISTENING))


def line_back(turn: StepContext) -> None:
    """A line came up, or at least a voice engine: who waits and can be called now is called."""
    if turn.state.visit is None or not plan.first_reachable(turn.visit.stages, turn.rules, line_up(turn.state)):
        return
    if turn.visit.patient_until is not None and turn.now >= turn.visit.patient_until:
        return
    if turn.state.phase is Phase.WAITING and turn.visit.dialled:
        turn.tell(Kind.VISIT_RESUMED, button=turn.visit.button, reason="a line is back")
    go(turn, Signal.LINE_BACK)


def engine_lost(turn: StepContext) -> None:
    """All calls died with the voice engine. Who was not answered yet is dialled again; who talked, once more."""
    visit = turn.state.visit
    if visit is None:
        return
    talked = PHASES[turn.state.phase].talk
    again = talked and bool(visit.button) and not visit.called_back
    whom = tuple(leg.planned for leg in visit.legs if leg.name == visit.talker)
    turn.set_visit(legs=(), incoming=None, early="", tried=frozenset())
    if again:
        stages = (Stage(whom, turn.rules.ring_s),)
        turn.set_visit(planned=stages, stages=stages, called_back=True, talker="")
        go(turn, Signal.CALL_BACK)
    elif turn.state.phase in _BEFORE_ANSWER and visit.cuts < turn.rules.cuts_borne:
        turn.set_visit(cuts=visit.cuts + 1)
        go(turn, Signal.LINE_GONE)
    else:
        go(turn, Signal.CUT)


def stopped(turn: StepContext) -> None:
    """The daemon ends, and with it the visit."""
    go(turn, Signal.STOPPED)


def time_passed(turn: StepContext) -> None:
    """Leave a phase that lasted as long as it may."""
    visit = turn.state.visit
    if visit is None:
        return
    if visit.phase_until is not None and turn.now >= visit.phase_until:
        if turn.state.phase in (Phase.DIALLING, Phase.RINGING):
            _stage_over(turn, Signal.TIME_UP)
        else:
            go(turn, Signal.TIME_UP)
    else:
        legs.time_passed(turn)


def _call_anew(turn: StepContext) -> None:
    """The network took the calls of this stage along: place them again as soon as there is a way."""
    turn.set_visit(tried=frozenset())
    go(turn, Signal.LINE_GONE)
    line = line_up(turn.state)
    if line is None or not line.moving or plan.first_reachable(turn.visit.stages, turn.rules, None):
        line_back(turn)


def _stage_over(turn: StepContext, signal: Signal, *, doubted: str = "") -> None:
    """Nobody of this stage answers any more: ring the next one, or wait for a line, or end.

    `doubted` is the account whose server may itself be what failed: the visit waits until that is known.
    """
    visit, line = turn.visit, line_up(turn.state)
    for leg in visit.legs:
        if not leg.rang:
            legs.unheard(turn, leg.planned)
    rest = plan.first_reachable(visit.stages[1:], turn.rules, line)
    needs_line = any(target not in turn.rules.direct for stage in visit.planned for target in stage.targets)
    waits = signal is Signal.GONE and needs_line and (line is None or doubt(turn, doubted))
    if not rest and not waits:
        go(turn, signal)
        return
    turn.order(*(HangUp(leg.name) for leg in visit.legs))
    turn.set_visit(
        legs=(), early="", stages=rest or visit.planned, tried=visit.tried if rest else frozenset(), doubted=doubted
    )
    go(turn, Signal.NEXT_STAGE if rest else Signal.LINE_GONE)


def _talk_to(turn: StepContext, leg: str, whom: str, account: str) -> None:
    """This call is the one."""
    turn.mark("answered")
    turn.set_visit(talker=leg, answered_by=whom, account=account)
    turn.tell(Kind.CALL_ANSWERED, leg=leg, target=whom)
    go(turn, Signal.ANSWERED)


def _begin(turn: StepContext, button: str, by: str, at: float, stages: tuple[Stage, ...]) -> None:
    number = turn.state.visits + 1
    turn.set(visits=number, visit=Visit(f"{turn.state.boot}-{number}", button, by, at, stages, stages))


def _pressed_again(turn: StepContext, button: str, by: str) -> None:
    waiting = turn.state.phase in _BEFORE_ANSWER
    turn.tell(Kind.PRESS_ANSWERED, button=button, by=by, got=_got(turn.state.phase))
    if waiting:
        turn.order(PlayTone(Tone.NO_LINE if turn.state.phase is Phase.WAITING else Tone.STILL_RINGING))


def _got(phase: Phase) -> str:
    """Return what a press gets that begins no visit."""
    if phase is Phase.WAITING:
        return "still waiting for a line"
    return "still ringing" if phase in _BEFORE_ANSWER else "busy talking"


def _refuse(turn: StepContext, event: CallArrived, code: int, reason: str) -> None:
    turn.order(HangUp(event.leg, code))
    turned_away(turn, CallRejected(event.account, event.caller, event.source, code, reason), event.leg)


def turned_away(turn: StepContext, event: CallRejected, leg: str = "") -> None:
    """A call of somebody else's was refused; not the running visit's affair, so its name is kept out of the record."""
    refusals.refused(
        turn,
        Kind.CALL_REFUSED,
        leg=leg,
        caller=event.caller,
        account=event.account,
        source=event.source,
        code=event.code,
        reason=event.reason,
    )
