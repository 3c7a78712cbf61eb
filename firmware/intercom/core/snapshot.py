# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to survive a crash of the daemon: the visit that is under way, and texts that nobody has taken yet."""

from intercom.core.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """Whom to ring at once, and for how long."""

    targets: tuple[str, ...]
    ring_s: float
    profile: str = ""
    """The time profile in which this stage counts; empty: always."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A visit on its way. Instants are CLOCK_MONOTONIC, which goes on over a restart of the daemon, not of the Pi."""

    visit: str
    button: str
    by: str
    began_at: float
    dialled: int
    """Legs placed so far, so that no name of a leg is used twice."""
    stages: tuple[Stage, ...]
    """Who has still to be rung, the present stage first."""
    called_back: bool = False
    """Whether it was cut in a conversation once already."""
    cuts: int = 0
    """How often the voice engine or a daemon died in it before somebody answered."""
    rang: bool = False
    """Whether a phone rang."""
    talked: bool = False
    """Whether somebody talked."""
    wrong_codes: int = 0
    """Wrong codes that it has heard."""


@dataclass(frozen=True, slots=True)
class Press:
    """A press of which somebody has yet to hear by text."""

    button: str
    """Its key, or what people call it."""
    at: float
    """When, by CLOCK_MONOTONIC of this boot."""
    outcome: str = ""
    epoch_s: float | None = None
    """When, in seconds since 1970, where it was in an earlier boot: then `at` says nothing."""


@dataclass(frozen=True, slots=True)
class Untold:
    """What is still to be told by text, the oldest first. It is kept until a server has taken the text (2xx)."""

    missed: tuple[Press, ...] = ()
    """Presses that reached nobody: one text tells of all."""
    more: int = 0
    """How many there were before these."""
    unanswered: tuple[Press, ...] = ()
    """Visits that nobody took: a text for each."""


NOTHING = Untold()
