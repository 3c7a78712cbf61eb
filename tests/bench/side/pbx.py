"""The same presses through another PBX: Asterisk, which answers for both sides and takes longer over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.side.contestants import NUMBER, USERS, GpioBaresip, Intercom, Loop
from bench.side.rounds import Rounds
from bench.side.site import Site

from lab.asterisk import PBX_IP, Asterisk
from lab.baresip import Phone
from lab.house import stopping

THROUGH = "asterisk-"
"""Begins the keys of its figures."""
TREE = "INTERCOM_ASTERISK"


def lacks(environment: Mapping[str, str]) -> str:
    """Return why there is no Asterisk here; empty when there is."""
    if environment.get(TREE):
        return ""
    return "no package mirror of this machine gave Asterisk (Debian has it in sid and in bullseye)"


def measure(site: Site, _: int) -> None:
    """Press in turn, with everybody registered at Asterisk."""
    site.say("  Asterisk starts")
    asterisk = Asterisk(Path(site.environment[TREE]), site.folder / "asterisk", more=USERS)
    with stopping(asterisk):
        contestants = [
            Intercom(site.house, site.folder / "intercom", registrar=PBX_IP),
            GpioBaresip(site.house, site.folder / "baresip", registrar=PBX_IP),
            Loop(site.house, site.folder / "loop", registrar=PBX_IP),
        ]
        measuring = Rounds(site.wire, contestants, site.book, site.say)
        with stopping(Phone(NUMBER, site.folder, asterisk, f"p{NUMBER}")) as phone:
            phone.wait_registered()
            try:
                measuring.begin()
                site.say(f"  presses, {site.extent.asterisk_presses} each")
                measuring.presses(site.extent.asterisk_presses, phone, THROUGH)
            finally:
                measuring.stop()
