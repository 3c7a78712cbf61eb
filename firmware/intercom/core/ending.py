# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a visit: which outcome it has, and its final record with the whole time line."""

from intercom.core import hearing, plan
from intercom.core.commands import Kind
from intercom.core.phases import PHASES, Outcome, Phase, Signal
from intercom.core.state import Visit
from intercom.core.turn import Turn


def outcome(visit: Visit, left: Phase, signal: Signal) -> Outcome:
    """Return what to tell the visitor, from the phase that was left and why."""
    if signal is Signal.STOPPED:
        return Outcome.STOPPED
    if signal is Signal.SUPERSEDED:
        return Outcome.SUPERSEDED
    if signal is Signal.CUT:
        return Outcome.CUT
    if PHASES[left].talk:
        return Outcome.TALKED
    if signal is Signal.GONE and visit.button:
        return plan.outcome(visit.failures)
    if signal is Signal.GONE or left is Phase.RINGING:
        return Outcome.NO_ANSWER
    return Outcome.UNREACHABLE


def tell(turn: Turn, outcome: Outcome, signal: Signal) -> None:
    """Want the final record: who, whom, how it ended, and every moment in milliseconds since the press."""
    turn.mark("ended")
    visit = turn.visit
    line = {name: round(1000 * (at - visit.began_at), 3) for name, at in visit.marks}
    turn.tell(
        Kind.VISIT_ENDED,
        button=visit.button,
        by=visit.by,
        target=visit.answered_by or " ".join(_wanted(visit)) or visit.by,
        account=visit.account,
        outcome=outcome.value,
        reason=signal.value,
        timeline=line,
        total_ms=line["ended"],
        talked_s=round((line["ended"] - line["answered"]) / 1000, 3) if "answered" in line else 0.0,
        **({"shown": visit.shown} if visit.shown else {}),
        **hearing.fields(visit),
    )


def _wanted(visit: Visit) -> list[str]:
    """Return everybody whom the visit called or would have called."""
    return sorted(visit.called) or [target for stage in visit.stages for target in stage.targets]
