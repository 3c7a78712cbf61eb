# SPDX-License-Identifier: GPL-2.0-or-later
"""The sound and the keys of a call are those of its far end, in every state of the call, and of no other host."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from media_peers import SENTINEL, FarEnd, talking, voice
from sip_peers import LIMIT_S, Engine, account, running

from intercom.core.commands import Audio, PlaceCall, SetAudio
from intercom.core.events import (
    CallProgressed,
    DigitReceived,
    EarlyMediaBegan,
    EarlyMediaEnded,
    KeysUnread,
    StreamMeasured,
)
from lab.key_senders import Packet, Sender, whole

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

THIRD, SECOND = "127.0.0.66", "127.0.0.67"
NOWHERE = "203.0.113.9"
"""An address that no host here has (RFC 5737), as a phone behind NAT gives one."""
Sockets = Callable[[str], socket.socket]


@pytest.fixture
def at() -> Iterator[Sockets]:
    """Sockets on addresses of their own."""
    with contextlib.ExitStack() as closing:

        def make(ip: str) -> socket.socket:
            made = closing.enter_context(contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            made.bind((ip, 0))
            return made

        yield make


def attack(peer: FarEnd, by: socket.socket) -> None:
    """Send what a stranger does who wants to be the far end: a second of voice, the code, and RTCP."""
    keys = whole(Sender(kind=121).send("4711", 50_000, 40_050))
    peer.send(*(voice(40_000 + place, 160 * place) for place in range(50)), *keys, by=by)
    ip, port = peer.sounds_at()
    report = struct.pack("!BBHI5I", 0x80, 200, 6, 0x6B657973, 0, 0, 0, 0, 0)
    for _ in range(10):
        by.sendto(report, (ip, port + 1))


def keys_told(engine: Engine, peer: FarEnd, sequence: int = 100) -> str:
    """Return all keys so far, after one that the far end itself has sent."""
    for key in Sender(kind=121).send(SENTINEL, 800_000 + 800 * sequence, sequence):
        peer.send(*key)
    engine.wait(DigitReceived, where=lambda digit: digit.digit == SENTINEL)
    return "".join(digit.digit for digit in engine.told(DigitReceived) if isinstance(digit, DigitReceived))


def heard(by: socket.socket) -> bool:
    """Whether anything came to a socket so far."""
    return bool(select.select([by], [], [], 0)[0])


def hears(by: socket.socket) -> bool:
    """Whether the door speaks to a socket, from now on."""
    while heard(by):
        by.recv(2048)
    return bool(select.select([by], [], [], LIMIT_S)[0])


def silent(peer: FarEnd) -> None:
    """It was answered, and sends nothing: muted, or listening."""


def speaking(peer: FarEnd) -> None:
    peer.send(*(voice(place, 160 * place) for place in range(5)))


def pausing(peer: FarEnd) -> None:
    """VAD: some voice, comfort noise (RFC 3389), and nothing more."""
    speaking(peer)
    peer.send(Packet(13, False, 6, 960, b"\x40"))


def holding(direction: str) -> Callable[[FarEnd], None]:
    def hold(peer: FarEnd) -> None:
        speaking(peer)
        peer.invite_again(f"a={direction}\r\n")

    hold.__name__ = f"on hold, {direction}"
    return hold


def moved(peer: FarEnd) -> None:
    """A re-INVITE took the sound to another host, which has not spoken yet."""
    speaking(peer)
    peer.rtp.close()
    peer.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.rtp.bind((SECOND, 0))
    peer.rtp.settimeout(0.05)
    peer.invite_again("")


HOLDS = [holding("sendonly"), holding("recvonly"), holding("inactive")]
STATES = [silent, speaking, pausing, *HOLDS, moved]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_third_host_neither_hears_nor_keys(at: Sockets, state: Callable[[FarEnd], None]) -> None:
    """In whatever state the call is: not a packet to it, no digit of it, and the far end's own key counts."""
    third = at(THIRD)
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        state(peer)
        attack(peer, third)
        if state in HOLDS:
            peer.invite_again("")

        assert keys_told(engine, peer, 200) == SENTINEL
        assert hears(peer.rtp)
        assert not heard(third)


def test_a_user_of_this_machine_is_not_the_far_end_because_the_registrar_is_on_it(at: Sockets) -> None:
    """A silent phone elsewhere, its server on 127.0.0.1: from there anybody here may send, and is nobody."""
    local, phone = at("127.0.0.1"), at(SECOND)
    with contextlib.closing(FarEnd("127.0.0.1")) as peer:
        peer.rtp.close()
        peer.rtp = phone
        with talking(peer) as engine:
            attack(peer, local)

            assert keys_told(engine, peer, 200) == SENTINEL
            assert hears(phone)
            assert not heard(local)


def test_a_third_host_neither_hears_nor_keys_before_the_answer(at: Sockets) -> None:
    """Early media: the sound is there, the far end may be silent."""
    third = at(THIRD)
    with contextlib.closing(FarEnd(INVITE=183)) as peer, running(account(peer)) as engine:
        engine.send(PlaceCall("1.1", "house", "201"))
        engine.wait(CallProgressed, where=lambda progress: progress.code == 183)
        engine.send(SetAudio(Audio(card=True, hear="1.1")))
        attack(peer, third)

        assert keys_told(engine, peer) == SENTINEL
        assert hears(peer.rtp)
        assert not heard(third)


def test_a_phone_behind_nat_is_heard_from_where_its_signalling_comes(at: Sockets) -> None:
    """Its SDP leads nowhere. The sound goes to where its own comes from; its keys count behind its voice."""
    third = at(THIRD)
    with contextlib.closing(FarEnd(SECOND)) as peer:
        peer.named = NOWHERE
        with talking(peer) as engine:
            attack(peer, third)
            peer.send(*whole(Sender(kind=121).send("9", 10_000, 10)))
            speaking(peer)
            attack(peer, third)

            assert keys_told(engine, peer) == SENTINEL
            assert hears(peer.rtp)
            assert not heard(third)


@pytest.mark.parametrize("contact", [f"sip:peer@{SECOND}", f"sip:peer@192.168.1.9;alias={SECOND}~5060~1"])
def test_a_phone_behind_nat_is_heard_from_where_its_contact_leads(at: Sockets, contact: str) -> None:
    """A server passes its signalling on, and has put into its Contact from where it came."""
    phone = at(SECOND)
    with contextlib.closing(FarEnd()) as peer:
        peer.named, peer.contact = NOWHERE, contact
        with talking(peer):
            peer.send(*(voice(place, 160 * place) for place in range(5)), by=phone)

            assert hears(phone)


def test_once_a_host_was_heard_another_one_that_the_signalling_named_is_not(at: Sockets) -> None:
    """The host that was heard is the far end; only its SDP says otherwise."""
    phone = at(SECOND)
    with contextlib.closing(FarEnd()) as peer:
        peer.contact = f"sip:peer@{SECOND}"
        with talking(peer) as engine:
            speaking(peer)
            attack(peer, phone)

            assert keys_told(engine, peer) == SENTINEL
            assert not heard(phone)


def test_behind_a_re_invite_the_host_before_it_is_a_stranger(at: Sockets) -> None:
    """The SDP has moved the sound: what the old host sends neither turns it back nor counts."""
    old = at(THIRD)
    with contextlib.closing(FarEnd(ip="127.0.0.1")) as peer, talking(peer) as engine:
        ours, peer.rtp = peer.rtp, old
        peer.invite_again("")
        speaking(peer)
        peer.rtp = ours
        peer.invite_again("")
        attack(peer, old)

        assert keys_told(engine, peer) == SENTINEL
        while heard(old):
            old.recv(2048)
        assert hears(peer.rtp)
        assert not heard(old)


def test_strangers_and_reports_are_counted(at: Sockets) -> None:
    """What tells a far end that has nothing to say from one that is gone."""
    third = at(THIRD)
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        attack(peer, third)
        ip, port = peer.sounds_at()
        peer.rtp.sendto(struct.pack("!BBHI5I", 0x80, 200, 6, 0x6B657973, 0, 0, 0, 0, 0), (ip, port + 1))
        speaking(peer)
        seen = engine.wait(StreamMeasured, 10)

        assert seen.strangers == 50 + 4 * 7
        assert (seen.received, seen.reports) == (5, 1)


def test_a_pause_that_was_announced_is_known() -> None:
    """Comfort noise is the last that comes before silence (RFC 3389 section 4)."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        pausing(peer)
        assert engine.wait(StreamMeasured, 10, where=lambda seen: seen.received == 6).pausing
        speaking(peer)
        engine.wait(StreamMeasured, 10, where=lambda seen: seen.received > 6 and not seen.pausing)


def test_keys_that_cannot_be_read_are_told_once() -> None:
    """Events of two bytes (RFC 4733 section 2.3 wants four): no digit, and whoever keys there is not left in doubt."""
    with contextlib.closing(FarEnd()) as peer, talking(peer) as engine:
        speaking(peer)
        peer.send(*(Packet(121, not place, 10 + place, 1600, b"\x01\x0a") for place in range(6)))
        told = engine.wait(KeysUnread, 10)
        engine.wait(StreamMeasured, 10, where=lambda seen: seen.received >= 11)

        assert (told.leg, told.method) == ("1-1.1", "RFC 4733")
        assert len(engine.told(KeysUnread)) == 1
        assert not engine.told(DigitReceived)


@pytest.mark.parametrize("code", [180, 183])
def test_early_media_is_packets_and_not_a_promise(code: int) -> None:
    """An SDP before the answer says what could come (RFC 3960 section 3.2); a few packets open a way, no more."""
    with contextlib.closing(FarEnd(INVITE=code)) as peer, running(account(peer)) as engine:
        engine.send(PlaceCall("1.1", "house", "201"))
        engine.wait(CallProgressed, where=lambda progress: progress.code == code)
        peer.send(*(voice(place, 160 * place) for place in range(4)))
        assert keys_told(engine, peer, 4) == SENTINEL  # so those four were read, and this one has 8 packets more
        engine.wait(EarlyMediaBegan)
        engine.wait(EarlyMediaEnded)
        peer.send(*(voice(20 + place, 160 * place) for place in range(6)))
        engine.wait(EarlyMediaBegan)
