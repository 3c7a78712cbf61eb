# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end whose description and packets a test makes, and a call to it."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
from collections.abc import Iterator
from typing import Any

from sip_peers import LIMIT_S, Engine, Peer, Request, account, running

from intercom.core.commands import Audio, PlaceCall, SetAudio
from intercom.core.events import CallAnswered, DigitReceived
from intercom.ipc.protocol import AccountSettings
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
    named = contact = ""
    """The address in its description, and its Contact; its own, unless said otherwise."""
    versions = 0

    def __init__(self, ip: str = "127.0.0.1", port: int = 0, **codes: int | tuple[int, ...]) -> None:
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        super().__init__(ip, port, **codes)

    def _was_answered(self, answer: bytes) -> None:
        self.answers.put(answer.decode())

    def description(self) -> str:
        ip, port = self.rtp.getsockname()[:2]
        self.versions += 1
        head = f"v=0\r\no=- 1 {self.versions} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {self.named or ip}\r\nt=0 0\r\n"
        return head + self.lines.format(port=port)

    def _answer(self, request: Request, code: int) -> bytes:
        if request.method in ("INVITE", "UPDATE") and code in (180, 183, 200):
            contact = self.contact or f"sip:peer@{self.address}"
            return request.answer(code, f"Contact: <{contact}>\r\n", self.description())
        return super()._answer(request, code)

    def ask(self, method: str, number: int, *, more: str = "", body: str = "") -> None:
        """Send a request within the call."""
        first = self.got("INVITE")[0]
        uri, ip, port = re.findall(r"<(sip:[^>@]*@([^:>]+):(\d+)[^>]*)>", first.header("Contact"))[0]
        head = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK-{method}{number};rport\r\n"
            f"From: {first.header('To')};tag=peer\r\nTo: {first.header('From')}\r\n"
            f"Call-ID: {first.header('Call-ID')}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <{self.contact or f'sip:peer@{self.address}'}>\r\nMax-Forwards: 70\r\n"
        )
        self.socket.sendto(f"{head}{more}Content-Length: {len(body)}\r\n\r\n{body}".encode(), (ip, int(port)))

    def invite_again(self, lines: str) -> None:
        """Describe the sound anew in a re-INVITE, with more lines of SDP, and acknowledge the answer."""
        number = 100 + self.versions
        self.ask("INVITE", number, more="Content-Type: application/sdp\r\n", body=self.description() + lines)
        self.answered(number)
        self.ask("ACK", number)

    def answered(self, number: int, method: str = "INVITE") -> int:
        """Return the status of the answer to a request of the call's."""
        while True:
            answer = self.answers.get(timeout=LIMIT_S)
            status = int(answer.split()[1])
            if status >= 200 and re.search(rf"(?m)^CSeq: {number} {method}", answer):
                return status

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
def talking(peer: FarEnd, through: AccountSettings | None = None, **changes: Any) -> Iterator[Engine]:
    """Have the door call a far end, and be answered; from then on it speaks."""
    with running(through or account(peer), **changes) as engine:
        call(engine, peer, "1-1.1")
        engine.send(SetAudio(Audio(card=True, hear="1-1.1", speak="1-1.1")))
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
