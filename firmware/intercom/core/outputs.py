# SPDX-License-Identifier: GPL-2.0-or-later
"""The levels: how sound, lamp, strikes and status shall be, as functions of the state (see `transitions.py`)."""

from collections.abc import Mapping

from intercom.core import door_state
from intercom.core.commands import Audio, Lamp, Tone
from intercom.core.door_state import AccessLedger
from intercom.core.fast_dataclass import dataclass
from intercom.core.snapshot import Pending, Stage, Untold
from intercom.core.state import Line, LinePhase, State
from intercom.core.transitions import PHASES, Phase


@dataclass(frozen=True, slots=True)
class Outputs:
    """All levels at once, as the state wants them."""

    wrong: Mapping[str, str]
    """Name of a condition -> detail."""
    audio: Audio
    lamp: Lamp
    released: frozenset[str]
    status: str
    pending: Pending | None
    untold: Untold
    ledger: AccessLedger
    trace: bool


def levels(state: State) -> Outputs:
    """Return how everything shall be in this state."""
    wrong = conditions(state)
    return Outputs(
        wrong=wrong,
        audio=audio(state),
        lamp=lamp(state, wrong),
        released=released(state),
        status=status(state, wrong),
        pending=pending(state),
        untold=state.untold,
        ledger=AccessLedger(state.uses, state.tries),
        trace=state.trace is not None,
    )


def audio(state: State) -> Audio:
    """Return how the sound shall be."""
    row, visit = PHASES[state.phase], state.visit
    if visit is None:
        if state.trial is not None:
            return Audio(card=row.card, trial=state.trial.kind)
        # The microphone goes nowhere; who keyed a wrong code, or did not close the door, hears about it.
        told = Tone.WRONG_CODE if refuses(state) else Tone.CLOSE_DOOR if reminds(state) else None
        return Audio(card=told is not None, loop=told)
    hear = visit.talker if row.talk else visit.early if row.early else ""
    return Audio(
        card=row.card,
        hear=hear,
        speak=visit.talker if row.talk else "",
        loop=None if hear else row.loop,
        half_duplex=row.talk and visit.half_duplex,
    )


def reminds(state: State) -> bool:
    """Whether a door that was left open has its reminder; in a visit or a trial nobody hears it."""
    return state.stopping_until is None and any(door.reminds_until is not None for door in state.doors)


def refuses(state: State) -> bool:
    """Whether somebody at a keypad is being shown that his code opens nothing."""
    return state.stopping_until is None and any(keying.refused_until is not None for keying in state.keying)


def released(state: State) -> frozenset[str]:
    """Return the doors whose strikes are released."""
    return frozenset(door.name for door in state.doors if door.released_until is not None)


def lamp(state: State, wrong: Mapping[str, str] | None = None) -> Lamp:
    """Return the pattern of the lamp: an open door is told before anything else.

    `wrong` are the conditions of this state, from whoever has them already.
    """
    if state.stopping_until is not None:
        return Lamp.OFF
    if any(door.released_until is not None for door in state.doors):
        return Lamp.DOOR_OPEN
    if refuses(state):
        return Lamp.REFUSED
    if state.visit is None and state.lines and not line_up(state):
        return Lamp.NO_LINE
    if state.visit is None and (conditions(state) if wrong is None else wrong):
        return Lamp.FAULT
    return PHASES[state.phase].lamp


def status(state: State, wrong: Mapping[str, str] | None = None) -> str:
    """Return the one line that answers "would it ring now?"; `wrong` as for `lamp`."""
    if state.stopping_until is not None:
        return "stopping"
    if state.engine_fault:
        rest = [f"{name}: {detail}" for name, detail in state.wrong]
        return "; ".join([f"voice engine down: {state.engine_fault}", *rest])
    lines = ", ".join(f"{line.name} {line.phase}{f' ({line.fault})' if line.fault else ''}" for line in state.lines)
    wrong = conditions(state) if wrong is None else wrong
    others = [f"{name}: {detail}" for name, detail in wrong.items() if not name.startswith("line ")]
    return "; ".join([state.phase.value, *([lines] if lines else []), *others])


def pending(state: State) -> Pending | None:
    """Return what the next daemon has to know of this visit if this one dies now."""
    visit = state.visit
    if visit is None or state.phase in (Phase.IDLE, Phase.CLOSING):
        return None
    stages, called_back = visit.stages, visit.called_back
    if PHASES[state.phase].talk or not visit.button:
        # A conversation is called back once; the house may call again by itself.
        whom = [leg.planned for leg in visit.legs if leg.name == visit.talker and not called_back]
        stages, called_back = tuple(Stage((target,), visit.stages[0].ring_s) for target in whom), True
    return Pending(
        visit.id,
        visit.button,
        visit.by,
        visit.began_at,
        visit.dialled,
        stages,
        called_back,
        cuts=visit.cuts,
        rang=visit.rang,
        talked=visit.talked_s is not None,
        wrong_codes=visit.wrong_codes,
    )


def conditions(state: State) -> dict[str, str]:
    """Return what is wrong now: name of the condition -> detail."""
    wrong = {f"line {line.name}": line.fault for line in state.lines if line.fault}
    if state.engine_fault:
        wrong["voice engine"] = state.engine_fault
    if state.card_fault:
        wrong["sound card"] = state.card_fault
    wrong |= {f"button {button.name}": door_state.stuck(button) for button in state.buttons if button.stuck}
    wrong |= door_state.conditions(state.doors, state.sensors, state.tampers)
    wrong |= door_state.guesses(state.tries)
    wrong |= {f"target {silent.target}": "called, never rang" for silent in state.unheard if silent.deaf}
    return wrong | dict(state.weak) | dict(state.wrong)


def line_up(state: State) -> Line | None:
    """Return the first line, in order of preference, that can carry a call."""
    return next((line for line in state.lines if line.phase is LinePhase.UP), None)


def next_deadline(state: State) -> float | None:
    """Return when `TimePassed` is due next, or None while only the world can change anything."""
    visit = state.visit
    instants = [visit.phase_until, *(leg.silent_until for leg in visit.legs)] if visit else []
    for line in state.lines:
        instants += [line.retry_at, line.probe_at, line.probe_until, line.knock_at]
    for door in state.doors:
        instants += [door.released_until, door.held_at, door.reminds_until]
    for wire in (*state.buttons, *state.sensors):
        instants += [wire.settles_at, wire.stuck_at]
    instants += [instant for keying in state.keying for instant in (keying.until, keying.refused_until)]
    for tries in state.tries:
        instants += [tries.forgotten_at, tries.guessing_until]
    instants += [state.stopping_until, state.trial.until if state.trial else None]
    instants += [state.trace.until if state.trace else None]
    instants += [state.posting.until if state.posting else state.post_at]
    return min((instant for instant in instants if instant is not None), default=None)
