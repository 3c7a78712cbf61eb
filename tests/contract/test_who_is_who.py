# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a message is from, with the real PJSIP: firmware/docs/who-is-who.md, sentence by sentence."""

import contextlib
import itertools
import re
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sip_peers import Engine, Peer, Request, account, contact_uri, running

from intercom.core.commands import HangUp, PlaceCall, Probe, Register, SelectServer
from intercom.core.events import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRejected,
    LineLost,
    LineUp,
    MessageReceived,
    ServerResponded,
    UnknownSourcesDropped,
)
from lab.attackers import listening_port

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

ALL: dict[str, int] = dict.fromkeys(("REGISTER", "OPTIONS", "MESSAGE", "INVITE", "BYE"), 200)
OTHER = "127.0.0.2"
NUMBERS = itertools.count(1)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with contextlib.ExitStack() as closing:
        yield lambda *where, **codes: closing.enter_context(contextlib.closing(Peer(*where, **(codes or ALL))))


def registered(engine: Engine, server: Peer, name: str = "house") -> tuple[str, tuple[str, int]]:
    """Register; return the URI of the Contact that the server was told, and where the door is."""
    engine.send(Register(name))
    engine.wait(LineUp, where=lambda event: event.account == name)
    told = server.got("REGISTER")[-1]
    return contact_uri(told.header("Contact").split("\r\n")[0]), told.source


def request(
    method: str, sender: Peer, uri: str, *, to: str = "<sip:door@house>", more: str = "", via: str = "", body: str = ""
) -> bytes:
    """A request out of any dialog."""
    number = next(NUMBERS)
    via = via or f"SIP/2.0/UDP {sender.address};branch=z9hG4bK{sender.port}-{number};rport"
    return (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nFrom: <sip:201@{sender.ip}>;tag={number}\r\nTo: {to}\r\n"
        f"Call-ID: {number}@{sender.ip}\r\nCSeq: 1 {method}\r\nContact: <sip:201@{sender.address}>\r\n"
        f"Max-Forwards: 70\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def in_dialog(method: str, invite: Request, sender: Peer, *, more: str = "", body: str = "") -> bytes:
    """A request of the far end of a call that the door made."""
    number = next(NUMBERS)
    return (
        f"{method} {contact_uri(invite.header('Contact'))} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {sender.address};branch=z9hG4bKd{number};rport\r\n"
        f"From: {invite.header('To')};tag=peer\r\nTo: {invite.header('From')}\r\n"
        f"Call-ID: {invite.header('Call-ID')}\r\nCSeq: {100 + number} {method}\r\n"
        f"Contact: <sip:peer@{sender.address}>\r\nMax-Forwards: 70\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Answers:
    """What comes back to a peer's socket as an answer; the peer itself passes over it."""

    def __init__(self, ip: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.ip, self.port = self.socket.getsockname()
        self.address = f"{self.ip}:{self.port}"

    def ask(self, packet: bytes, to: tuple[str, int], seconds: float = 5.0) -> str:
        """Send; return the first final answer, or nothing."""
        self.socket.sendto(packet, to)
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                text = self.socket.recv(65536).decode()
                if text.startswith("SIP/2.0 ") and int(text[8:11]) >= 200:
                    return text
        return ""

    def close(self) -> None:
        self.socket.close()


def round_once(engine: Engine) -> None:
    """Await that the engine has read what came before."""
    engine.send(Probe("house"))
    engine.wait(ServerResponded)


# ---- answers ----


def test_an_answer_counts_from_whatever_address_and_only_with_a_branch_of_ours(peer: Callable[..., Peer]) -> None:
    """RFC 3261 section 17.1.3: a server with two addresses answers from the other one."""
    asked, other = peer(REGISTER=()), peer(OTHER, OPTIONS=200)
    asked.codes.clear()
    with running(account(asked)) as engine:
        engine.send(Register("house"))
        register = asked.wait("REGISTER")
        wrong = re.sub(rb"branch=z9hG4bK\w", b"branch=z9hG4bKx", asked._answer(register, 200))
        other.socket.sendto(wrong, register.source)
        assert engine.wait(UnknownSourcesDropped).causes == "1 answers to nothing"
        assert engine.told(LineUp) == []
        other.socket.sendto(other._answer(register, 200), register.source)
        engine.wait(LineUp)


# ---- dialogs ----


def test_a_call_is_hung_up_by_another_node_that_knows_its_tags(peer: Callable[..., Peer]) -> None:
    """Else the microphone stays open until `talk_s`: the far end has hung up, and the door has not heard of it."""
    server, node = peer(), peer(OTHER)
    with running(account(server)) as engine:
        registered(engine, server)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        invite = server.wait("INVITE")
        node.socket.sendto(in_dialog("BYE", invite, node), invite.source)

        assert engine.wait(CallEnded).leg == "a"


@pytest.mark.parametrize(
    ("method", "more", "code", "says"),
    [
        ("OPTIONS", "", 200, "Allow:"),
        ("SUBSCRIBE", "Event: kpml\r\n", 489, ""),
        ("NOTIFY", "Event: refer\r\n", 481, ""),
        ("INFO", "Content-Type: text/plain\r\n", 415, "Accept: application/dtmf-relay"),
        ("INFO", "Info-Package: foo\r\nContent-Type: text/plain\r\n", 469, "Recv-Info:"),
        ("NONSENSE", "", 405, "Allow:"),
        ("PUBLISH", "Event: presence\r\n", 405, "Allow:"),
        ("OPTIONS", "Require: nonsense\r\n", 420, "Unsupported: nonsense"),
        ("INVITE", "Require: timer, nonsense\r\n", 420, "Unsupported: nonsense"),
    ],
)
def test_what_we_do_not_do_in_a_call_gets_the_answer_of_its_rfc(
    peer: Callable[..., Peer], method: str, more: str, code: int, says: str
) -> None:
    """And the call goes on: 500 is a dead leg to some session border controllers."""
    server = peer()
    with running(account(server)) as engine, contextlib.closing(Answers("127.0.0.1")) as node:
        registered(engine, server)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        invite = server.wait("INVITE")
        answer = node.ask(
            in_dialog(method, invite, node, more=more, body="x" if method == "INFO" else ""), invite.source
        )
        round_once(engine)

        assert answer[8:11] == str(code), answer
        assert says in answer
        assert engine.told(CallEnded) == []


# ---- what begins something ----


def test_who_knows_the_registered_contact_may_call_and_text_from_any_address(peer: Callable[..., Peer]) -> None:
    """Any node of a cluster rings the door; nobody but the registrar was told that Contact."""
    server, node = peer(), peer(OTHER)
    with running(account(server)) as engine:
        contact, door = registered(engine, server)
        node.socket.sendto(request("INVITE", node, contact), door)
        assert engine.wait(CallArrived).trusted
        text = request("MESSAGE", node, contact, more="Content-Type: text/plain\r\n", body="status")
        node.socket.sendto(text, door)
        assert engine.wait(MessageReceived).trusted

    assert len(re.findall(r";rinstance=([0-9a-f]{32})(?:;|$)", contact)) == 1


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
@pytest.mark.parametrize("how", ["none", "short", "other", "in To", "in a header"])
def test_who_does_not_know_it_may_not_even_from_the_servers_address(
    peer: Callable[..., Peer], method: str, how: str
) -> None:
    """UDP's sender is easily forged, and every user of this machine has the address of a server beside the door."""
    server = peer()
    with running(account(server)) as engine:
        contact, door = registered(engine, server)
        plain, _, key = contact.partition(";rinstance=")
        uri = {"short": f"{plain};rinstance={key[:-1]}", "other": f"{plain};rinstance={'0' * 32}"}.get(how, plain)
        to = f"<{contact}>" if how == "in To" else "<sip:door@house>"
        more = f"X-Contact: <{contact}>\r\n" if how == "in a header" else ""
        server.socket.sendto(request(method, server, uri, to=to, more=more), door)

        assert engine.wait(UnknownSourcesDropped).causes == "1 calls or texts without the account's Contact"
        assert engine.told(CallArrived, MessageReceived, CallRejected) == []


def test_the_contact_of_a_call_is_not_the_one_that_only_the_server_knows(peer: Callable[..., Peer]) -> None:
    """Whoever is called, or calls, would know it otherwise."""
    server = peer()
    with running(account(server)) as engine:
        contact, door = registered(engine, server)
        key = contact.partition(";rinstance=")[2].partition(";")[0]
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        engine.send(Probe("house"), HangUp("a"))
        engine.wait(CallEnded)
        server.socket.sendto(request("INVITE", server, contact), door)
        arrived = engine.wait(CallArrived)
        engine.send(HangUp(arrived.leg, 486))
        engine.wait(CallEnded)

    assert key
    assert not [said.text for said in server.requests if said.method != "REGISTER" and key in said.text]


def test_the_key_outlives_a_refused_registration(peer: Callable[..., Peer]) -> None:
    """PJSIP makes its next REGISTER anew then, and took the Contact of calls for it."""
    server = peer(REGISTER=(200, 403, 200), INVITE=200)
    with running(account(server)) as engine:
        registered(engine, server)
        engine.send(Register("house"))
        engine.wait(LineLost)
        contact, door = registered(engine, server)
        server.socket.sendto(request("INVITE", server, contact), door)

        assert engine.wait(CallArrived).trusted
        assert len(server.got("REGISTER")) == 3


def test_two_accounts_with_one_user_are_told_apart(peer: Callable[..., Peer]) -> None:
    """By the Contact that each has registered, whatever To says."""
    first, second = peer(), peer(OTHER)
    with running(account(first, "first"), account(second, "second")) as engine:
        contacts = [registered(engine, server, name) for server, name in ((first, "first"), (second, "second"))]
        for (contact, door), server, name in zip(contacts, (second, first), ("first", "second"), strict=True):
            server.socket.sendto(request("INVITE", server, contact), door)
            arrived = engine.wait(CallArrived)
            assert (arrived.account, arrived.trusted) == (name, True)

    assert contacts[0][0] != contacts[1][0]


def test_an_account_counts_only_what_came_over_its_own_kind_of_transport(peer: Callable[..., Peer]) -> None:
    """A second trunk over UDP opens a port, and that is no way around the first one's TCP or TLS."""
    spare = peer()
    with contextlib.ExitStack() as closing:
        server = closing.enter_context(contextlib.closing(Connected()))
        uri = f"sip:{server.address};transport=tcp"
        home = account(None, domain=server.address, transport="tcp", registrar_uri=uri)
        engine = closing.enter_context(running(home, account(spare, "spare")))
        _, door = registered(engine, spare, "spare")
        engine.send(Register("house"))
        contact = contact_uri(server.register())
        engine.wait(LineUp)
        with contextlib.closing(Peer(server.ip)) as forger:
            forger.socket.sendto(request("INVITE", forger, contact), door)
            told = engine.wait(UnknownSourcesDropped)
        server.send(request("INVITE", spare, contact, via=f"SIP/2.0/TCP {server.address};branch=z9hG4bKtcp;rport"))

        assert told.causes == "1 not on the account's own transport or connection"
        assert engine.wait(CallArrived).account == "house"


def test_who_may_connect_does_not_take_all_descriptors() -> None:
    """A server's address has other users, too: what they connect is bounded, and the account goes on."""
    with contextlib.ExitStack() as closing:
        server = closing.enter_context(contextlib.closing(Connected()))
        uri = f"sip:{server.address};transport=tcp"
        home = account(None, domain=server.address, transport="tcp", registrar_uri=uri)
        engine = closing.enter_context(running(home))
        engine.send(Register("house"))
        contact = contact_uri(server.register())
        engine.wait(LineUp)
        to = contact.split("@")[1].split(":")[0], listening_port(engine.process.pid)
        links = [
            closing.enter_context(contextlib.closing(socket.create_connection(to, 5, source_address=(server.ip, 0))))
            for _ in range(200)
        ]
        told = engine.wait(UnknownSourcesDropped)
        server.send(request("INVITE", server, contact, via=f"SIP/2.0/TCP {server.address};branch=z9hG4bKtcp;rport"))
        engine.wait(CallArrived)
        closed = sum(bool(select.select([link], [], [], 0)[0]) for link in links)

        assert "more than a server may send" in told.causes
        assert 136 < closed < 200


class Connected:
    """A registrar over TCP that takes one connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.4", 0))
        self.ip, port = self._listener.getsockname()
        self.address = f"{self.ip}:{port}"
        self._link: socket.socket | None = None

    def register(self) -> str:
        """Take a REGISTER, accept it, and return its Contact."""
        self._listener.settimeout(10)
        self._link, _ = self._listener.accept()
        self._link.settimeout(10)
        text = b""
        while b"\r\n\r\n" not in text:
            text += self._link.recv(65536)
        asked = Request(text, self._link.getpeername())
        contact = asked.header("Contact")
        self.send(asked.answer(200, f"Contact: {contact};expires=300\r\n"))
        return contact

    def send(self, packet: bytes) -> None:
        assert self._link
        self._link.sendall(packet)

    def close(self) -> None:
        self._listener.close()
        if self._link:
            self._link.close()


# ---- where answers go ----


@pytest.mark.parametrize(
    "via",
    ["{0};maddr=127.0.0.66;branch=z9hG4bK{1}", "{0};rport=9;branch=z9hG4bK{1}", "{0};branch=z9hG4bK{1};maddr={2}"],
)
def test_what_would_have_its_answer_sent_elsewhere_is_dropped(peer: Callable[..., Peer], via: str) -> None:
    """RFC 3261 section 18.2.2: else who forges a sender could still hear the answers, and be in the call."""
    server = peer()
    with (
        running(account(server)) as engine,
        contextlib.closing(Answers("127.0.0.66")) as ear,
    ):
        contact, door = registered(engine, server)
        for method in ("INVITE", "OPTIONS", "SUBSCRIBE"):
            line = "SIP/2.0/UDP " + via.format(server.address, method, "127.0.0.66")
            server.socket.sendto(request(method, server, contact, via=line), door)
        told = engine.wait(UnknownSourcesDropped, where=lambda event: event.count >= 1)
        round_once(engine)

        assert "whose answer would have gone elsewhere" in told.causes
        assert engine.told(CallArrived) == []
        assert ear.ask(b"", ("127.0.0.66", ear.port), 0.2) == ""


# ---- questions ----


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("OPTIONS", 200),
        ("SUBSCRIBE", 489),
        ("NOTIFY", 481),
        ("REFER", 405),
        ("PUBLISH", 405),
        ("REGISTER", 405),
        ("INFO", 481),
        ("UPDATE", 481),
        ("PRACK", 481),
        ("BYE", 481),
        ("CANCEL", 481),
        ("NONSENSE", 405),
    ],
)
def test_what_the_server_asks_out_of_the_blue_is_answered_and_forgotten(
    peer: Callable[..., Peer], method: str, code: int
) -> None:
    """The server is whoever knows the Contact; a stranger gets nothing for the same."""
    server = peer()
    more = "Event: presence\r\nRefer-To: <sip:900@premium.test>\r\n"
    with (
        running(account(server)) as engine,
        contextlib.closing(Answers("127.0.0.1")) as node,
        contextlib.closing(Answers("127.0.0.66")) as stranger,
    ):
        contact, door = registered(engine, server)
        answer = node.ask(request(method, node, contact, more=more), door)
        plain = contact.partition(";")[0]
        nothing = stranger.ask(request(method, stranger, plain, more=more), door, 0.3)

        assert (answer[8:11], nothing) == (str(code), "")
        assert code != 405 or "\r\nAllow: " in answer


def test_a_thousand_subscriptions_cost_no_memory(peer: Callable[..., Peer]) -> None:
    """Each was 24 kB, and kept; a NOTIFY went wherever its Contact said."""
    server = peer()
    with running(account(server)) as engine, contextlib.closing(Answers("127.0.0.1")) as node:
        contact, door = registered(engine, server)
        codes = []
        for round_ in range(2):
            for _ in range(40 * round_ + 10):
                packet = request("SUBSCRIBE", node, contact, more="Event: presence\r\nExpires: 3600\r\n")
                codes.append(node.ask(packet, door, 0.5)[8:11])
        tables = node.ask(request("OPTIONS", node, contact), door)
        round_once(engine)

        assert set(codes) <= {"489", ""}
        assert codes.count("489") >= 40
        assert tables[8:11] == "200"
        assert not [heard for heard in server.requests if heard.method == "NOTIFY"]


def test_a_session_that_is_too_short_is_no_visit(peer: Callable[..., Peer]) -> None:
    """RFC 4028: it is refused with 422 and comes again; nobody was at the door meanwhile."""
    server = peer()
    with running(account(server)) as engine, contextlib.closing(Answers("127.0.0.1")) as node:
        contact, door = registered(engine, server)
        more = "Supported: timer\r\nSession-Expires: 60\r\n"
        answer = node.ask(request("INVITE", node, contact, more=more), door)
        round_once(engine)

        assert answer[8:11] == "422"
        assert "\r\nMin-SE: 90\r\n" in answer
        assert engine.told(CallArrived, CallEnded, CallRejected) == []


# ---- trust by address ----


def test_where_the_address_counts_its_name_and_its_networks_count_by_value(peer: Callable[..., Peer]) -> None:
    """For trunks: and no other server, and no other kind of transport."""
    server = peer(INVITE=200, OPTIONS=200)
    trunk: dict[str, Any] = {"registrar_uri": "", "trust": "address", "addresses": ("127.0.0.8/30",)}
    with running(account(server, **trunk)) as engine:
        engine.send(Register("house"), Probe("house"))
        engine.wait(ServerResponded)
        door = server.wait("OPTIONS").source
        for ip, let_in in (("127.0.0.1", True), ("127.0.0.11", True), ("127.0.0.12", False), ("127.0.0.7", False)):
            with contextlib.closing(Peer(ip)) as caller:
                caller.socket.sendto(request("INVITE", caller, f"sip:door@{door[0]}:{door[1]}"), door)
                if let_in:
                    assert engine.wait(CallArrived).source == caller.address
        round_once(engine)

        assert len(engine.told(CallArrived)) == 2


def test_trust_ends_where_the_name_no_longer_leads(peer: Callable[..., Peer]) -> None:
    """The next owner of a dynamic address is not the server."""
    server, moved = peer(), peer(OTHER)
    with running(account(None, domain="pbx.invalid", registrar_uri="", trust="address")) as engine:
        engine.send(SelectServer("house", server.address, (server.address,)), Register("house"), Probe("house"))
        engine.wait(ServerResponded)
        door = server.wait("OPTIONS").source
        engine.send(SelectServer("house", moved.address, (moved.address,)), Probe("house"))
        engine.wait(ServerResponded)
        server.call(door)
        assert engine.wait(UnknownSourcesDropped).source == server.ip
        moved.call(door)

        assert engine.wait(CallArrived).source == moved.address
