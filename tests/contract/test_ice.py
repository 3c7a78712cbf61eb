# SPDX-License-Identifier: GPL-2.0-or-later
"""ICE: which addresses and ports an offer holds, and what a far end without ICE is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from links import route
from sip_peers import Engine, Peer, account
from test_addresses import CODES, named

from intercom.core.commands import PlaceCall, Register
from intercom.core.events import CallAnswered, LineUp
from intercom.engine.sip.settings import RTP_PORTS

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

CASES: dict[str, tuple[str, str, str, set[str]]] = {
    "the default route leads elsewhere": ("10.20.0.1", "", "10.20.0.9", {"4", "6"}),
    "a route that says from where": ("10.40.0.1", "", "10.20.0.77", {"4", "6"}),
    "IPv6": ("fd00:20::1", "", "fd00:20::9", {"4", "6"}),
    "an address of IPv4 that is configured": ("10.20.0.1", "10.20.0.77", "10.20.0.77", {"4"}),
}
"""What it is -> where the peer is, `bind`, the address that is the door's there, and the kinds of its candidates."""


@pytest.mark.parametrize("case", CASES)
def test_an_offer_with_ice_names_the_same_address_as_one_without(home: tuple[str, ...], case: str) -> None:
    """In c=, a=rtcp and Contact, for a far end that knows no ICE; it answers, and its call stands."""
    there, bind, ours, kinds = CASES[case]
    route(home, "default via 10.30.0.1", "10.40.0.0/24 via 10.20.0.1 src 10.20.0.77")
    invite = called(home, there, bind, ice=True)
    candidates = re.findall(r"(?m)^a=candidate:\S+ [12] UDP \d+ (\S+) (\d+) typ host", invite.body)

    assert set(named(invite).values()) - {"127.0.0.1"} == {ours}
    assert {"6" if ":" in address else "4" for address, _ in candidates} == kinds
    assert not any(address.startswith(("127.", "fe80:", "::1")) for address, _ in candidates)


@pytest.mark.parametrize("there", ["10.20.0.1", "fd00:20::1"])
def test_all_ports_of_ice_are_in_the_range(home: tuple[str, ...], there: str) -> None:
    """A firewall's rule holds for it too, over either kind of address."""
    route(home, "default via 10.20.0.1")
    invite = called(home, there, "", ice=True)
    ports = {int(port) for port in re.findall(r"(?m)^a=candidate:.* (\d+) typ|^m=audio (\d+)", invite.body)[0] if port}
    ports |= {int(port) for port in re.findall(r"(?m)^a=candidate:.* (\d+) typ", invite.body)}

    assert len(ports) >= 4
    assert ports <= set(RTP_PORTS)


def called(home: tuple[str, ...], there: str, bind: str, **changes: Any) -> Any:
    """Have the door call a peer, which answers; return the INVITE."""
    peer = Peer(there, **CODES)
    engine = Engine(account(peer, **changes), argv=home, bind=bind)
    try:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        return peer.wait("INVITE")
    finally:
        engine.close()
        peer.close()
