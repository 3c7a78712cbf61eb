"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """The usual one."""

    rounds: int = 3
    presses: int = 34
    idle_s: float = 15.0
    calls: int = 4
    call_s: float = 12.0
    skip: int = 1
    """Of the numbers of buttons every n-th is measured."""
    service: bool = True
    """Whether the SIP service goes away."""
    asterisk_presses: int = 40
    chirps: int = 12
    """How often a round trip is measured with each engine."""
    visits: int = 1000


QUICK = Extent(
    rounds=1,
    presses=8,
    idle_s=5.0,
    calls=1,
    call_s=6.0,
    skip=3,
    service=False,
    asterisk_presses=8,
    chirps=5,
    visits=200,
)
