# SPDX-License-Identifier: GPL-2.0-or-later
"""Trials of the sound without a visitor: the acoustic self test, the meter and the sounds an operator asks for.

A trial is the one other reason to open the card. It lives in a phase of its own, in which there is no visit: a press
ends it in the same step that begins the visit. A self test waits for its turn; an operator is told to come back.
"""

from dataclasses import replace

from intercom.core import acoustics
from intercom.core.commands import Kind, PlayFile, SaveReference, Sweep
from intercom.core.context import StepContext
from intercom.core.entry_actions import go
from intercom.core.events import SoundCheckKind, SoundCheckRequested, SweepHeard
from intercom.core.outputs import refuses, reminds
from intercom.core.state import State, Trial
from intercom.core.transitions import Phase, Signal

METER_S = 3.0
"""The meter is read on, or it stops: nobody forgets an open microphone."""
_SOUNDS = (SoundCheckKind.TEST, SoundCheckKind.REFERENCE)


def wanted(turn: StepContext, event: SoundCheckRequested) -> None:
    """Somebody, or the hour, asks for a trial."""
    state, trial = turn.state, turn.state.trial
    if event.kind is SoundCheckKind.LEVELS and trial is not None and trial.kind is SoundCheckKind.LEVELS:
        turn.set(trial=replace(trial, until=min(turn.now + METER_S, trial.began_at + turn.rules.meter_s)))
        return
    asked = Trial(event.kind, event.by, event.sound)
    waits = event.kind in _SOUNDS or (state.phase is Phase.IDLE and state.engine_up)
    if waits and state.stopping_until is None and state.due is None:
        turn.set(due=asked)
    else:
        _tell_end(turn, asked, f"refused: {_why(state)}")


def follow(turn: StepContext, before: State) -> None:
    """After everything else of a step: tell the end of a trial, and begin the one that waits when all is quiet."""
    trial = before.trial
    if trial is not None and turn.state.phase is not Phase.TESTING:
        trial = turn.state.trial or trial
        cut = turn.state.visit is not None
        _tell_end(turn, trial, trial.outcome or ("cut short by a visit" if cut else "cut short"))
        turn.set(trial=None)
        if cut and trial.kind in _SOUNDS:
            turn.set(due=replace(trial, until=0.0, began_at=0.0, outcome=""))
    state = turn.state
    if state.stopping_until is not None:
        turn.set(due=None)
    elif (
        state.due is not None
        and state.phase is Phase.IDLE
        and state.engine_up
        and not (reminds(state) or refuses(state))
    ):
        _begin(turn, state.due)


def _begin(turn: StepContext, due: Trial) -> None:
    lasts = METER_S if due.kind is SoundCheckKind.LEVELS else turn.rules.trial_s
    turn.set(due=None, trial=replace(due, began_at=turn.now, until=turn.now + lasts))
    go(turn, Signal.TRIAL_BEGUN)
    turn.tell(Kind.TRIAL_BEGAN, trial=due.kind.value, by=due.by)
    if due.kind in _SOUNDS:
        turn.order(Sweep())
    elif due.kind is SoundCheckKind.PLAY:
        turn.order(PlayFile(due.sound))


def heard(turn: StepContext, event: SweepHeard) -> None:
    """The sweep of a self test was played and recorded: judge it, or keep it as the reference."""
    trial = turn.state.trial
    if trial is None or trial.kind not in _SOUNDS:
        return
    reference = turn.state.reference
    wrong = acoustics.verdict(event.heard, None if trial.kind is SoundCheckKind.REFERENCE else reference)
    if trial.kind is SoundCheckKind.REFERENCE and not wrong:
        turn.set(reference=event.heard)
        turn.order(SaveReference(event.heard))
    _over(turn, "; ".join(f"{part} {how}" for part, how in wrong.items()) or "well")
    turn.set(weak=tuple(sorted(wrong.items())))


def played(turn: StepContext, sound: str) -> None:
    """A sound was played to its end."""
    trial = turn.state.trial
    if trial is not None and trial.kind is SoundCheckKind.PLAY and sound == trial.sound:
        _over(turn, "played")


def failed(turn: StepContext, reason: str) -> None:
    """The card or the voice engine is gone."""
    if turn.state.trial is not None:
        _over(turn, reason, Signal.CUT)


def time_passed(turn: StepContext) -> None:
    """End a trial that lasted as long as it may: the meter's usual end."""
    trial = turn.state.trial
    if trial is not None and turn.now >= trial.until:
        _over(turn, "over" if trial.kind is SoundCheckKind.LEVELS else "the sound card gives no answer", Signal.TIME_UP)


def _over(turn: StepContext, outcome: str, signal: Signal = Signal.TRIED) -> None:
    assert turn.state.trial is not None
    turn.set(trial=replace(turn.state.trial, outcome=outcome))
    go(turn, signal)


def _tell_end(turn: StepContext, trial: Trial, outcome: str) -> None:
    # Not the visit's affair, even where the visit is what ends it.
    turn.tell(Kind.TRIAL_ENDED, visit="", trial=trial.kind.value, by=trial.by, outcome=outcome)


def _why(state: State) -> str:
    if state.stopping_until is not None:
        return "the intercom is stopping"
    if state.visit is not None:
        return "a visit is under way"
    if state.trial is not None or state.due is not None:
        return "another trial of the sound is under way"
    return "the voice engine does not run"
