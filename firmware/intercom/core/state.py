# SPDX-License-Identifier: GPL-2.0-or-later
"""The behaviour of the door on one page. Newcomers start here.

Rule 1: everything that affects what may follow what stands in the tables of this file.
Rule 2: levels (sound, lamp, strike, status) are *functions of the state*, written in `PHASES` and at the end of this
        file. Nobody switches them on or off, so nobody can forget to: the microphone is open in exactly the phases
        whose row says so, and a tone loops in exactly the phase whose row names it.
Rule 3: what happens once (a call placed, a chime) happens on entering a phase, in `visit.py`, never on an arrow.

Three kinds of small machines run side by side and meet only here: one visit at most (somebody is at the door, or the
house called it), one line per SIP account, one door per strike. `machine.step` feeds them; `Signal` is what an event
means to the visit once it has been checked that the event is about *this* visit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from intercom.core import doorway
from intercom.core.acoustics import Acoustics
from intercom.core.commands import Audio, Lamp, Tone
from intercom.core.doorway import BLANK, Door, Keying, Ledger, Tries, Wire
from intercom.core.events import SoundMeasured, StreamMeasured, TrialKind
from intercom.core.pending import Pending, Stage
from intercom.core.rules import Rules, SensorKind


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
class PhaseRow:
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


PHASES: Mapping[Phase, PhaseRow] = {
    Phase.IDLE: PhaseRow(Lamp.READY),
    Phase.WAITING: PhaseRow(Lamp.NO_LINE, lambda r: r.patience_s, card=True),
    Phase.DIALLING: PhaseRow(Lamp.CALLING, lambda r: r.ring_s, card=True, early=True),
    Phase.RINGING: PhaseRow(Lamp.RINGING, lambda r: r.ring_s, card=True, early=True, loop=Tone.RINGBACK),
    Phase.ANNOUNCING: PhaseRow(Lamp.CALLING, lambda r: r.announce_s, card=True),
    Phase.ANSWERING: PhaseRow(Lamp.CALLING, lambda r: r.announce_s, card=True),
    Phase.TALKING: PhaseRow(Lamp.TALKING, lambda r: r.talk_s, card=True, talk=True),
    Phase.WARNED: PhaseRow(Lamp.TALKING, lambda r: r.warn_s, card=True, talk=True),
    Phase.CLOSING: PhaseRow(Lamp.OFF, lambda r: r.closing_s, card=True),
    Phase.TESTING: PhaseRow(Lamp.READY, lambda r: r.trial_s, card=True),
}


@dataclass(frozen=True, slots=True)
class Leg:
    """One call of a visit: its name, unique for ever, whom it calls, and how."""

    name: str
    target: str
    account: str = ""
    progressed: bool = False
    """Whether a server has taken notice of it."""
    rang: bool = False
    unconfirmed: bool = False
    """Something answered that has yet to key 1."""
    moved: bool = False
    """Whether the network changed before it was answered: its failure says nothing of the phone."""
    wanted: str = ""
    """Whom the plan meant, where a server sent the call on to `target`."""
    others: tuple[str, ...] = ()
    """Whom a server named besides, the best first: called when this one fails."""
    hops: int = 0
    """How often the call was sent on."""
    method: str = ""
    """How it sends its keys, of several ways that it may use at once."""
    keyed_at: float = 0.0
    """When that way was last used."""

    @property
    def planned(self) -> str:
        """The target of the plan that this call is for."""
        return self.wanted or self.target


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody is at the door, or the house called it. At most one at a time: there is one microphone."""

    id: str
    button: str
    """Empty when the house called."""
    by: str
    began_at: float
    planned: tuple[Stage, ...] = ()
    """Whom to ring, all of them."""
    stages: tuple[Stage, ...] = ()
    """Who is left of them, the present stage first."""
    phase_until: float | None = None
    legs: tuple[Leg, ...] = ()
    """Calls that are on their way or up."""
    dialled: int = 0
    """Legs placed so far, so that no leg's name is used twice."""
    talker: str = ""
    """The leg that answered."""
    answered_by: str = ""
    """The target whose leg answered."""
    early: str = ""
    """A leg that sends sound before its answer."""
    failures: tuple[int, ...] = ()
    """SIP status of each leg that ended without an answer."""
    account: str = ""
    shown: str = ""
    """Who calls the door, as a phone would show it."""
    tried: frozenset[tuple[str, str]] = frozenset()
    """Target and account of every leg so far."""
    silent_until: float | None = None
    """When a server that has said nothing is passed over."""
    patient_until: float | None = None
    """How long it waits for a line, however often it has to; None until it waits."""
    doubted: str = ""
    """The account whose server is asked, before the visit ends, whether it lives at all."""
    called_back: bool = False
    cuts: int = 0
    """How often the voice engine died before somebody answered."""
    outcome: Outcome | None = None
    marks: tuple[tuple[str, float], ...] = ()
    """Name of a moment -> when it was first reached. The time line of the final record."""
    stream: StreamMeasured | None = None
    """The last that was measured of the talker's packets."""
    sound: SoundMeasured | None = None
    """And of its sound."""
    one_way: tuple[tuple[str, str], ...] = ()
    """Direction that is not heard ("in": the house, "out": the visitor) -> why, as it was told."""
    half_duplex: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """The sound is tried while nobody is there; see trial.py."""

    kind: TrialKind
    by: str
    sound: str = ""
    began_at: float = 0.0
    until: float = 0.0
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Somebody looks at the SIP; see trace.py."""

    by: str
    until: float


class LinePhase(StrEnum):
    """Completes "the line is ..."."""

    DOWN = "down"
    REGISTERING = "registering"
    UP = "registered"


@dataclass(frozen=True, slots=True)
class Line:
    """One SIP account's registration."""

    name: str
    """The account's."""
    phase: LinePhase = LinePhase.DOWN
    since: float = 0.0
    failed: int = 0
    """Attempts in a row that came to nothing."""
    retry_at: float | None = None
    fault: str = ""
    """Why it is down; kept until it is up again."""
    took_ms: float = 0.0
    round_trip_ms: float = 0.0
    """How long its server took to answer when it was last asked whether it lives; 0 until then."""
    probe_at: float | None = None
    """When its server is asked next whether it lives."""
    probe_until: float | None = None
    """When the answer to that is too late."""
    servers: tuple[str, ...] = ()
    """Where its name leads, the best first; empty until a name server said so, and for literal addresses."""
    server: int = 0
    """Place in `servers` of the one in use."""
    moving: bool = False
    """Whether the network changed, and the server has not answered a REGISTER since."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A target that was called and did not ring."""

    target: str
    since: float
    calls: int = 1
    deaf: bool = False
    """Whether that has gone on long enough to be told."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything the door knows."""

    boot: str
    """Random text of this start of the daemon; makes visit names unique for ever."""
    phase: Phase = Phase.IDLE
    visit: Visit | None = None
    visits: int = 0
    lines: tuple[Line, ...] = ()
    doors: tuple[Door, ...] = ()
    buttons: tuple[Wire, ...] = ()
    sensors: tuple[Wire, ...] = ()
    tampers: frozenset[str] = frozenset()
    """Those of the sensors that nobody may open."""
    keying: tuple[Keying, ...] = ()
    """Who is keying a code."""
    checks: int = 0
    """Comparisons of codes so far, so that no number is used twice."""
    tries: tuple[Tries, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()
    """Code -> how often it was used, of those that may not be used for ever."""
    engine_up: bool = False
    engine_fault: str = ""
    card_fault: str = ""
    card_open: str = ""
    unwell: tuple[tuple[str, float], ...] = ()
    """Condition -> since when it lasts."""
    wrong: tuple[tuple[str, str], ...] = ()
    """What the machine's own watchers found: condition -> detail."""
    profiles: tuple[str, ...] | None = None
    """Time profiles active now; None while nobody knows the hour."""
    down_since: float | None = None
    """Since when no line has been up."""
    missed: tuple[tuple[str, float], ...] = ()
    """Presses that reached nobody and of which nobody was told yet: button, when."""
    unheard: tuple[Unheard, ...] = ()
    trial: Trial | None = None
    """Exactly in `Phase.TESTING`."""
    due: Trial | None = None
    """One that waits for its turn."""
    reference: Acoustics | None = None
    """What the self test heard when all was well."""
    weak: tuple[tuple[str, str], ...] = ()
    """What the last self test found: part -> how."""
    card_for: str = ""
    """What the card was opened for."""
    trace: Trace | None = None
    stopping_until: float | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """All levels at once, as the state wants them."""

    audio: Audio
    lamp: Lamp
    released: frozenset[str]
    status: str
    pending: Pending | None
    ledger: Ledger
    trace: bool


def new(boot: str, rules: Rules, ledger: Ledger = BLANK) -> State:
    """Return the state of a daemon that has just started: all locked, all down, all silent."""
    return State(
        boot=boot,
        lines=tuple(Line(account) for account in rules.accounts),
        doors=tuple(Door(name) for name in rules.pulse_s),
        buttons=tuple(Wire(name) for name in rules.buttons),
        sensors=tuple(Wire(name, active=None, level=None) for name in rules.sensors),
        tampers=frozenset(name for name, sensor in rules.sensors.items() if sensor.kind is SensorKind.TAMPER),
        uses=tuple((code, used) for code, used in ledger.uses if code in rules.codes and rules.codes[code].uses),
        tries=ledger.tries,
    )


def levels(state: State) -> Levels:
    """Return how everything shall be in this state."""
    return Levels(
        audio=audio(state),
        lamp=lamp(state),
        released=frozenset(door.name for door in state.doors if door.released_until is not None),
        status=status(state),
        pending=pending(state),
        ledger=Ledger(state.uses, state.tries),
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


def lamp(state: State) -> Lamp:
    """Return the pattern of the lamp: an open door is told before anything else."""
    if state.stopping_until is not None:
        return Lamp.OFF
    if any(door.released_until is not None for door in state.doors):
        return Lamp.DOOR_OPEN
    if refuses(state):
        return Lamp.REFUSED
    if state.visit is None and state.lines and not line_up(state):
        return Lamp.NO_LINE
    if state.visit is None and conditions(state):
        return Lamp.FAULT
    return PHASES[state.phase].lamp


def status(state: State) -> str:
    """Return the one line that answers "would it ring now?"."""
    if state.stopping_until is not None:
        return "stopping"
    if state.engine_fault:
        rest = [f"{name}: {detail}" for name, detail in state.wrong]
        return "; ".join([f"voice engine down: {state.engine_fault}", *rest])
    lines = ", ".join(f"{line.name} {line.phase}{f' ({line.fault})' if line.fault else ''}" for line in state.lines)
    others = [f"{name}: {detail}" for name, detail in conditions(state).items() if not name.startswith("line ")]
    return "; ".join([state.phase.value, *([lines] if lines else []), *others])


def pending(state: State) -> Pending | None:
    """Return what the next daemon has to know of this visit if this one dies now."""
    visit = state.visit
    if visit is None or state.phase in (Phase.IDLE, Phase.CLOSING):
        return None
    stages, called_back = visit.stages, visit.called_back
    if PHASES[state.phase].talk or not visit.button:
        # A conversation is called back once; the house may call again by itself.
        again = visit.button and not called_back
        stages, called_back = ((Stage((visit.answered_by,), visit.stages[0].ring_s),) if again else ()), True
    return Pending(visit.id, visit.button, visit.by, visit.began_at, visit.dialled, stages, called_back)


def conditions(state: State) -> dict[str, str]:
    """Return what is wrong now: name of the condition -> detail."""
    wrong = {f"line {line.name}": line.fault for line in state.lines if line.fault}
    if state.engine_fault:
        wrong["voice engine"] = state.engine_fault
    if state.card_fault:
        wrong["sound card"] = state.card_fault
    wrong |= {f"button {button.name}": doorway.stuck(button) for button in state.buttons if button.stuck}
    wrong |= doorway.conditions(state.doors, state.sensors, state.tampers)
    wrong |= {f"target {silent.target}": "called, never rang" for silent in state.unheard if silent.deaf}
    return wrong | dict(state.weak) | dict(state.wrong)


def line_up(state: State) -> Line | None:
    """Return the first line, in order of preference, that can carry a call."""
    return next((line for line in state.lines if line.phase is LinePhase.UP), None)


def next_deadline(state: State) -> float | None:
    """Return when `TimePassed` is due next, or None while only the world can change anything."""
    visit = state.visit
    instants = [visit.phase_until, visit.silent_until] if visit else []
    for line in state.lines:
        instants += [line.retry_at, line.probe_at, line.probe_until]
    for door in state.doors:
        instants += [door.released_until, door.held_at, door.reminds_until]
    for wire in (*state.buttons, *state.sensors):
        instants += [wire.settles_at, wire.stuck_at]
    instants += [instant for keying in state.keying for instant in (keying.until, keying.refused_until)]
    instants += [state.stopping_until, state.trial.until if state.trial else None]
    instants += [state.trace.until if state.trace else None]
    return min((instant for instant in instants if instant is not None), default=None)
