"""Attacks on a conversation: nobody ends it, hears it, speaks in it or opens the door, but who is in it."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import attack_table
import interop_table
import pytest

from intercom.control.client import ask
from lab.attackers import Address, Attacker, Forger, fuzz, keyed, rtp, sdp, sound_ports
from lab.baresip import Phone
from lab.house import CODE, DOOR_IP, REGISTRAR_IP, VISITOR_HZ, Door, House, heard_by
from lab.tones import speech_tone

STRANGER = "127.0.0.66"
FLOOD = 20_000
"""RTP and RTCP packets."""


@pytest.fixture
def talking(house: House, door: Door, phone: Phone) -> dict[str, str]:
    """A conversation, and what somebody who has overheard its signalling knows of it."""
    house.room.say(speech_tone(VISITOR_HZ, 3), loop=True)
    mark = phone.process.mark()
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    phone.process.await_line(r"^ACK sip:", 5, mark)
    trace = "\n".join(phone.process.lines(mark))
    invite = trace[trace.index("INVITE sip:") :]
    known = {
        name: re.findall(rf"(?m)^{name}: *(.*)", invite)[0].strip() for name in ("Call-ID", "From", "To", "Contact")
    }
    known["tag"] = re.findall(r"(?m)^SIP/2.0 200 .*?^To:.*?;tag=(\S+)", invite, re.DOTALL)[0]
    return known


def forged(
    method: str, call: dict[str, str], attacker: Attacker, number: int, *, more: str = "", body: str = ""
) -> bytes:
    """A request inside the call, with everything right but the address that it comes from."""
    uri = re.findall("<(sip:[^>]+)>", call["Contact"])[0]
    kind = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in more else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {attacker.ip}:{attacker.port};branch=z9hG4bK{number};rport\r\n"
        f"From: {call['To']};tag={call['tag']}\r\nTo: {call['From']}\r\nCall-ID: {call['Call-ID']}\r\n"
        f"CSeq: {10_000 + number} {method}\r\nContact: <sip:x@{attacker.ip}:{attacker.port}>\r\nMax-Forwards: 70\r\n"
        f"{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def sip_port(call: dict[str, str]) -> Address:
    """Where the door listens, as its Contact says."""
    return DOOR_IP, int(re.findall(r":(\d+)", call["Contact"].split("@")[1])[0])


def still_talking(door: Door, phone: Phone) -> None:
    """Nothing has ended, and the visitor was heard all the while."""
    assert not door.records("call-ended") + door.records("visit-ended")
    time.sleep(1.0)  # a sentence takes time
    phone.hang_up()
    assert door.await_visit().outcome == "talked"
    report = heard_by(phone)
    assert report.heard, report


def test_forged_requests_in_a_call_change_nothing(door: Door, phone: Phone, talking: dict[str, str]) -> None:
    """Re-INVITE to another loudspeaker, the code by SIP INFO, a transfer: with the right Call-ID and tags.

    And a BYE with one of them wrong. Who has overheard them all can end the call, from anywhere, and no more.
    """
    with contextlib.closing(Attacker(STRANGER, sip_port(talking))) as stranger:
        info = "Content-Type: application/dtmf-relay\r\n"
        for number in range(50):
            name = ("Call-ID", "From", "tag")[number % 3]
            stranger.send(forged("BYE", {**talking, name: talking[name] + "0"}, stranger, 10 * number))
            stranger.send(forged("INVITE", talking, stranger, 10 * number + 1, body=sdp(STRANGER)))
            stranger.send(forged("UPDATE", talking, stranger, 10 * number + 2, body=sdp(STRANGER)))
            more = "Refer-To: <sip:900@premium.test>\r\n"
            stranger.send(forged("REFER", talking, stranger, 10 * number + 3, more=more))
            for place, digit in enumerate(CODE):
                body = f"Signal={digit}\r\nDuration=100\r\n"
                stranger.send(forged("INFO", talking, stranger, 10 * number + 4 + place, more=info, body=body))
        door.await_record("strangers-refused")
        got_in = len(door.records("door-released") + door.records("code-wrong")) + len(stranger.heard())
        still_talking(door, phone)

        attack_table.add(
            "forged re-INVITE, UPDATE, REFER, INFO in a call, and BYE without its tags",
            stranger.sent,
            door,
            got_in=got_in,
        )


def test_another_node_of_the_server_hangs_up(door: Door, talking: dict[str, str]) -> None:
    """Call-ID and both tags say whose BYE it is, and the microphone is shut at once; its address says nothing."""
    with contextlib.closing(Attacker(STRANGER, sip_port(talking))) as node:
        node.send(forged("BYE", talking, node, 1))
        answer = node.await_heard(5)

    assert answer.startswith(b"SIP/2.0 200 ")
    assert door.await_visit(5).outcome == "talked"
    interop_table.add("user agent", "a BYE from another node", interop_table.peer("kamailio"))


def test_a_flood_of_rtp_neither_hears_nor_speaks_nor_opens(
    house: House, door: Door, phone: Phone, talking: dict[str, str]
) -> None:
    """On the sound's own port: well-formed, malformed, with the code as events; and RTCP's beside it."""
    del talking
    ports = sound_ports(door.engine_pid(), DOOR_IP)
    chance, sent, heard = random.Random(3550), 0, 0
    with contextlib.ExitStack() as closing:
        floods = [closing.enter_context(contextlib.closing(Attacker(STRANGER, (DOOR_IP, port)))) for port in ports]
        for flood in floods:
            flood.as_read(_rubbish(chance, FLOOD // len(floods)), 30)
            sent, heard = sent + flood.sent, heard + len(flood.heard())
    got_in = heard + len(door.records("door-released") + door.records("code-wrong"))
    still_talking(door, phone)
    rang = attack_table.rings(door, phone)

    assert len(ports) >= 2, ports
    assert house.room is not None
    attack_table.add("RTP and RTCP floods on the sound's ports in a call", sent, door, rang, got_in=got_in)


def _rubbish(chance: random.Random, count: int) -> Iterator[bytes]:
    number = 0
    while number < count:
        for packet in keyed(CODE + "#", 101, number):
            number += 1
            yield packet
        for kind in (0, 8, 9, 96, 99, 101, 120):
            number += 1
            yield rtp(
                number, kind, chance.randbytes(chance.choice((0, 1, 4, 160, 320, 1400))), chance.randrange(1 << 32)
            )
        number += 3
        yield chance.randbytes(chance.randrange(1, 60))
        # RTCP: a BYE and a report that claim more than they hold (RFC 3550 section 6.4.1).
        yield bytes([0x9F, 203, 0xFF, 0xFF]) + chance.randbytes(8)
        yield bytes([0x9F, 200, 0x00, 0x06]) + chance.randbytes(chance.randrange(40))


def test_mutations_in_a_call_end_no_process(door: Door, phone: Phone, talking: dict[str, str]) -> None:
    """From the registrar's address, with the call's own names: they reach PJSIP's dialogs and its SDP."""
    with contextlib.closing(Forger((REGISTRAR_IP, 5060), STRANGER, sip_port(talking))) as sender:
        offer = sdp(
            REGISTRAR_IP, "a=sendrecv", "a=ptime:20", "a=fmtp:101 0-16", "a=rtcp:40001", "a=crypto:1 AES inline:x"
        )
        methods = ("INFO", "INVITE", "UPDATE", "REFER", "PRACK", "MESSAGE", "NOTIFY", "OPTIONS", "SUBSCRIBE", "ACK")
        seeds = [
            forged(method, talking, sender, 1, body=offer if method != "INFO" else "Signal=1\r\n") for method in methods
        ]
        sender.as_read(_in_this_call(fuzz(seeds, 10_000, 3261), talking), 60)
        # One of them may have ended the call, or moved its count of requests beyond the phone's own.
        with contextlib.suppress(Exception):
            phone.hang_up()
        with contextlib.suppress(Exception):
            ask(door.socket, {"do": "hangup"})
        door.await_visit(20)
        rang = attack_table.rings(door, phone)

        attack_table.add(
            "mutated requests in a call (seed 3261), from the registrar's address", sender.sent, door, rang
        )


def _in_this_call(packets: Iterator[bytes], call: dict[str, str]) -> Iterator[bytes]:
    """Undo the call of its own that the fuzzer gave each, and let them follow each other."""
    for number, packet in enumerate(packets):
        data: Any = re.sub(rb"Call-ID: [0-9a-f]+-", b"Call-ID: ", packet, count=1)
        yield re.sub(rb"CSeq: \d+", b"CSeq: %d" % (20_000 + number), data, count=1)
