# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to survive a crash of the daemon: the visit that is under way, and no more."""

from intercom.core.values import dataclass


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
