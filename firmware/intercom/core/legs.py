# SPDX-License-Identifier: GPL-2.0-or-later
"""The legs of a visit: calls that are placed, placed another way, passed over; and who was ever heard ringing."""

from dataclasses import replace

from intercom.core import plan
from intercom.core.commands import HangUp, PlaceCall
from intercom.core.context import StepContext
from intercom.core.events import IN_BAND
from intercom.core.line import doubt
from intercom.core.outputs import line_up
from intercom.core.state import Incoming, Leg, LinePhase, SilentTarget, Visit
from intercom.core.transitions import Phase
from intercom.core.words import DIRECT

DEAF_CALLS = 3
"""A target is not called deaf for fewer calls than this."""


def find(turn: StepContext, name: str) -> Leg | None:
    """Return the leg of that name that this visit placed, or None for one that is not (or no longer) its own."""
    if turn.state.visit is None:
        return None
    return next((leg for leg in turn.visit.legs if leg.name == name), None)


def incoming(turn: StepContext, name: str) -> Incoming | None:
    """Return the call of that name that came in and that this visit is about, or None."""
    call = turn.state.visit.incoming if turn.state.visit is not None else None
    return call if call is not None and call.name == name else None


def names(visit: Visit) -> tuple[str, ...]:
    """Return the names of all calls of a visit, placed or come in: what is hung up when it is over."""
    return (*(leg.name for leg in visit.legs), *([visit.incoming.name] if visit.incoming is not None else []))


def put(turn: StepContext, leg: Leg) -> None:
    """Put a leg that has changed in its place; a phone that rings is something that the visit has been through."""
    rings = any(other.name == leg.name and leg.rang and not other.rang for other in turn.visit.legs)
    turn.set_visit(legs=tuple(leg if other.name == leg.name else other for other in turn.visit.legs))
    if rings:
        turn.set_visit(rang=True)
        give_time(turn)


def place(
    turn: StepContext, target: str, account: str, *, sent: Leg | None = None, others: tuple[str, ...] = ()
) -> bool:
    """Call a target by one way; return whether that is allowed. This is the only place where a number is dialled.

    `sent` is the leg that a server sent on to `target`: then it is an address of that server's, and no word of the
    configuration's, even if a contact has the same name. `others` are whom the server named besides.
    """
    visit = turn.visit
    number = target if sent is not None else turn.rules.dial.get(target, target)
    if not turn.rules.may_dial(number):
        return False
    name, silent_until = f"{visit.id}.{visit.dialled + 1}", turn.now + turn.rules.silent_s
    if sent is None:
        leg = Leg(name, target, account, silent_until)
    else:
        leg = Leg(name, target, account, silent_until, wanted=sent.planned, others=others, hops=sent.hops + 1)
    turn.order(PlaceCall(leg.name, account, number, visit.button))
    turn.set_visit(
        legs=(*visit.legs, leg),
        dialled=visit.dialled + 1,
        tried=visit.tried | {(number, account)},
        called=visit.called | {target},
    )
    give_time(turn)
    return True


def give_time(turn: StepContext) -> None:
    """Let the stage last until a call that was placed now, or that begins to ring now, has had its whole time.

    So whoever is called by the third way rings as long as by the first; `patience_s` at most is spent on ways.
    """
    visit = turn.visit
    ring_s = visit.stages[0].ring_s if visit.stages else turn.rules.ring_s
    until = min(turn.now + ring_s, visit.rings_most_until)
    turn.set_visit(phase_until=max(visit.phase_until or until, until))


def retry_via_other_account(turn: StepContext, leg: Leg) -> bool:
    """Call a leg's target through the next account that is up and was not tried; return whether there was one."""
    if leg.account == DIRECT:
        return False
    number = turn.rules.dial.get(leg.planned, leg.planned)
    ways = (line.name for line in turn.state.lines if line.phase is LinePhase.UP)
    return any((number, way) not in turn.visit.tried and place(turn, leg.planned, way) for way in ways)


def time_passed(turn: StepContext) -> None:
    """Pass over each leg whose own server has said nothing for too long, and have that server asked whether it lives.

    A leg for which there is no other way stays.
    """
    for leg in turn.visit.legs:
        if leg.silent_until is not None and turn.now >= leg.silent_until:
            put(turn, replace(leg, silent_until=None))
            doubt(turn, leg.account)
            abandon(turn, leg, only_if_another=True)


def abandon(turn: StepContext, leg: Leg, *, only_if_another: bool = False) -> None:
    """Give up a leg whose server says nothing, and call its target another way."""
    if leg.progressed or (not retry_via_other_account(turn, leg) and only_if_another):
        return
    turn.order(HangUp(leg.name))
    failed(turn, leg, 408)


def failed(turn: StepContext, leg: Leg, code: int) -> None:
    """Take a leg out that nobody answered, and keep how it ended for the outcome."""
    visit = turn.visit
    turn.set_visit(
        legs=tuple(other for other in visit.legs if other.name != leg.name),
        failures=(*visit.failures, (code, leg.rang)),
        early="" if visit.early == leg.name else visit.early,
    )


def network_changed(turn: StepContext) -> None:
    """Note that PJSIP may give up whoever is rung, for no fault of the phone: an old address carried the call."""
    if turn.state.phase in (Phase.DIALLING, Phase.RINGING):
        turn.set_visit(legs=tuple(replace(leg, moved=True) for leg in turn.visit.legs))


def heard(turn: StepContext, target: str) -> None:
    """A target rang: it is not deaf."""
    turn.set(unheard=tuple(entry for entry in turn.state.unheard if entry.target != target))


def unheard(turn: StepContext, target: str) -> None:
    """A target was called and did not ring; after days of that it is reported."""
    if line_up(turn.state) is None or target not in plan.planned(turn.rules):
        return  # that says nothing about the target, or it is none of the configuration's
    known = next((entry for entry in turn.state.unheard if entry.target == target), None)
    if known is None:
        turn.set(unheard=(*turn.state.unheard, SilentTarget(target, turn.now)))
        return
    deaf = known.deaf or (known.calls + 1 >= DEAF_CALLS and turn.now - known.since >= turn.rules.deaf_s)
    longer = replace(known, calls=min(known.calls + 1, DEAF_CALLS), deaf=deaf)
    turn.set(unheard=tuple(longer if entry is known else entry for entry in turn.state.unheard))


def reconfigured(turn: StepContext) -> None:
    """Forget about targets that the configuration does not name any more."""
    named = plan.planned(turn.rules)
    turn.set(unheard=tuple(entry for entry in turn.state.unheard if entry.target in named))


def counts(turn: StepContext, leg: str, method: str) -> bool:
    """Whether a key counts that came by this method: some phones send each key in two ways (RFC 4733 and INFO).

    A leg has one way at a time, and another one counts only when that has been silent for `keyed_twice_s`: so each
    key counts once, whichever of its two ways is the quicker one today. From tones in the sound a leg turns to a better
    way at once, without that key: gateways let pieces of tones through beside it, but not of every key.
    """
    known = find(turn, leg) or incoming(turn, leg)
    if known is None:
        return True
    once = known.method in ("", method) or turn.now - known.keyed_at >= turn.rules.keyed_twice_s
    if once or known.method == IN_BAND:
        keyed = replace(known, method=method, keyed_at=turn.now)
        if isinstance(keyed, Incoming):
            turn.set_visit(incoming=keyed)
        else:
            put(turn, keyed)
    return once
