# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of its addresses the door names: the one from which that server or phone is reached (RFC 3264 section 5)."""

from __future__ import annotations

import re

import pytest
from links import route
from sip_peers import Engine, Peer, Request, account

from intercom.core.commands import PlaceCall, Register, SelectServer
from intercom.core.events import CallAnswered, LineUp
from intercom.ipc.protocol import AccountSettings

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

CODES = dict.fromkeys(("REGISTER", "OPTIONS", "INVITE", "BYE"), 200)
CASES = {
    "the default route leads elsewhere": (("default via 10.30.0.1",), "10.20.0.1", "10.20.0.9"),
    "it leads there": (("default via 10.30.0.1",), "10.30.0.1", "10.30.0.9"),
    "there is none": ((), "10.20.0.1", "10.20.0.9"),
    "two with metrics": (
        ("default via 10.30.0.1 metric 100", "default via 10.20.0.1 metric 200"),
        "10.20.0.1",
        "10.20.0.9",
    ),
    "a route of its own": (("default via 10.30.0.1", "10.40.0.0/24 via 10.20.0.1"), "10.40.0.1", "10.20.0.9"),
    "a route that says from where": (
        ("default via 10.30.0.1", "10.40.0.0/24 via 10.20.0.1 src 10.20.0.77"),
        "10.40.0.1",
        "10.20.0.77",
    ),
    "IPv6 beside IPv4": (("default via 10.30.0.1",), "fd00:20::1", "fd00:20::9"),
    "IPv6 by two ways": (("default via 10.30.0.1", "default via fd00:30::1"), "fd00:20::1", "fd00:20::9"),
}
"""What it is -> the door's routes, where its peer is, and the address that is the door's there."""


def named(request: Request) -> dict[str, str]:
    """Return the address of ours in each place of an INVITE that holds one."""
    found = {
        "source": request.source[0],
        "Contact": re.sub(r".*@(\[[^\]]+\]|[^:;>]+).*", r"\1", request.header("Contact")).strip("[]"),
        "c=": re.findall(r"(?m)^c=IN IP[46] (\S+)", request.body)[0],
        "o=": re.findall(r"(?m)^o=.* (\S+?)\r?$", request.body)[0],
    }
    if rtcp := re.findall(r"(?m)^a=rtcp:\d+ IN IP[46] (\S+)", request.body):
        found["a=rtcp"] = rtcp[0]
    return found


def of_kind(kind: str, peer: Peer) -> tuple[AccountSettings, str]:
    """Return an account through which a peer is called, and the target."""
    match kind:
        case "registered":
            return account(peer), "201"
        case "trunk":
            return account(peer, registrar_uri=""), "201"
        case "named":
            return account(None, domain="pbx.invalid"), "201"
    return account(None, registrar_uri="", domain="127.0.0.1", user="", password=""), f"sip:201@{peer.address}"


@pytest.mark.parametrize("kind", ["registered", "trunk", "named", "direct"])
@pytest.mark.parametrize("case", CASES)
def test_a_call_names_the_address_from_which_its_server_is_reached(home: tuple[str, ...], case: str, kind: str) -> None:
    """Sound and Contact alike, and the call is answered."""
    routes, there, ours = CASES[case]
    route(home, *routes)
    peer = Peer(there, **CODES)
    settings, target = of_kind(kind, peer)
    engine = Engine(settings, argv=home, bind="")
    try:
        if kind == "named":
            engine.send(SelectServer("house", peer.address))
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", target))
        engine.wait(CallAnswered)

        assert set(named(peer.wait("INVITE")).items()) == {(place, ours) for place in named(peer.wait("INVITE"))}
    finally:
        engine.close()
        peer.close()


@pytest.mark.parametrize("bind", ["10.20.0.9", "10.20.0.77", "fd00:20::9"])
def test_an_address_that_is_configured_is_the_one(home: tuple[str, ...], bind: str) -> None:
    """`bind` decides, whatever the routes are."""
    route(home, "default via 10.30.0.1")
    peer = Peer("fd00:20::1" if ":" in bind else "10.20.0.1", **CODES)
    engine = Engine(account(peer), argv=home, bind=bind)
    try:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)

        assert set(named(peer.wait("INVITE")).values()) == {bind}
    finally:
        engine.close()
        peer.close()


def test_each_account_and_each_target_has_its_own(home: tuple[str, ...]) -> None:
    """Two servers, and phones called directly, by turns and over both kinds of address."""
    route(home, "default via 10.30.0.1")
    places = {"10.20.0.1": "10.20.0.9", "10.30.0.1": "10.30.0.9", "fd00:30::1": "fd00:30::9"}
    peers = {place: Peer(place, **CODES) for place in places}
    accounts = [account(peer, f"a{number}") for number, peer in enumerate(peers.values())]
    direct = account(None, "direct", registrar_uri="", domain="127.0.0.1", user="", password="")
    engine = Engine(*accounts, direct, argv=home, bind="")
    try:
        for number in range(len(accounts)):
            engine.send(Register(f"a{number}"))
            engine.wait(LineUp)
        for turn in range(2):
            for number, (place, ours) in enumerate(places.items()):
                for by, to in ((f"a{number}", "201"), ("direct", f"sip:201@{peers[place].address}")):
                    engine.send(PlaceCall(f"{by}{turn}{place}", by, to))
                    engine.wait(CallAnswered)
                    invite = peers[place].got("INVITE")[-1]
                    assert set(named(invite).values()) == {ours}, (turn, place, by)
    finally:
        engine.close()
        for peer in peers.values():
            peer.close()
