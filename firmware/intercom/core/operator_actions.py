# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator on this machine may do to a visit. The doors are in their own file."""

from intercom.core import visit
from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.entry_actions import go
from intercom.core.snapshot import Stage
from intercom.core.transitions import NEXT, PHASES, Phase, Signal
from intercom.core.words import OPERATOR

NOT_ALLOWED = "the configuration does not let the door call this number"


def hangs_up(turn: StepContext, by: str) -> None:
    """End the visit, whatever it is about."""
    # A conversation is over as if the phone had ended it; before that nobody has been reached.
    signal = Signal.GONE if PHASES[turn.state.phase].talk else Signal.STOPPED
    if signal in NEXT[turn.state.phase]:
        turn.tell(Kind.HUNG_UP, by=by)
        go(turn, signal)


def calls(turn: StepContext, target: str, by: str) -> None:
    """Have somebody called from the door, as a press would: with chime and ring-back, so nobody listens unheard."""
    busy = turn.state.visit is not None and turn.state.phase is not Phase.CLOSING
    allowed = turn.rules.may_dial(turn.rules.dial.get(target, target))
    if turn.state.stopping_until is not None or busy or not allowed:
        got = "busy" if busy else "stopping" if allowed else NOT_ALLOWED
        turn.tell(Kind.PRESS_ANSWERED, visit="", button=OPERATOR, by=by, got=got)
        return
    visit.ring(turn, OPERATOR, by, turn.now, (Stage((target,), turn.rules.ring_s),))
