# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a visit: which outcome it has, and its final record with the whole time line."""

from intercom.core import media_quality, plan
from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.state import Visit
from intercom.core.transitions import PHASES, Outcome, Phase, Signal


def outcome(visit: Visit, left: Phase, signal: Signal) -> Outcome:
    """Return what to tell the visitor: what the visit has been through, not merely how its last call ended.

    The phase that was left and the signal say only whether it was cut short. The table is in `firmware/README.md`.
    """
    if signal is Signal.STOPPED:
        return Outcome.STOPPED
    if signal is Signal.SUPERSEDED:
        return Outcome.SUPERSEDED
    if signal is Signal.CUT:
        return Outcome.CUT
    if PHASES[left].talk:
        return Outcome.TALKED
    if visit.talked_s is not None:
        return Outcome.CUT  # it was called back in vain
    if not visit.button:
        return Outcome.NO_ANSWER if signal is Signal.GONE else Outcome.UNREACHABLE
    return plan.outcome(visit.failures, rang=visit.rang)


def missed(visit: Visit, outcome: Outcome, *, stopping: bool) -> bool:
    """Whether a visitor reached nobody through a fault of ours or of the line's, so that somebody should hear of it.

    `stopping` says that the daemon ends: a visit that only an operator stopped is not missed.
    """
    if not visit.by_visitor or visit.talked_s is not None:
        return False
    return outcome in (Outcome.UNREACHABLE, Outcome.CUT) or (stopping and outcome is Outcome.STOPPED)


def tell(turn: StepContext, outcome: Outcome, signal: Signal) -> None:
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
        talked_s=round(visit.talked_s or 0.0, 3),
        **({"shown": visit.shown} if visit.shown else {}),
        **media_quality.fields(visit),
    )


def _wanted(visit: Visit) -> list[str]:
    """Return everybody whom the visit called or would have called."""
    return sorted(visit.called) or [target for stage in visit.stages for target in stage.targets]
