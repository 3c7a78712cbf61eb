# SPDX-License-Identifier: GPL-2.0-or-later
"""The behaviour of the door on one page. Newcomers start here.

Rule 1: everything that affects what may follow what stands in the tables of this file.
Rule 2: levels (sound, lamp, strike, status) are *functions of the state*, written in `PHASES` and in `outputs.py`.
        Nobody switches them on or off, so nobody can forget to: the microphone is open in exactly the phases whose row
        says so, and a tone loops in exactly the phase whose row names it.
Rule 3: what happens once (a call placed, a chime) happens on entering a phase, in `entry_actions.py`, never on an
arrow.

Three kinds of small machines run side by side and meet only here: one visit at most (somebody is at the door, or the
house called it), one line per SIP account, one door per strike. `machine.step` feeds them; `Signal` is what an event
means to the visit once it has been checked that the event is about *this* visit.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum

from intercom.core.commands import Lamp, Tone
from intercom.core.fast_dataclass import dataclass
from intercom.core.rules import Rules


class Phase(StrEnum):
    """Completes "the visit is ..."."""

    IDLE = "idle"
    WAITING = "waiting for a line"
    DIALLING = "dialling"
    RINGING = "ringing"
    ANNOUNCING = "announcing"
    ANSWERING = "answering"
    TALKING = "talking"
    WARNED = "about to end"
    CLOSING = "closing"
    TESTING = "testing the sound"


class Signal(Enum):
    """What an event means to the visit."""

    PRESSED = "somebody pressed and there is a line"
    PRESSED_WITHOUT_LINE = "somebody pressed and there is none"
    CALLED = "an allowed caller calls the door"
    LINE_BACK = "a line is there"
    LINE_GONE = "nobody can be rung until a line is back"
    CALL_BACK = "the conversation was cut, and is called back once"
    CUT = "the conversation was cut for good"
    NEXT_STAGE = "others are rung now"
    RINGS = "a phone rings"
    ANSWERED = "a phone answered"
    ANNOUNCED = "the warning that somebody listens was played"
    GONE = "no leg is left"
    TIME_UP = "the phase lasted as long as it may"
    TOLD = "the closing tone was played"
    STOPPED = "the daemon ends"
    SUPERSEDED = "another button was pressed before anybody answered, or before a call from outside was up"
    TRIAL_BEGUN = "the sound is to be tried, and nobody is there"
    TRIED = "the sound was tried"


_RINGS_OUT = {
    Signal.ANSWERED: Phase.TALKING,
    Signal.GONE: Phase.CLOSING,
    Signal.TIME_UP: Phase.CLOSING,
    Signal.NEXT_STAGE: Phase.DIALLING,
    Signal.LINE_GONE: Phase.WAITING,
    Signal.CUT: Phase.CLOSING,
    Signal.STOPPED: Phase.CLOSING,
    Signal.SUPERSEDED: Phase.CLOSING,
}


_TALKS = {
    Signal.GONE: Phase.CLOSING,
    Signal.CALL_BACK: Phase.WAITING,
    Signal.CUT: Phase.CLOSING,
    Signal.STOPPED: Phase.CLOSING,
}


NEXT: Mapping[Phase, Mapping[Signal, Phase]] = {
    Phase.IDLE: {
        Signal.PRESSED: Phase.DIALLING,
        Signal.PRESSED_WITHOUT_LINE: Phase.WAITING,
        Signal.CALLED: Phase.ANNOUNCING,
        Signal.TRIAL_BEGUN: Phase.TESTING,
    },
    Phase.WAITING: {
        Signal.LINE_BACK: Phase.DIALLING,
        Signal.GONE: Phase.CLOSING,
        Signal.TIME_UP: Phase.CLOSING,
        Signal.CUT: Phase.CLOSING,
        Signal.STOPPED: Phase.CLOSING,
        Signal.SUPERSEDED: Phase.CLOSING,
    },
    Phase.DIALLING: {Signal.RINGS: Phase.RINGING, **_RINGS_OUT},
    Phase.RINGING: _RINGS_OUT,
    Phase.ANNOUNCING: {
        Signal.ANNOUNCED: Phase.ANSWERING,
        Signal.GONE: Phase.CLOSING,
        Signal.TIME_UP: Phase.CLOSING,
        Signal.CUT: Phase.CLOSING,
        Signal.STOPPED: Phase.CLOSING,
        Signal.SUPERSEDED: Phase.CLOSING,
    },
    Phase.ANSWERING: {
        Signal.ANSWERED: Phase.TALKING,
        Signal.GONE: Phase.CLOSING,
        Signal.TIME_UP: Phase.CLOSING,
        Signal.CUT: Phase.CLOSING,
        Signal.STOPPED: Phase.CLOSING,
        Signal.SUPERSEDED: Phase.CLOSING,
    },
    Phase.TALKING: {Signal.TIME_UP: Phase.WARNED, **_TALKS},
    Phase.WARNED: {Signal.TIME_UP: Phase.CLOSING, **_TALKS},
    Phase.CLOSING: {Signal.TOLD: Phase.IDLE, Signal.TIME_UP: Phase.IDLE, Signal.CUT: Phase.IDLE},
    Phase.TESTING: {
        Signal.PRESSED: Phase.DIALLING,
        Signal.PRESSED_WITHOUT_LINE: Phase.WAITING,
        Signal.CALLED: Phase.ANNOUNCING,
        Signal.TRIED: Phase.IDLE,
        Signal.TIME_UP: Phase.IDLE,
        Signal.CUT: Phase.IDLE,
        Signal.STOPPED: Phase.IDLE,
    },
}
"""Phase -> signal -> phase. A signal that its row does not name changes nothing."""


class Outcome(StrEnum):
    """How a press ended. Every press gets exactly one."""

    TALKED = "talked"
    NO_ANSWER = "no answer"
    BUSY = "busy"
    DECLINED = "declined"
    NOT_FOUND = "not found"
    UNREACHABLE = "unreachable"
    SUPERSEDED = "superseded"
    CUT = "cut off"
    STOPPED = "stopped"


OUTCOME_TONES: Mapping[Outcome, Tone] = {
    Outcome.TALKED: Tone.CLOSING,
    Outcome.NO_ANSWER: Tone.UNANSWERED,
    Outcome.BUSY: Tone.BUSY,
    Outcome.DECLINED: Tone.DECLINED,
    Outcome.NOT_FOUND: Tone.NOT_FOUND,
    Outcome.UNREACHABLE: Tone.UNREACHABLE,
    Outcome.CUT: Tone.UNREACHABLE,
}
"""What the visitor hears at the end. An outcome without a tone is told by what follows at once."""


@dataclass(frozen=True, slots=True)
class PhaseOutputs:
    """What holds as long as a phase lasts."""

    lamp: Lamp
    lasts: Callable[[Rules], float] | None = None
    """Rules -> the longest this phase may take."""
    card: bool = False
    early: bool = False
    """The loudspeaker carries the far end's own ring-back when there is one."""
    talk: bool = False
    """Both directions are open: the only phases in which the microphone is heard."""
    loop: Tone | None = None


PHASES: Mapping[Phase, PhaseOutputs] = {
    Phase.IDLE: PhaseOutputs(Lamp.READY),
    Phase.WAITING: PhaseOutputs(Lamp.NO_LINE, lambda r: r.patience_s, card=True),
    Phase.DIALLING: PhaseOutputs(Lamp.CALLING, lambda r: r.ring_s, card=True, early=True),
    Phase.RINGING: PhaseOutputs(Lamp.RINGING, lambda r: r.ring_s, card=True, early=True, loop=Tone.RINGBACK),
    Phase.ANNOUNCING: PhaseOutputs(Lamp.CALLING, lambda r: r.announce_s, card=True),
    Phase.ANSWERING: PhaseOutputs(Lamp.CALLING, lambda r: r.announce_s, card=True),
    Phase.TALKING: PhaseOutputs(Lamp.TALKING, lambda r: r.talk_s, card=True, talk=True),
    Phase.WARNED: PhaseOutputs(Lamp.TALKING, lambda r: r.warn_s, card=True, talk=True),
    Phase.CLOSING: PhaseOutputs(Lamp.OFF, lambda r: r.closing_s, card=True),
    Phase.TESTING: PhaseOutputs(Lamp.READY, lambda r: r.trial_s, card=True),
}
