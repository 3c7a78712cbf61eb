# SPDX-License-Identifier: GPL-2.0-or-later
"""What public bug reports about other user agents say was sent to them, and its like: the engine bears it.

Each class names the report that it began with.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping

import pytest
from media_peers import FarEnd, call, keyed, talking, voice
from sip_peers import LIMIT_S, Engine, Peer, Request, account, running

from intercom.core.commands import Audio, HangUp, PlaceCall, Register, SetAudio
from intercom.core.events import (
    CallAnswered,
    CallEnded,
    CallProgressed,
    DigitReceived,
    StreamMeasured,
)
from lab.key_senders import Packet, Sender

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")


class Registrar(Peer):
    """It accepts, and says of the lifetime and of where we come from what it is told to.

    `said` follows the status line; {contact} in it is the Contact that was registered.
    """

    def __init__(self, said: str, via: str = "") -> None:
        self.said, self.via = said, via
        super().__init__(REGISTER=200, OPTIONS=200)

    def _answer(self, request: Request, code: int) -> bytes:
        contact = request.header("Contact").split("\r\n")[0].partition(">")[0] + ">"
        answer = request.answer(code, self.said.format(contact=contact) if request.method == "REGISTER" else "")
        return re.sub(rb"received=[^;\r]*;rport=\d+", self.via.encode(), answer, count=1) if self.via else answer


@contextlib.contextmanager
def registering(servers: Mapping[str, Registrar]) -> Iterator[Engine]:
    """Have an engine with an account at each of them, that begins to register."""
    names = {name: f"account{place}" for place, name in enumerate(servers)}
    accounts = [account(server, names[name], user=names[name]) for name, server in servers.items()]
    with contextlib.ExitStack() as closing:
        for server in servers.values():
            closing.enter_context(contextlib.closing(server))
        engine = closing.enter_context(running(*accounts))
        engine.send(*(Register(name) for name in names.values()))
        yield engine


VIAS = [
    "received=127.0.0.1:5061;rport=5061",
    "received=127.0.0.1:5061:5062",
    "received=[::1];rport=5061",
    "received=::1;rport=5061",
    "received=999.1.1.1;rport=5061",
    "received=;rport=",
    "received=nat.example;rport=0",
    "received=127.0.0.1;rport=5061x",
]


def test_where_a_server_says_we_come_from_never_spoils_the_contact() -> None:
    """pjproject #4580: `received=` with a port in it made a Contact with two, and a crash."""
    servers = {via: Registrar("Contact: {contact};expires=6\r\n", via) for via in VIAS}
    with registering(servers):
        for via, server in servers.items():
            server.wait("REGISTER", 2)
            for request in server.got("REGISTER"):
                for contact in request.header("Contact").split("\r\n"):
                    assert re.match(r"<sip:[^@>]+@[\d.]+:\d+(;[^>]*)?>", contact), (via, contact)


LIFETIMES = {
    "of the header alone": "Contact: {contact}\r\nExpires: 6\r\n",
    "of our Contact, not of another device's": (
        "Contact: <sip:door@192.0.2.7:5060>;expires=3600\r\nContact: {contact};expires=6\r\nExpires: 3600\r\n"
    ),
    "of our Contact, on one line with another device's": (
        "Contact: <sip:door@192.0.2.7:5060>;expires=3600, {contact};expires=6\r\n"
    ),
    "of the Contact, not of the header": "Contact: {contact};expires=6\r\nExpires: 3600\r\n",
    "none, where a Contact is left out": "Expires: 6\r\n",
    "a second": "Contact: {contact};expires=1\r\n",
}


def test_a_registration_is_renewed_before_it_ends_however_its_end_is_said() -> None:
    """JsSIP #482: the header counts where the Contact has none.

    asterisk #702: a client that asks for what it was given the last time ends below what the server accepts.
    """
    servers = {name: Registrar(said) for name, said in LIFETIMES.items()}
    with registering(servers):
        for name, server in servers.items():
            server.wait("REGISTER", 2)
            assert {request.header("Expires") for request in server.got("REGISTER")} == {"300"}, name


class Forking(FarEnd):
    """Each of its answers to an INVITE is of another branch, with a To tag, a host and a Contact of its own."""

    first_tag, first_code = ";tag=one", 180

    def _answer(self, request: Request, code: int) -> bytes:
        if request.method != "INVITE":
            return super()._answer(request, code)
        body = self.description()
        early = request.answer(self.first_code, f"Contact: <sip:one@{self.address}>\r\n", body)
        self.socket.sendto(early.replace(b";tag=peer", self.first_tag.encode()), request.source)
        return request.answer(200, f"Contact: <sip:two@{self.address}>\r\n", body).replace(b";tag=peer", b";tag=two")


@pytest.mark.parametrize("code", [180, 183])
@pytest.mark.parametrize("tag", [";tag=one", "", ";tag="])
def test_the_dialog_is_the_one_that_was_answered(code: int, tag: str) -> None:
    """baresip #2819: ACK and BYE went to the tag of the 180; pjproject #2066: none in it at all."""
    with contextlib.closing(Forking(REGISTER=200, INVITE=200, ACK=(), BYE=200, UPDATE=200)) as peer:
        peer.first_tag, peer.first_code = tag, code
        with running(account(peer)) as engine:
            engine.send(PlaceCall("1.1", "house", "201"))
            engine.wait(CallAnswered)
            assert "tag=two" in peer.wait("ACK").header("To")
            engine.send(HangUp("1.1"))
            bye = peer.wait("BYE")
            assert "tag=two" in bye.header("To")
            assert bye.uri.startswith("sip:two@")


def dressed(packet: Packet, kind: str) -> bytes:
    """Return an RTP packet with something of RFC 3550 section 5 that few send."""
    wire = packet.wire()
    if kind == "padding":
        return bytes([wire[0] | 0x20]) + wire[1:] + b"\0\0\0\4"
    if kind == "extension":
        return bytes([wire[0] | 0x10]) + wire[1:12] + struct.pack("!HHI", 0xBEDE, 1, 0x10FF0000) + wire[12:]
    if kind == "sources":
        return bytes([wire[0] | 2]) + wire[1:12] + b"one.two." + wire[12:]
    return wire


@pytest.mark.parametrize("kind", ["padding", "extension", "sources"])
def test_keys_come_whatever_else_is_in_their_packets(kind: str) -> None:
    """pjproject #1135, Discord.Net #3262 (padding); header extensions and CSRCs are of the same section."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        peer.send(voice(99, 159_840))
        for packets in Sender(kind=121).send("4711", 160_000, 100):
            for packet in packets:
                peer.rtp.sendto(dressed(packet, kind), peer.sounds_at())
        last = Sender(kind=121).send("9", 900_000, 900)[0]
        assert keyed_so_far(engine, peer, last) == "47119"


def keyed_so_far(engine: Engine, peer: FarEnd, packets: list[Packet]) -> str:
    """Play one more key, and return all that were told."""
    keyed(engine, peer, packets)
    told = "".join(one.digit for one in engine.told(DigitReceived) if isinstance(one, DigitReceived))
    return told[:-1]


BROKEN = {
    "more padding than packet": lambda wire: bytes([wire[0] | 0x20]) + wire[1:] + b"\xff",
    "padding of nothing": lambda wire: bytes([wire[0] | 0x20]) + wire[1:] + b"\0",
    "an extension longer than the packet": lambda wire: bytes([wire[0] | 0x10]) + wire[1:12] + b"\xbe\xde\xff\xff",
    "fifteen sources, and none there": lambda wire: bytes([wire[0] | 15]) + wire[1:12],
    "half a header": lambda wire: wire[:7],
    "another version": lambda wire: bytes([0x40]) + wire[1:],
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_packet_that_is_broken_costs_nothing_but_itself(how: str) -> None:
    """The same section, as it should not be: the sound goes on, and so do the keys."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        for place in range(20):
            peer.send(voice(50 + place, 160 * place))
            peer.rtp.sendto(BROKEN[how](voice(1000 + place, 160 * place).wire()), peer.sounds_at())
        assert keyed(engine, peer, Sender(kind=121).send("5", 160_000, 200)[0]) == "5"


def test_packets_of_a_codec_that_nobody_agreed_on_do_not_end_the_call() -> None:
    """asterisk #2059: one that was on its way while a re-INVITE took its codec away ended the call."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        peer.invite_again("")
        for place, kind in enumerate([0, 9, 3, 18, 96, 127, 72] * 5):
            peer.send(voice(50 + place, 160 * place, kind))
        assert keyed(engine, peer, Sender(kind=121).send("5", 160_000, 200)[0]) == "5"
        assert not engine.told(CallEnded)


@pytest.mark.parametrize("sequence", [100, 40_000])
def test_a_source_that_begins_anew_is_heard(sequence: int) -> None:
    """baresip #817: after another SSRC with numbers of its own, nothing was heard any more."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        for place in range(100):
            peer.send(voice(20_000 + place, 160 * place))
        before = engine.wait(StreamMeasured, where=lambda told: told.received > 0)
        for place in range(100):
            peer.rtp.sendto(voice(sequence + place, 7_000_000 + 160 * place).wire(b"anew"), peer.sounds_at())
        after = engine.wait(StreamMeasured, where=lambda told: told.received > before.received + 50)
        assert not after.strangers
        assert keyed(engine, peer, Sender(kind=121).send("5", 9_000_000, sequence + 200)[0]) == "5"


def test_the_sound_follows_the_phone_that_answered() -> None:
    """pjproject #657: early media of one host, and the answer of another."""

    class Elsewhere(FarEnd):
        """Its 183 names another port than its 200."""

        def _answer(self, request: Request, code: int) -> bytes:
            answer = super()._answer(request, code)
            if request.method == "INVITE":
                early = request.answer(183, f"Contact: <sip:one@{self.address}>\r\n", self.description())
                early = early.replace(b";tag=peer", b";tag=one")
                self.socket.sendto(re.sub(rb"m=audio \d+", b"m=audio 9", early), request.source)
            return answer

    with contextlib.closing(Elsewhere()) as peer, running(account(peer)) as engine:
        call(engine, peer, "1.1")
        engine.send(SetAudio(Audio(card=True, hear="1.1", speak="1.1")))
        assert engine.told(CallProgressed)
        peer.rtp.settimeout(LIMIT_S)
        assert peer.rtp.recv(2048)


def test_an_answer_that_names_our_own_contact_is_hung_up_where_it_came_from() -> None:
    """Home Assistant's voip-utils 0.5: its 200 has the Contact of the INVITE, so ACK and BYE went to the door."""

    class Mirror(FarEnd):
        """It answers with the Contact that it was called with."""

        def _answer(self, request: Request, code: int) -> bytes:
            if request.method == "INVITE":
                self.contact = request.header("Contact").partition("<")[2].partition(">")[0]
            return super()._answer(request, code)

    with contextlib.closing(Mirror()) as peer, running(account(peer)) as engine:
        call(engine, peer, "1.1")
        peer.wait("ACK")
        engine.send(HangUp("1.1"))
        peer.wait("BYE")
        engine.wait(CallEnded)
