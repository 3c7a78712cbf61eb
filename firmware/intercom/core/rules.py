# SPDX-License-Identifier: GPL-2.0-or-later
"""What the configuration decides, as the core goes by it. Nothing here changes while a daemon lives."""

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum

from intercom.core.fast_dataclass import dataclass
from intercom.core.snapshot import Stage


@dataclass(frozen=True, slots=True)
class CodeRule:
    """What a right code may do. The code itself is not here: the shell compares."""

    doors: tuple[str, ...]
    profile: str = ""
    """The time profile in which it counts; empty: always. A clock that is not set means that it does not."""
    uses: int = 0
    """How often it may release; 0: for ever."""
    hold: bool = False
    """Whether its doors stay released until it is keyed again."""
    keys: int = 6
    """How many digits it has; 0 for a card."""
    mark: str = ""
    """What its secret is known by where uses are counted, so that another secret begins anew; empty: its name."""


class What(Enum):
    """Kinds of entries. Who guesses at one of them takes nothing from who has another."""

    CODES = "codes"
    LONG_CODES = "long codes"
    CARDS = "cards"


@dataclass(frozen=True, slots=True)
class Budget:
    """A purse of wrong entries (see guessing.py)."""

    most: int
    """How many there may be at once."""
    each_s: float
    """How long one takes to come back."""


BUDGETS: Mapping[tuple[str, What], tuple[Budget, ...]] = {
    # A keypad hears a code again after an hour at the most: 600 + 8760 a year, 0.94 % of all codes of six digits.
    ("keypad", What.CODES): (Budget(40, 1800.0), Budget(600, 3600.0)),
    # Of eight digits: 788,410 a year, 0.79 %.
    ("keypad", What.LONG_CODES): (Budget(10, 40.0),),
    # Whoever knows the facility code of 26 bits has 65,536 numbers to try: 26 + 584 a year, 0.93 %.
    ("keypad", What.CARDS): (Budget(10, 7200.0), Budget(26, 54000.0)),
    # Ten phones: 10 * (16 + 73) a year, 0.09 % of all codes of six digits; and of eight, 0.09 %.
    ("phone", What.CODES): (Budget(12, 7200.0), Budget(16, 432000.0)),
    ("phone", What.LONG_CODES): (Budget(10, 3600.0),),
}
"""Where, and what is keyed -> the slow purses: of a day, and of a month. The quick one is of `Rules.tries`."""


class SensorKind(Enum):
    """What hangs on an input that is no visitor's button."""

    EXIT = "exit button"
    CONTACT = "door contact"
    TAMPER = "tamper switch"


@dataclass(frozen=True, slots=True)
class Sensor:
    """An input, and the door that it belongs to; empty for a tamper switch."""

    kind: SensorKind
    door: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """What is to be done with an address that a far end wants called instead: exactly one of the two is given."""

    target: str = ""
    """Whom to call, spelt as the door itself would spell it, so that a loop is seen."""
    refused: str = ""
    """Why nobody is called."""


def not_near(account: str, server: str) -> bool:
    """Take every server for somebody else's."""
    del account, server
    return False


def no_redirect(account: str, contact: str) -> Redirect:
    """Follow nothing."""
    return Redirect(refused=f"{account} follows no redirection to {contact}")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration decides. Durations are in seconds."""

    buttons: Mapping[str, tuple[Stage, ...]]
    """Button -> stages, one after the other; the targets of a stage ring at once."""
    accounts: tuple[str, ...]
    """Accounts in order of preference."""
    callers: Mapping[str, frozenset[str]]
    """Account -> users that may call the door through it; "*" is anyone its server lets through."""
    pulse_s: Mapping[str, float]
    """Door -> how long its strike is released."""
    codes: Mapping[str, CodeRule] = field(default_factory=dict)
    """Name of a code -> what it may do. The core never sees a code."""
    code_lengths: frozenset[int] = frozenset()
    """How many digits codes have."""
    hold_s: Mapping[str, float] = field(default_factory=dict)
    """Door -> how long it may be held released."""
    sensors: Mapping[str, Sensor] = field(default_factory=dict)
    """Name ("exit front", "contact front", "tamper case") -> what it is."""
    held_s: Mapping[str, float] = field(default_factory=dict)
    """Door with a contact -> how long it may stand open."""
    handles: frozenset[str] = frozenset()
    """Doors that also open by a handle or a key: nobody has forced one that is opened without having been released."""
    reminder_s: float = 60.0
    """How long a tone asks for a door to be closed that stands open; 0: no tone."""
    fallback: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Button -> whom to ring when no stage counts at this hour; without an entry: everybody."""
    confirm: frozenset[str] = frozenset()
    """Buttons whose calls count as answered only when the phone keys 1: no voicemail swallows such a visit."""
    direct: frozenset[str] = frozenset()
    """Targets that are called at their own address, without an account."""
    dial: Mapping[str, str] = field(default_factory=dict)
    """Contact -> whom it means; every other target means itself."""
    may_dial: Callable[[str], bool] = lambda _: True
    """Whether the door may call this number at all: no emergency calls by a machine that nobody answers for."""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Contact -> keys to press once it has answered. May hold a PIN: never told."""
    named: frozenset[str] = frozenset()
    """Accounts whose server is given by name: they wait for `ServersFound`, because PJSIP's own look-up blocks."""
    redirect: Callable[[str, str], Redirect] = no_redirect
    """Account and what its server wants called instead -> what to do about it."""
    most_hops: int = 5
    """How often one call may be sent on; Max-Forwards ends only what servers do among themselves."""
    text_missed_to: str = ""
    """Whom to text, after an outage, which presses reached nobody; empty: nobody."""
    text_unanswered_to: str = ""
    """Whom to text that somebody rang and nobody came; empty: nobody."""
    texters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Account -> users who may text the door."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Button -> what people call it."""
    ring_s: float = 30.0
    """How long a stage rings that does not say so itself."""
    talk_s: float = 120.0
    warn_s: float = 10.0
    rtp_timeout_s: float = 20.0
    """How long nothing may come of a far end that is not on hold, neither RTP nor RTCP; 0: for ever."""
    patience_s: float = 60.0
    debounce_s: float = 0.02
    confirm_s: float = 10.0
    """How long a call that was picked up has to key 1, even when its stage would be over."""
    code_pause_s: float = 5.0
    wrong_codes: int = 3
    """Wrong codes that one call may hear."""
    tries: int = 5
    """Wrong codes of one source at once, and within `tries_s`."""
    tries_s: float = 900.0
    budgets: Mapping[tuple[str, What], tuple[Budget, ...]] = field(default_factory=lambda: BUDGETS)
    """What a source may be wrong besides: "keypad" or "phone", and what is keyed -> its slower purses."""
    notice: Budget = Budget(8, 14400.0)
    """So many wrong entries of a source, of which one is forgotten each time: somebody guesses."""
    slips: Budget = Budget(10, 172800.0)
    """How many wrong codes of a phone are taken back because the right one followed in the same call."""
    servers: Mapping[str, str] = field(default_factory=dict)
    """Account -> its server, in lower case: users there are called by it."""
    keyed_twice_s: float = 3.0
    """How long a leg's present way of sending keys must be silent before another way counts: some phones send each
    key in two ways."""
    silent_s: float = 4.0
    """A server that has not even said 100 after this long is passed over, where there is another."""
    probe_s: float = 20.0
    """How often a registered server is asked whether it lives."""
    probe_wait_s: float = 6.0
    """How long it has for the answer: RFC 3261's retransmissions come after 0.5, 1.5 and 3.5 s."""
    cuts_borne: int = 3
    """A visit in which the voice engine died more often than this before an answer is given up: the call itself may
    be what kills it."""
    stuck_s: float = 60.0
    """A button held longer than this is stuck."""
    deaf_s: float = 3 * 86400.0
    """A target that was called and never rang for this long is deaf."""
    trial_s: float = 40.0
    """A self test takes three seconds, the longest sound an operator may play half a minute."""
    meter_s: float = 300.0
    """How long an operator may read the meter in one go."""
    announce_s: float = 3.0
    closing_s: float = 4.0
    stop_s: float = 3.0
    retry_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
    """Waits between attempts to register; the last one repeats. The shell puts the jitter in."""
    refused_s: tuple[float, ...] = (30.0, 120.0, 600.0, 1800.0)
    """The same after credentials were refused: only a person can mend that, and servers ban addresses for guessing."""
    refused_press_s: float = 300.0
    """A press tries refused credentials at once, unless they were tried within this time: a dozen times an hour."""
    retry_after_most_s: float = 3600.0
    """The longest Retry-After that is obeyed."""
    hush_s: float = 4.0
    """How long the first REGISTER is waited for before the server counts as silent: it was sent four times by then."""
    knock_s: tuple[tuple[float, float], ...] = ((600.0, 1.5), (3600.0, 5.0), (float("inf"), 30.0))
    """How long a server has been silent -> how often to see whether it is back, the same jitter in it. What says
    nothing cannot be overloaded, and is 400 bytes a knock away from ringing again. A restart or an update takes less
    than ten minutes, a power cut rarely an hour."""
    late_ms: float = 500.0
    """An answer that takes this long was asked for twice (T1 of RFC 3261): the server was away for a moment."""
    near: Callable[[str, str], bool] = not_near
    """Account and address of its server -> whether that is asked for life by REGISTER: it may be one that forgets."""


def is_named(claimed: str, asserted: str, allowed: frozenset[str]) -> bool:
    """Tell whether somebody is among the allowed: the one he says to be, and the one the server vouches for (RFC 3325).

    Neither is enough alone: a trunk hands on what a caller claims, and many a proxy hands on what a phone asserts.
    """
    return claimed in allowed and (not asserted or asserted in allowed)
