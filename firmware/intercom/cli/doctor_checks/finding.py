# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check of `intercom doctor` has found."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How well something is."""

    WELL = "well"
    UNWISE = "unwise"
    """It works, but not as well as it could, or not for long."""
    BROKEN = "broken"
    SKIPPED = "skipped"
    """It could not be looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """"names home", "card" ..."""
    health: Health
    seen: str
    """What is so, without a full stop."""
    do: str = ""
    """What to do about it, in the imperative."""

    def sentence(self) -> str:
        """Return all of it in one sentence."""
        return f"{self.what}: {self.seen}{f': {self.do}' if self.do else ''}."


def well(what: str, seen: str) -> Finding:
    """Return that all is well."""
    return Finding(what, Health.WELL, seen)


def unwise(what: str, seen: str, do: str) -> Finding:
    """Return something that should be better."""
    return Finding(what, Health.UNWISE, seen, do)


def broken(what: str, seen: str, do: str) -> Finding:
    """Return something that is broken."""
    return Finding(what, Health.BROKEN, seen, do)


def skipped(what: str, why: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(what, Health.SKIPPED, why)
