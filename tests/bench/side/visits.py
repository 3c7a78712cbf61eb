"""A thousand visits in a row: whether the last ones find the door as the first ones did."""

from __future__ import annotations

import time

from bench.side.contestants import DEBOUNCE_MS, OURS, Intercom, dark
from bench.side.figures import middle
from bench.side.rounds import REST_S, enter
from bench.side.site import Site

from lab.house import BUTTON, DOOR_IP, stopping
from lab.thousand import EARLY, SOCKETS_S, over_tcp, usage

SOME = 100
"""So many of the first presses are compared with as many of the last."""
HELD_S = 0.03
"""Longer than the debounce, and so is the time until the next press."""


def measure(site: Site, _: int) -> None:
    """Press, let it ring, refuse, and again.

    Over TCP: over UDP what is finished stays for 32 s (RFC 3261 timer D), and would be taken for what is lost.
    """
    door = Intercom(site.house, site.folder / "door", edit=lambda text: over_tcp(dark(text)))
    number, waits = max(site.extent.visits, 2 * EARLY), []
    with stopping(site.house.phone()) as phone:
        door.begin()
        door.door.await_record("line-up", 20)
        time.sleep(REST_S)
        processes = {"daemon": door.door.process.pid, "engine": door.door.engine_pid()}
        for visit in range(1, number + 1):
            site.wire.forget()
            edge = door.door.pins.set(BUTTON, 0)
            sent = site.wire.await_(
                lambda packet: packet.is_("INVITE") and packet.source == DOOR_IP, 10, edge, "INVITE"
            )
            waits.append(1000 * (sent.at - edge) - DEBOUNCE_MS[OURS])
            phone.await_event("CALL_INCOMING", since=edge)
            time.sleep(max(edge + HELD_S - time.monotonic(), 0))
            door.door.pins.set(BUTTON, 1)
            phone.reject()
            site.wire.await_(
                lambda packet: packet.is_("SIP/2.0 486", "INVITE") and packet.target == DOOR_IP, 10, edge, "486"
            )
            time.sleep(max(HELD_S, SOCKETS_S))
            if visit in (EARLY, number):
                for name, pid in processes.items():
                    enter(site.book, f"visits-{_end(visit)}-{name}", OURS, usage(pid).kib / 1024)
            if visit % 200 == 0:
                site.say(f"  {visit} of {number}")
        door.stop()
    first, last = waits[:SOME], waits[-SOME:]
    site.book["visits-first-press"], site.book["visits-last-press"] = {OURS: first}, {OURS: last}
    enter(site.book, "visits-press", OURS, middle(last) / middle(first))
    early, late = (
        sum(middle(site.book[f"visits-{end}-{name}"][OURS]) for name in processes) for end in ("first", "last")
    )
    enter(site.book, "visits-memory", OURS, late / early)
    enter(site.book, "visits-number", OURS, number)


def _end(visit: int) -> str:
    return "first" if visit == EARLY else "last"
