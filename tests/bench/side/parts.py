"""The parts of a run, in their order: what each measures, and about how long it takes on two cores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.side import calls, many, pbx, trips, trouble, visits
from bench.side.contestants import GpioBaresip, Intercom, Loop
from bench.side.extent import Extent
from bench.side.rounds import Rounds
from bench.side.site import Site

from lab.house import stopping


@dataclass(frozen=True)
class Part:
    """A part of a run."""

    text: str
    measure: Callable[[Site, int], None]
    """Gets the number of this time, from 0 on."""
    seconds: Callable[[Extent], float]
    times: Callable[[Extent], int] = lambda extent: 1
    lacks: Callable[[Mapping[str, str]], str] = lambda environment: ""
    """Why it cannot be measured here; empty when it can."""


def warm_up(site: Site) -> None:
    """Start everybody once, uncounted: whoever comes first after a change has Python compile it."""
    for who in (
        Intercom(site.house, site.folder / "intercom"),
        GpioBaresip(site.house, site.folder / "baresip"),
        Loop(site.house, site.folder / "loop"),
    ):
        Rounds(site.wire, [who], defaultdict(dict), site.say).alone(who)


def a_round(site: Site, number: int) -> None:
    """Begin everybody alone, then all together: idleness, presses, SIGKILL; at last without the SIP service."""
    contestants = [
        Intercom(site.house, site.folder / "intercom"),
        GpioBaresip(site.house, site.folder / "baresip"),
        Loop(site.house, site.folder / "loop"),
    ]
    # Another one is first in each round.
    turn = number % len(contestants)
    measuring = Rounds(site.wire, contestants[turn:] + contestants[:turn], site.book, site.say)
    for who in measuring.contestants:
        site.say(f"  {who.name}, alone")
        measuring.alone(who)
    with stopping(site.house.phone()) as phone:
        try:
            measuring.together(phone, site.extent.idle_s, site.extent.presses)
            site.say("  SIGKILL")
            for who in measuring.contestants:
                trouble.kill(site.wire, who, site.book)
            if site.extent.service and number == site.extent.rounds - 1:
                site.say("  the SIP service goes, and comes back")
                trouble.leave(site.wire, site.house.registrar, measuring.contestants, site.book)
        finally:
            measuring.stop()


PARTS = {
    "rounds": Part(
        "start, idleness, presses, SIGKILL, the SIP service gone",
        a_round,
        lambda extent: 42 + extent.idle_s + 2.4 * extent.presses + 50 * extent.service,
        lambda extent: extent.rounds,
    ),
    "asterisk": Part(
        "presses through Asterisk",
        pbx.measure,
        lambda extent: 20 + 1.6 * extent.asterisk_presses,
        lacks=pbx.lacks,
    ),
    "calls": Part("conversations", calls.measure, lambda extent: 4 * (6 + extent.call_s) + 3 * (extent.calls - 1) * 6),
    "trips": Part("audio round trips", trips.measure, lambda extent: 5 * (5 + extent.chirps), lacks=trips.lacks),
    "visits": Part("visits in a row", visits.measure, lambda extent: 6 + 0.12 * extent.visits),
    "buttons": Part(
        "1, 2, 4, 8 buttons",
        many.measure,
        lambda extent: 4 / extent.skip * (8 + extent.idle_s / 2 + extent.presses / 4 * 0.8),
    ),
}
