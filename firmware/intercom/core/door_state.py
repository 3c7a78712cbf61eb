# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is at a door besides the visit: strikes, wires, and who keys digits how often in vain."""

from dataclasses import field

from intercom.core.fast_dataclass import dataclass
from intercom.core.rules import What

UNOPENED = 10
"""After so many releases without an opening the contact itself is doubted."""


@dataclass(frozen=True, slots=True)
class Door:
    """One strike. Locked unless it has a deadline; there is no other way to be released."""

    name: str
    released_until: float | None = None
    released_at: float = 0.0
    visit: str = ""
    holding: bool = False
    """Whether it stays released until it is locked again, or for `hold_s`."""
    locked_at: float | None = None
    """When it was last locked: who pushed in that moment has forced nothing."""
    is_open: bool | None = None
    """What the contact says; None where there is none, or none has spoken yet."""
    forced: bool = False
    """Opened without having been released."""
    held_at: float | None = None
    """When an open door will have been open too long."""
    held: bool = False
    reminds_until: float | None = None
    """How long the tone asks for the door to be closed."""
    unopened: int = 0
    """Releases in a row after which the contact saw no opening."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One input's wire, debounced by holding still for `debounce_s`."""

    name: str
    active: bool | None = False
    """The level that has held still; None until a sensor's has done so for the first time."""
    level: bool | None = False
    since: float = 0.0
    """When the wire first left the still level."""
    settles_at: float | None = None
    stuck_at: float | None = None
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One source of digits: the phone that talks, or a keypad at the door."""

    name: str
    """The leg, or the keypad: what digits come with."""
    source: str
    """Who keys, by its one name (sources.py): the phone, or the keypad."""
    visit: str = ""
    """Empty for a keypad."""
    method: str = ""
    digits: str = field(default="", repr=False)
    until: float | None = None
    """When an entry that was left unfinished is given up."""
    check: int | None = None
    """Number of the comparison under way."""
    waiting: str = field(default="", repr=False)
    """Keys that came during it."""
    compared: frozenset[What] = frozenset()
    """What this entry has been compared with in vain, so that giving it up is a guess that failed."""
    slips: int = 0
    """Wrong entries of this call that a right one may put right."""
    refused_until: float | None = None
    """Until when whoever stands at this keypad is shown that his code opens nothing."""
    reply: str = ""
    """The account through which a code came as a text, and through which the answer goes."""
    reply_to: str = ""
    """To whom."""
    over: bool = False
    """The call is over; only the answer to a comparison is awaited."""


@dataclass(frozen=True, slots=True)
class FailedAttempts:
    """What a source has keyed in vain, and until when nobody listens to it for that; see guessing.py.

    Instants are CLOCK_MONOTONIC.
    """

    name: str
    """The source: "keypad front", "201@home"."""
    what: What = What.CODES
    whole_at: tuple[float, ...] = ()
    """When each of its purses would be full again."""
    locked_until: float = 0.0
    """Until when entries of this kind are not heard from there."""
    noticed: float = 0.0
    """When what was noticed of it would be forgotten."""
    guessing_until: float | None = None
    """Until when it counts as guessing; None while it does not."""
    slipped: float = 0.0
    """When the allowance for slips would be whole again."""

    @property
    def forgotten_at(self) -> float:
        """When nothing of it means anything any more."""
        return max(*self.whole_at, self.noticed, self.slipped, self.locked_until)


@dataclass(frozen=True, slots=True)
class AccessLedger:
    """What has to survive even a loss of power: how often codes were used, and what was keyed in vain."""

    uses: tuple[tuple[str, int], ...] = ()
    """Mark of a secret -> how often it has released a door; only of codes that may not do so for ever."""
    tries: tuple[FailedAttempts, ...] = ()


EMPTY_LEDGER = AccessLedger()
"""Of a door that is new."""


def conditions(doors: tuple[Door, ...], sensors: tuple[Wire, ...], tampers: frozenset[str]) -> dict[str, str]:
    """Return what is wrong at the doors: name of the condition -> detail."""
    wrong = {f"door {door.name} forced": "opened without having been released" for door in doors if door.forced}
    wrong |= {f"door {door.name} left open": "for too long" for door in doors if door.held}
    wrong |= {wire.name: "opened" for wire in sensors if wire.name in tampers and wire.active}
    wrong |= {f"input {wire.name}": stuck(wire) for wire in sensors if wire.stuck}
    doubted = [door.name for door in doors if door.unopened >= UNOPENED]
    return wrong | {f"contact {name}": f"closed through {UNOPENED} releases: stuck?" for name in doubted}


def guesses(tries: tuple[FailedAttempts, ...]) -> dict[str, str]:
    """Return who guesses: name of the condition -> detail."""
    return {f"{one.what.value} from {one.name}": "somebody guesses" for one in tries if one.guessing_until is not None}


def stuck(wire: Wire) -> str:
    """Return what is wrong with a wire that is stuck."""
    return "held down: stuck?" if wire.active or wire.settles_at is None else "never at rest: a loose wire?"
