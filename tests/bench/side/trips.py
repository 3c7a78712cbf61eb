"""The audio round trip: the visitor's microphone, the network, a far end that sends back, the loudspeaker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.side.figures import BARESIP, LOOP, OURS
from bench.side.site import Site
from bench.sound import round_trip
from bench.sound.engines import Baresip, Ours, Pjsip

REFERENCE = "INTERCOM_REFERENCE"


def lacks(environment: Mapping[str, str]) -> str:
    """Return what is missing for it; empty when nothing is."""
    if environment.get(REFERENCE):
        return ""
    return "there is no pjsua2 with a sound device of its own to compare with: start it by ./setup.sh bench run"


def measure(site: Site, _: int) -> None:
    """Measure each engine once, all on the house's card."""
    jackd, folder = site.house.jackd, site.folder
    made: dict[str, round_trip.Call] = {
        "ours": lambda codec: Ours(jackd, folder, codec, quiet=True),
        "ours without canceller": lambda codec: Ours(jackd, folder, codec, echo=False, quiet=True),
        "baresip": lambda codec: Baresip(jackd, folder, codec),
        "baresip as it is delivered": lambda codec: Baresip(jackd, folder, codec, tuned=False),
        "PJSIP's own device": lambda codec: Pjsip(jackd, folder, codec, Path(site.environment[REFERENCE])),
    }
    trips = {}
    for name, call in made.items():
        site.say(f"  {name}")
        trips[name] = round_trip.trips(site.house.room, call, site.extent.chirps)
    site.house.usual_room()
    ours, bare, tuned, usual, device = trips.values()
    site.book["trip"] = {OURS: ours, BARESIP: tuned, LOOP: device}
    site.book["trip-bare"] = {OURS: bare, BARESIP: tuned, LOOP: device}
    site.book["trip-delivered"] = {OURS: ours, BARESIP: usual}
