# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door knows: whatever affects what may follow what stands here.

The tables that it moves by are in `transitions.py`, what it means for sound, lamp and strikes in `outputs.py`.
"""

from enum import StrEnum

from intercom.core import sources
from intercom.core.acoustics import Acoustics
from intercom.core.commands import Kind
from intercom.core.door_state import EMPTY_LEDGER, AccessLedger, CodeEntry, Door, FailedAttempts, Wire
from intercom.core.events import SoundCheckKind, SoundMeasured, StreamMeasured
from intercom.core.fast_dataclass import dataclass
from intercom.core.rules import Rules, SensorKind
from intercom.core.snapshot import NOTHING, Press, Stage, Untold
from intercom.core.transitions import Outcome, Phase
from intercom.core.words import OPERATOR


@dataclass(frozen=True, slots=True)
class Leg:
    """One call that a visit placed: its name, unique for ever, whom it calls, and how."""

    name: str
    target: str
    account: str
    silent_until: float | None = None
    """When its server counts as one that says nothing; None once it has said something, or was passed over."""
    progressed: bool = False
    """Whether a server has taken notice of it."""
    rang: bool = False
    """Whether its phone rings: 180, or sound that flows. 181, 182 and a bare 183 say something else."""
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
class Incoming:
    """The call of somebody who called the door. It is answered or hung up, and never placed anew by another way.

    It is no `Leg`: what is done about calls that the door placed cannot be done to it by mistake.
    """

    name: str
    caller: str
    account: str
    method: str = ""
    """As in `Leg`."""
    keyed_at: float = 0.0


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
    """Calls that the door placed and that are on their way or up."""
    incoming: Incoming | None = None
    """The call that came in, where the house called."""
    dialled: int = 0
    """Legs placed so far, so that no leg's name is used twice."""
    talker: str = ""
    """The call that was answered."""
    answered_by: str = ""
    """The target whose leg answered, or who called the door."""
    early: str = ""
    """A leg that sends sound before its answer."""
    rang: bool = False
    """Whether any phone rang or was picked up so far, in whichever stage and by whichever way."""
    failures: tuple[tuple[int, bool], ...] = ()
    """SIP status of each leg that ended without an answer, and whether it had rung."""
    talked_s: float | None = None
    """How long somebody talked so far, in seconds; None where nobody has."""
    talks_since: float | None = None
    """Since when somebody talks now."""
    account: str = ""
    shown: str = ""
    """Who calls the door, as a phone would show it."""
    tried: frozenset[tuple[str, str]] = frozenset()
    """Number and account of every leg so far."""
    called: frozenset[str] = frozenset()
    """Target of every leg so far, as the journal tells it."""
    rings_most_until: float = 0.0
    """How long the present stage may last at most, whatever ways its calls have to take."""
    patient_until: float | None = None
    """How long it waits for a line, however often it has to; None until it waits."""
    doubted: str = ""
    """The account whose server is asked, before the visit ends, whether it lives at all."""
    called_back: bool = False
    wrong_codes: int = 0
    """Wrong codes that it has heard: after some it is deaf to more, also after a restart of the voice engine."""
    cuts: int = 0
    """How often the voice engine or the daemon died before somebody answered."""
    outcome: Outcome | None = None
    """How it ended; None as long as it has not."""
    marks: tuple[tuple[str, float], ...] = ()
    """Name of a moment -> when it was first reached. The time line of the final record."""
    stream: StreamMeasured | None = None
    """The last that was measured of the talker's packets."""
    sound: SoundMeasured | None = None
    """And of its sound."""
    one_way: tuple[tuple[str, str], ...] = ()
    """Direction that is not heard ("in": the house, "out": the visitor) -> why, as it was told."""
    half_duplex: bool = False
    sound_lost: bool = False
    """Whether its call was ended because nothing came any more."""

    @property
    def by_visitor(self) -> bool:
        """Whether somebody pressed a button: neither the house called, nor an operator."""
        return self.button not in ("", OPERATOR)


@dataclass(frozen=True, slots=True)
class Trial:
    """The sound is tried while nobody is there; see sound_check.py."""

    kind: SoundCheckKind
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
    silent_since: float | None = None
    """Since when nothing came from its server; None while it answers, whatever it is."""
    knock_at: float | None = None
    """When to see next whether anything is there again."""
    servers: tuple[str, ...] = ()
    """Where its name leads, the best first; empty until a name server said so, and for literal addresses."""
    server: int = 0
    """Place in `servers` of the one in use."""
    moving: bool = False
    """Whether the network changed, and the server has not answered a REGISTER since."""
    tried_at: float | None = None
    """When a REGISTER was last ordered."""
    refused: int = 0
    """Registrations that were refused for their credentials since it was last up."""
    resting: tuple[tuple[str, float], ...] = ()
    """Server that asked to be left alone -> until when; "" stands for the only one."""


@dataclass(frozen=True, slots=True)
class SilentTarget:
    """A target that was called and did not ring."""

    target: str
    since: float
    calls: int = 1
    deaf: bool = False
    """Whether that has gone on long enough to be told."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A text of the door's own that is on its way to a person."""

    number: int
    presses: tuple[Press, ...]
    """What it tells."""
    more: int
    until: float
    """When its answer is too late."""


@dataclass(frozen=True, slots=True)
class RefusalBudget:
    """Calls and texts that were refused by name, and how many of them may still be told one by one (`refusals.py`)."""

    whole_at: float = 0.0
    """When as many may be told in a row again as ever."""
    held: int = 0
    """Those that were not told yet."""
    kind: Kind | None = None
    """The last one of these: what it was, and what its record says."""
    fields: tuple[tuple[str, str | float], ...] = ()


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
    keying: tuple[CodeEntry, ...] = ()
    """Who is keying a code."""
    checks: int = 0
    """Comparisons of codes so far, so that no number is used twice."""
    tries: tuple[FailedAttempts, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()
    """Mark of a secret -> how often it was used, of codes that may not be used for ever."""
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
    untold: Untold = NOTHING
    """What people have still to be told by text."""
    posting: Posting | None = None
    """The text that is on its way."""
    post_at: float | None = None
    """Until when the next text waits; None: it goes as soon as there is a way."""
    post_failed: int = 0
    """Texts in a row that were not taken."""
    posts: int = 0
    """Texts sent so far, so that no number is used twice."""
    unheard: tuple[SilentTarget, ...] = ()
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
    refusals: RefusalBudget = RefusalBudget()
    stopping_until: float | None = None


MARKS = 100
"""Secrets that are no longer in the configuration and whose uses are still known."""


def new(boot: str, rules: Rules, ledger: AccessLedger = EMPTY_LEDGER) -> State:
    """Return the state of a daemon that has just started: all locked, all down, all silent."""
    return State(
        boot=boot,
        lines=tuple(Line(account) for account in rules.accounts),
        doors=tuple(Door(name) for name in rules.pulse_s),
        buttons=tuple(Wire(name) for name in rules.buttons),
        sensors=tuple(Wire(name, active=None, level=None) for name in rules.sensors),
        tampers=frozenset(name for name, sensor in rules.sensors.items() if sensor.kind is SensorKind.TAMPER),
        uses=_uses(rules, ledger),
        tries=sources.renamed(rules, ledger.tries),
    )


def _uses(rules: Rules, ledger: AccessLedger) -> tuple[tuple[str, int], ...]:
    """Return how often secrets were used, by their marks. Older ledgers know them by the names of their sections.

    A secret that the configuration does not name now stays used: it may be named again. Of those the last few stay.
    """
    marks = {name: rule.mark or name for name, rule in rules.codes.items() if rule.uses}
    named = [(marks.get(key, key), used) for key, used in ledger.uses]
    known = [entry for entry in named if entry[0] in marks.values()]
    others = [entry for entry in named if entry[0] not in marks.values()]
    return tuple(sorted([*known, *others[-MARKS:]]))
