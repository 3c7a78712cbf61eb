# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers get no answer, with the real PJSIP; its gate is firmware/pjsip/gate.c."""

import contextlib
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sip_peers import Peer, Request, account, contact_uri, running

from intercom.core.commands import HangUp, PlaceCall, Probe, Register, SelectServer
from intercom.core.events import (
    CallAnswered,
    CallArrived,
    CallEnded,
    LineUp,
    ServerResponded,
    UnknownSourcesDropped,
)
from intercom.engine.sip.native import CAUSES, Refused
from intercom.engine.sip.rejections import HOUR_S, UnknownSources

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

STRANGER = "127.0.0.3"
ALL: dict[str, int] = dict.fromkeys(("REGISTER", "OPTIONS", "MESSAGE", "INVITE", "BYE"), 200)
METHODS = (
    "INVITE",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "REFER",
    "PUBLISH",
    "INFO",
    "UPDATE",
    "PRACK",
    "BYE",
    "CANCEL",
    "ACK",
)


@pytest.fixture
def server() -> Iterator[Peer]:
    with contextlib.closing(Peer(**ALL)) as server:
        yield server


def knock(method: str, to: tuple[str, int], name: str, *, extra: str = "") -> bytes:
    """A request that could be anybody's."""
    return (
        f"{method} sip:door@{to[0]}:{to[1]} SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK{name};rport\r\n"
        f"From: <sip:201@house>;tag={name}\r\nTo: <sip:door@house>\r\nCall-ID: {name}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:201@{STRANGER}>\r\nMax-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()


def in_dialog(method: str, ours: Request, *, extra: str = "", body: str = "") -> bytes:
    """A request inside the call that an INVITE of the door began, as its far end would send it."""
    contact = re.findall("<(sip:[^>]+)>", ours.header("Contact"))[0]
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK{method};rport\r\n"
        f"From: {ours.header('To')};tag=peer\r\nTo: {ours.header('From')}\r\nCall-ID: {ours.header('Call-ID')}\r\n"
        f"CSeq: 77 {method}\r\nContact: <sip:x@{STRANGER}>\r\nMax-Forwards: 70\r\n{extra}{kind}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextlib.contextmanager
def stranger(ip: str = STRANGER) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.bind((ip, 0))
        yield plug


def heard(plug: socket.socket) -> list[bytes]:
    """What has come in by now."""
    got = []
    while select.select([plug], [], [], 0)[0]:
        with contextlib.suppress(OSError):
            got.append(plug.recv(65536))
    return got


def test_whatever_a_stranger_sends_gets_no_answer_and_one_record(server: Peer) -> None:
    """No 403, no 405, no 400: a scanner does not even learn that a telephone is here."""
    with running(account(server)) as engine, stranger() as plug:
        engine.send(Register("house"))
        engine.wait(LineUp)
        door = server.wait("REGISTER").source
        for method in METHODS:
            plug.sendto(knock(method, door, method), door)
        plug.sendto(b"INVITE rubbish" + b"x" * 50, door)
        told = engine.wait(UnknownSourcesDropped)
        engine.send(Probe("house"))
        engine.wait(ServerResponded)  # the engine has been round

        assert heard(plug) == []
        assert engine.told(CallArrived) == []
        assert (told.source, len(engine.told(UnknownSourcesDropped))) == (STRANGER, 1)
        assert "rubbish" not in "".join(engine.stderr)


def test_a_strangers_tcp_connection_is_closed_before_it_says_a_word() -> None:
    """Else somebody could hold every descriptor there is."""
    with (
        contextlib.closing(Peer(**ALL)) as server,
        running(account(server, transport="tcp", registrar_uri="")) as engine,
    ):
        port = _listening_port(engine.process.pid)
        with socket.socket() as plug:
            plug.bind((STRANGER, 0))
            plug.connect(("127.0.0.1", port))
            plug.settimeout(5)

            assert plug.recv(100) == b""
        assert engine.wait(UnknownSourcesDropped).source == STRANGER


def test_a_server_that_nobody_registers_with_may_call_at_once(server: Peer) -> None:
    """A trunk knows the door by its address and may call before it has answered anything, or without ever doing so."""
    del server.codes["OPTIONS"]
    trunk = account(server, registrar_uri="", trust="address")
    with running(trunk) as engine, stranger() as plug:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(Probe("house"))
        door = server.wait("OPTIONS").source
        server.call(door)
        plug.sendto(knock("INVITE", door, "x"), door)

        assert engine.wait(CallArrived).trusted
        assert engine.wait(UnknownSourcesDropped).request == "INVITE"
        assert engine.told(ServerResponded) == []


def test_every_server_that_the_name_leads_to_may_call(server: Peer) -> None:
    """A cluster registers the door with one of its servers, and any of them may ring it."""
    with contextlib.closing(Peer("127.0.0.2", **ALL)) as other, running(account(server)) as engine:
        engine.send(SelectServer("house", server.address, (other.address,)), Register("house"))
        engine.wait(LineUp)
        registered = server.wait("REGISTER")
        other.call(registered.source, door=contact_uri(registered.header("Contact")))

        assert engine.wait(CallArrived).trusted


def test_the_far_end_of_a_direct_call_may_end_it_and_nothing_else(server: Peer) -> None:
    """A phone called at its own address is no server: its BYE counts, a call of its own does not."""
    with (
        contextlib.closing(Peer("127.0.0.2", **ALL)) as phone,
        running(account(server)) as engine,
    ):
        engine.send(PlaceCall("a", "house", f"sip:202@{phone.address}"))
        engine.wait(CallAnswered)
        invite = phone.wait("INVITE")
        phone.socket.sendto(knock("INVITE", invite.source, "own"), invite.source)
        assert engine.wait(UnknownSourcesDropped).source == phone.ip
        phone.socket.sendto(in_dialog("BYE", invite), invite.source)

        assert engine.wait(CallEnded).leg == "a"
        assert engine.told(CallArrived) == []


@pytest.mark.parametrize("known", [False, True])
def test_who_forges_an_invite_or_keys_in_a_call_is_refused(server: Peer, known: bool) -> None:
    """Even with the right Call-ID and tags; even from an address that the door has called before."""
    sdp = f"v=0\r\no=- 2 2 IN IP4 {STRANGER}\r\ns=-\r\nc=IN IP4 {STRANGER}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
    with (
        contextlib.closing(Peer(STRANGER, **ALL)) as other,
        running(account(server)) as engine,
    ):
        if known:
            engine.send(PlaceCall("before", "house", f"sip:666@{other.address}"))
            engine.wait(CallAnswered)
            engine.send(HangUp("before"))
            engine.wait(CallEnded)
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        invite = server.wait("INVITE")
        refer = "Refer-To: <sip:900@premium.invalid>\r\n"
        for packet in (
            in_dialog("INVITE", invite, body=sdp),
            in_dialog("UPDATE", invite, body=sdp),
            in_dialog("INFO", invite, body="Signal=1"),
            in_dialog("MESSAGE", invite, body="open 4711"),
            in_dialog("BYE", invite).replace(b";tag=peer", b";tag=other"),
            in_dialog("BYE", invite).replace(b"Call-ID: ", b"Call-ID: x"),
            in_dialog("REFER", invite, extra=refer),
        ):
            other.socket.sendto(packet, invite.source)
        engine.wait(UnknownSourcesDropped)
        engine.send(Probe("house"))
        engine.wait(ServerResponded)

        assert [event.leg for event in engine.told(CallEnded) if isinstance(event, CallEnded)] == ["before"] * known
        assert len(server.got("INVITE")) == 1


def test_a_refer_never_makes_the_door_dial(server: Peer) -> None:
    """Not even one from the server, inside a call or outside: nobody spends the house's money through its door."""
    refer = f"Refer-To: <sip:900@{server.address}>\r\n"
    with running(account(server)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        invite = server.wait("INVITE")
        server.socket.sendto(in_dialog("REFER", invite, extra=refer), invite.source)
        server.socket.sendto(knock("REFER", invite.source, "out", extra=refer), invite.source)
        engine.send(Probe("house"))
        engine.wait(ServerResponded)
        server.wait("OPTIONS")

        assert len(server.got("INVITE")) == 1
        assert engine.told(CallEnded) == []


def test_knocks_are_told_at_once_and_then_once_an_hour() -> None:
    """A scan is one line in the journal, not a thousand; and nothing is lost from the sum."""
    counts = [0] * CAUSES
    strangers = UnknownSources(lambda: Refused(tuple(counts), "192.0.2.66", "INVITE"))

    assert strangers.news(0.0) is None
    counts[0] = 3
    assert strangers.news(1.0) == UnknownSourcesDropped(3, "192.0.2.66", "INVITE", "3 from strangers")
    counts[0], counts[2] = 1000, 7
    assert strangers.news(2.0) is None
    told = UnknownSourcesDropped(1004, "192.0.2.66", "INVITE", "997 from strangers, 7 answers to nothing")
    assert strangers.news(1.0 + HOUR_S) == told
    assert strangers.news(2.0 + 3 * HOUR_S) is None


def _listening_port(pid: int) -> int:
    """Where a process listens for TCP, as the kernel knows it."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if "socket:" in str(link.readlink())}
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            return int(fields[1].split(":")[1], 16)
    raise AssertionError("the engine does not listen")
