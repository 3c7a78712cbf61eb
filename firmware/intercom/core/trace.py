# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody looks at the SIP of a visit: begun by an operator, over with the visit, and never without an end."""

from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.events import TraceRequested
from intercom.core.state import State, Trace


def wanted(turn: StepContext, event: TraceRequested) -> None:
    """Begin it, or end it. Who comes second is not heard: what is traced is one person's affair."""
    if event.lasts_s <= 0:
        _end(turn, f"ended by {event.by}")
    elif turn.state.trace is None and turn.state.stopping_until is None:
        turn.set(trace=Trace(event.by, turn.now + event.lasts_s))
        turn.tell(Kind.TRACE_BEGAN, by=event.by, lasts_s=event.lasts_s)


def follow(turn: StepContext, before: State) -> None:
    """After everything else of a step: a visit that is over takes the trace along."""
    visit = before.visit
    if visit is not None and (turn.state.visit is None or turn.state.visit.id != visit.id):
        _end(turn, f"visit {visit.id} is over")
    if turn.state.stopping_until is not None:
        _end(turn, "the intercom stops")


def time_passed(turn: StepContext) -> None:
    """End one that has lasted as long as it may."""
    if turn.state.trace is not None and turn.now >= turn.state.trace.until:
        _end(turn, "its time is over")


def _end(turn: StepContext, outcome: str) -> None:
    if (trace := turn.state.trace) is not None:
        turn.set(trace=None)
        turn.tell(Kind.TRACE_ENDED, by=trace.by, outcome=outcome)
