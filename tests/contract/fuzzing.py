# SPDX-License-Identifier: GPL-2.0-or-later
"""A real voice engine asks, a server answers rubbish, seeded; and rubbish comes with the sound of its calls."""

from __future__ import annotations

import contextlib
import re
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sip_peers import Engine, Peer, Request, account

from intercom.core.commands import Audio, HangUp, PlaceCall, Probe, Register, SendMessage, SetAudio
from lab.answer_fuzz import Answers

BURST = 30
"""Answers to each request, before the one that ends it."""
PATIENCE_S = 0.3
LAST = 300
"""Packets that are kept, for whoever has to find out which one it was."""
FAULTS = re.compile(r"ERROR: AddressSanitizer|runtime error:|stack smashing|Assertion|SUMMARY: ")


@dataclass
class Found:
    """What came of it."""

    sent: dict[str, int] = field(default_factory=lambda: {"answers": 0, "requests": 0, "RTP": 0, "RTCP": 0})
    ends: list[str] = field(default_factory=list)
    """Why engines ended."""
    faults: set[str] = field(default_factory=set)
    """What a sanitizer said, each place once."""

    @property
    def all_sent(self) -> int:
        return sum(self.sent.values())


class Hostile(Peer):
    """A server that answers each request with a burst of rubbish and then, so that it ends, properly."""

    def __init__(self, answers: Answers, found: Found) -> None:
        self.rubbish, self.found, self.last = answers, found, deque[bytes](maxlen=LAST)
        super().__init__(REGISTER=200, OPTIONS=200, MESSAGE=200, INVITE=(486, 200, 480, 200), BYE=200, CANCEL=200)
        self._finals = 0

    def _answer(self, request: Request, code: int) -> bytes:
        head = request.answer(100).decode().partition("\r\n")[2].partition("Content-Length")[0]
        chance = self.rubbish.chance
        for _ in range(BURST if request.method != "BYE" else 2):
            self.throw("answers", self.rubbish.made(head), request.source)
        self._finals += 1
        if request.method == "INVITE":
            code = (200, 486, 200, 480)[self._finals % 4]
        return super()._answer(request, code) if chance.random() < 0.95 else request.answer(code)

    def throw(self, what: str, packet: bytes, to: tuple[str, int], *, by_rtp: bool = False) -> None:
        """Send one piece of rubbish, and remember it."""
        self.last.append(packet)
        self.found.sent[what] += 1
        with contextlib.suppress(OSError):
            (self.rtp if by_rtp else self.socket).sendto(packet, to)


class Fuzzer:
    """One engine after the other, until so much has been sent."""

    def __init__(self, seed: int, kept: Path, **settings: Any) -> None:
        """`kept` is a folder for what was sent before an engine ended."""
        self.found, self._kept, self._settings = Found(), kept, settings
        self._answers = Answers(seed, "127.0.0.1")
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self.server = Hostile(self._answers, self.found)
        codecs = ("opus", "g722", "pcma", "pcmu")
        self.engine = Engine(account(self.server), patience_s=60, codecs=codecs, **self._settings)

    def run(self, count: int, seconds: float) -> Found:
        """Send so much, or as much as goes into that time; stop at nothing."""
        until = time.monotonic() + seconds
        while self.found.all_sent < count and time.monotonic() < until:
            self._ask()
            self._look()
        return self.found

    def close(self) -> None:
        self.engine.close()
        self.server.close()

    def lives(self) -> bool:
        """Whether the last engine still asks, and hears a proper answer."""
        before = len(self.engine.beats())
        until = time.monotonic() + 10
        while len(self.engine.beats()) <= before and time.monotonic() < until:
            time.sleep(0.05)
        return len(self.engine.beats()) > before and self.engine.process.poll() is None

    def _ask(self) -> None:
        self._number += 1
        leg, chance, seen = f"leg{self._number}", self._answers.chance, len(self.server.requests)
        match chance.randrange(8):
            case 0 | 1:
                self._order(Register("house", anew=True))
            case 2 | 3:
                self._order(Probe("house"))
            case 4:
                self._order(SendMessage("house", "201", "hello"))
            case _:
                self._order(PlaceCall(leg, "house", "201"), SetAudio(Audio(card=True, hear=leg, speak=leg)))
                self._await(seen, "INVITE")
                self._talk()
                self._order(HangUp(leg, 200))
                return
        self._await(seen, "")

    def _order(self, *orders: Any) -> None:
        with contextlib.suppress(OSError):
            self.engine.send(*orders)

    def _await(self, seen: int, method: str) -> None:
        """Until a request has come; some orders lead to none."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.engine.process.poll() is None:
            if any(request.method.startswith(method) for request in self.server.requests[seen:]):
                return
            time.sleep(0.001)

    def _talk(self) -> None:
        """Send rubbish as sound, and as requests within the call."""
        invite = next((one for one in reversed(self.server.requests) if one.method == "INVITE"), None)
        port = re.search(r"(?m)^m=audio (\d+)", invite.body) if invite else None
        if invite is None or port is None:
            return
        to, rubbish, chance = int(port[1]), self._answers, self._answers.chance
        for number in range(chance.choice((0, 4, 20))):
            self.server.throw("RTP", rubbish.rtp(number), ("127.0.0.1", to), by_rtp=True)
            if number % 3 == 0:
                self.server.throw("RTCP", rubbish.rtcp(), ("127.0.0.1", to + 1), by_rtp=True)
            time.sleep(0.002)
        for sequence in range(chance.randrange(3)):
            self.server.throw("requests", self._within(invite, sequence + 1), invite.source)

    def _within(self, invite: Request, sequence: int) -> bytes:
        """A request of the far end's in a call."""
        method = self._answers.chance.choice(
            ("INVITE", "INVITE", "UPDATE", "INFO", "PRACK", "BYE", "MESSAGE", "NOTIFY")
        )
        head = (
            f"Via: SIP/2.0/UDP {self.server.address};branch=z9hG4bK{self._number}x{sequence};rport\r\n"
            f"From: {invite.header('To')};tag=peer\r\nTo: {invite.header('From')}\r\n"
            f"Call-ID: {invite.header('Call-ID')}\r\nCSeq: {sequence} {method}\r\nMax-Forwards: 70\r\n"
        )
        contact = invite.header("Contact").partition("<")[2].partition(">")[0] or "sip:door@127.0.0.1"
        made = self._answers.made(head)
        return f"{method} {contact} SIP/2.0\r\n".encode() + made.partition(b"\r\n")[2]

    def _look(self) -> None:
        """Keep what was sent before an engine ended, and start another."""
        said = [line for line in list(self.engine.stderr) if FAULTS.search(line)]
        self.found.faults |= {re.sub(r"^==\d+==|0x[0-9a-f]+", "", line.strip()) for line in said}
        if self.engine.process.poll() is None:
            return
        told = "".join(self.engine.stderr)
        self.found.ends.append(f"{self.engine.process.returncode}: {told[-300:]}")
        self._kept.mkdir(parents=True, exist_ok=True)
        place = self._kept / f"end-{len(self.found.ends)}"
        place.with_suffix(".log").write_text(told)
        place.with_suffix(".packets").write_bytes(b"\n\n==== next ====\n".join(self.server.last))
        self.close()
        self._begin()
