# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end whose description and packets a test makes, and a call to it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from typing import Any

from sip_peers import Engine, Peer, Request, account, running

from intercom.core.commands import PlaceCall
from intercom.core.events import CallAnswered, DigitReceived
from lab.key_senders import Packet, Sender

SENTINEL = "D"
LAST = Sender(kind=121)
OFFERED = (
    "m=audio {port} RTP/AVP 8 120 121\r\na=rtpmap:120 telephone-event/48000\r\na=rtpmap:121 telephone-event/8000\r\n"
)
"""An answer with PCMA, and with both telephone-events that a door offers which has Opus too."""


class FarEnd(Peer):
    """A phone that answers with `lines` of SDP below its own address, and whose RTP is the test's."""

    lines = OFFERED
    named = ""
    """The address in its description; its own, unless said otherwise."""

    def description(self) -> str:
        ip, port = self.rtp.getsockname()[:2]
        head = f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {self.named or ip}\r\nt=0 0\r\n"
        return head + self.lines.format(port=port)

    def _answer(self, request: Request, code: int) -> bytes:
        if request.method == "INVITE" and code in (180, 183, 200):
            return request.answer(code, f"Contact: <sip:peer@{self.address}>\r\n", self.description())
        return super()._answer(request, code)

    def sounds_at(self, count: int = 1) -> tuple[str, int]:
        """Return where the door wants the sound, by its latest INVITE but `count - 1`."""
        body = self.got("INVITE")[-count].body
        ip, port = re.findall(r"(?m)^c=IN IP4 (\S+)", body)[0], re.findall(r"(?m)^m=audio (\d+)", body)[0]
        return ip, int(port)

    def send(self, *packets: Packet, by: socket.socket | None = None) -> None:
        """Send RTP to the door, by another socket than the own one where a test wants that."""
        for packet in packets:
            (by or self.rtp).sendto(packet.wire(), self.sounds_at())


def voice(sequence: int, time: int, kind: int = 8, size: int = 160) -> Packet:
    """Return a packet of silence."""
    return Packet(kind, False, sequence, time, b"\xd5" * size)


@contextlib.contextmanager
def talking(peer: FarEnd, **changes: Any) -> Iterator[Engine]:
    """Have the door call a far end, and be answered."""
    with running(account(peer), **changes) as engine:
        call(engine, peer, "1-1.1")
        yield engine


def call(engine: Engine, peer: FarEnd, leg: str) -> None:
    """Call it, and await its answer."""
    peer.codes |= {"INVITE": [200], "BYE": [200], "ACK": [], "UPDATE": [200]}
    engine.send(PlaceCall(leg, "house", "201"))
    engine.wait(CallAnswered)


def keyed(engine: Engine, peer: FarEnd, packets: list[Packet]) -> str:
    """Play packets, and return the keys that the engine tells of; a last key shows that it has read them all."""
    before = len(engine.told(DigitReceived))
    last = packets[-1]
    peer.send(voice(packets[0].sequence - 1, packets[0].time - 160), *packets)
    for key in LAST.send(SENTINEL, last.time + 100_000, last.sequence + 1):
        peer.send(*key)
    engine.wait(DigitReceived, where=lambda digit: digit.digit == SENTINEL)
    told = engine.told(DigitReceived)[before:]
    return "".join(digit.digit for digit in told if isinstance(digit, DigitReceived))[:-1]
