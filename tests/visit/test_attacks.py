"""Attacks from outside a call: none gets in, none ends a process, and a press rings through all of them."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attack_table
import pytest

from lab.attackers import Attacker, Eavesdropper, Forger, contact_of, fuzz, request, scan, sdp, torture
from lab.baresip import Phone
from lab.house import REGISTRAR_IP, Door, House

STRANGER = "127.0.0.66"
FUZZED = 50_000
"""Packets from each of the two sides."""
SEED = 4475


@contextlib.contextmanager
def attacker(ip: str, door: Door) -> Iterator[Attacker]:
    """Somebody who has found out where the door listens; in the registrar's name, he forges the sender."""
    ip_port = door.sip_address().rsplit(":", 1)
    to = ip_port[0], int(ip_port[1])
    made = Forger((REGISTRAR_IP, 5060), STRANGER, to) if ip == REGISTRAR_IP else Attacker(ip, to)
    with contextlib.closing(made) as somebody:
        yield somebody


@contextlib.contextmanager
def overheard(house: House) -> Iterator[tuple[Door, str]]:
    """A door, and the Contact that it has registered: who knows that is read by PJSIP to the end."""
    with contextlib.closing(Eavesdropper()) as ear, house.door() as door:
        yield door, contact_of(ear.await_message(b"REGISTER ", b"rinstance="))


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def test_a_scanner_gets_no_answer_and_a_press_rings_through_its_flood(door: Door, phone: Phone) -> None:
    """A thousand packets a second for ten seconds, as scanners send them, and somebody presses in the middle."""
    engine = door.engine_pid()
    before = resident_mb(engine)
    with attacker(STRANGER, door) as scanner:
        flood = threading.Thread(target=scanner.at_rate, args=(scan(scanner), 1000, 10.0))
        flood.start()
        time.sleep(4)  # the middle
        rang = attack_table.rings(door, phone)
        flood.join()
        grown = resident_mb(engine) - before
        print(f"the engine's memory grew by {grown:.1f} MB")

        assert scanner.heard() == []
        assert grown < 10
        assert len(door.records("strangers-refused")) == 1
        assert not door.records("call-arrived") + door.records("call-refused")
        attack_table.add("scanner: INVITE, REGISTER, OPTIONS, 1000 a second for 10 s", scanner.sent, door, rang)


@pytest.mark.parametrize("knows", [False, True], ids=["forged", "with the contact"])
def test_a_press_rings_through_a_flood_from_the_registrars_own_address(house: House, phone: Phone, knows: bool) -> None:
    """UDP's sender is easily forged, and an allowed caller's name soon known: neither keeps the door from ringing.

    Of what begins something the door takes so much a second, also from who knows the Contact; and a call is not up
    before its caller has said so (ACK).
    """
    with overheard(house) as (door, contact), attacker(REGISTRAR_IP, door) as forger:
        packets = scan(forger, contact if knows else "")
        flood = threading.Thread(target=forger.at_rate, args=(packets, 1000, 6.0))
        flood.start()
        time.sleep(3)  # the middle
        rang = attack_table.rings(door, phone)
        flood.join()
        told = door.records("call-refused") + door.records("call-arrived")
        print(f"{len(told)} calls were told")

        assert len(told) < (200 if knows else 1)
        up = len(door.records("call-answered"))
        who = "who knows the Contact" if knows else "the registrar's address"
        what = f"INVITE, REGISTER, OPTIONS from {who}, 1000 a second for 6 s"
        attack_table.add(what, forger.sent, door, rang, got_in=up)


@pytest.mark.parametrize("ip", [STRANGER, REGISTRAR_IP], ids=["stranger", "registrar"])
def test_the_torture_messages_torture_nobody(door: Door, phone: Phone, ip: str) -> None:
    """RFC 4475: what is valid there and unusual, and what is not valid at all."""
    with attacker(ip, door) as sender:
        sender.as_read(torture().values(), 20)
        rang = attack_table.rings(door, phone)

        assert not door.records("call-arrived")
        if ip == STRANGER:
            assert sender.heard() == []
        who = "a stranger" if ip == STRANGER else "the registrar's address"
        attack_table.add(f"the torture messages of RFC 4475, from {who}", sender.sent, door, rang)


@pytest.mark.parametrize("ip", [STRANGER, REGISTRAR_IP], ids=["stranger", "registrar"])
def test_fifty_thousand_mutations_end_no_process(house: House, phone: Phone, ip: str) -> None:
    """Seeded, so that what ends one can be played again. From the registrar's address, to the Contact that the door has
    registered, they reach the parser, and what is still a call reaches all of PJSIP.
    """
    with overheard(house) as (door, contact), attacker(ip, door) as sender:
        methods = (
            "INVITE",
            "OPTIONS",
            "MESSAGE",
            "SUBSCRIBE",
            "NOTIFY",
            "REFER",
            "CANCEL",
            "ACK",
            "BYE",
            "INFO",
            "PRACK",
        )
        uri = contact if ip == REGISTRAR_IP else ""
        bodies = {"INVITE": sdp(sender.ip)}
        seeds = [request(method, sender, 7, body=bodies.get(method, ""), uri=uri) for method in methods]
        answers = [b"SIP/2.0 200 OK" + seed[seed.index(b"\r\n") :] for seed in seeds[:3]]
        sender.as_read(fuzz(seeds + answers + list(torture().values()), FUZZED, SEED), 80)
        rang = attack_table.rings(door, phone)
        told = len(door.records("call-refused"))
        print(f"{told} calls were well-formed enough to be refused")

        assert not door.records("call-arrived")
        assert ip == REGISTRAR_IP or sender.heard() == []
        who = "a stranger" if ip == STRANGER else "the registrar's address"
        attack_table.add(f"mutated messages (seed {SEED}), from {who}", sender.sent, door, rang)


def test_messages_without_measure_end_no_process(house: House, phone: Phone) -> None:
    """A thousand headers, an endless one, descriptions of hundreds of media and codecs, nested parts."""
    with overheard(house) as (door, contact), attacker(REGISTRAR_IP, door) as sender:
        media = [f"m=audio {40000 + 2 * number} RTP/AVP 8" for number in range(300)]
        codecs = [f"a=rtpmap:{number % 128} x/{number}" for number in range(250)]
        nested = "".join(
            f"--b{level}\r\nContent-Type: multipart/mixed;boundary=b{level + 1}\r\n\r\n" for level in range(90)
        )
        packets = [
            request("INVITE", sender, 1, uri=contact, more="".join(f"X-{number}: y\r\n" for number in range(1000))),
            request("OPTIONS", sender, 2, uri=contact, more="".join("v: a\r\n" for _ in range(1000))),
            request("INVITE", sender, 3, uri=contact, more=f"Subject: {'x' * 7000}\r\n"),
            request("INVITE", sender, 4, uri=contact, body=sdp(sender.ip, *media)),
            request("INVITE", sender, 5, uri=contact, body=sdp(sender.ip, *codecs)),
            request("INVITE", sender, 6, uri=contact, body=sdp(sender.ip, "a=crypto:" + "1 " * 3000)),
            request(
                "MESSAGE", sender, 7, uri=contact, more="Content-Type: multipart/mixed;boundary=b0\r\n", body=nested
            ),
            request("INVITE", sender, 8, uri=contact, more="Record-Route: <sip:127.0.0.1;lr>\r\n" * 150),
            request("INVITE", sender, 9, uri=contact, body="x" * 60_000),
            b"INVITE " + b"\0" * 7000,
        ]
        sender.as_read([packet for packet in packets for _ in range(20)], 20)
        rang = attack_table.rings(door, phone)

        attack_table.add("1000 headers, endless headers, oversized SDP, nested parts", sender.sent, door, rang)


def test_a_call_that_was_overheard_cannot_be_played_again(door: Door, phone: Phone) -> None:
    """An allowed caller's INVITE, with the digest that his server took, sent to the door itself."""
    mark = phone.process.mark()
    phone.call("door")
    phone.await_event("CALL_ESTABLISHED", 10)
    phone.hang_up()
    door.await_visit()
    trace = "\n".join(phone.process.lines(mark))
    overheard = [part.split("\x1b")[0] for part in re.split(r"\n(?=(?:INVITE|BYE|ACK) sip:)", trace)[1:]]
    with attacker(STRANGER, door) as sender:
        sender.as_read([text.replace("\n", "\r\n").encode() for text in overheard] * 100, 20)
        rang = attack_table.rings(door, phone)

        assert any("Proxy-Authorization: Digest" in text for text in overheard)
        assert sender.heard() == []
        assert len(door.records("call-arrived")) == 1
        attack_table.add("an overheard call with its digest, played again", sender.sent, door, rang)
