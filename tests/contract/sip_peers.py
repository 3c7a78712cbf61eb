# SPDX-License-Identifier: GPL-2.0-or-later
"""Small SIP peers over UDP, and a voice engine to meet them: for what Kamailio and baresip are too well-behaved."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from intercom.core.commands import EngineCommand
from intercom.core.events import EngineHeartbeat, EngineStarted, Event
from intercom.ipc import protocol
from intercom.ipc.protocol import AccountSettings
from lab.engine_settings import engine_settings

E = TypeVar("E", bound=Event)
LIMIT_S = 10.0
ENGINE_ENVIRONMENT: dict[str, str] = {}
"""Set for every engine, beside what this process has: of a sanitized one (bench/fuzz.py)."""


_LONG = {
    "v": "Via", "f": "From", "t": "To", "m": "Contact", "i": "Call-ID", "c": "Content-Type", "l": "Content-Length",
    "k": "Supported", "s": "Subject", "x": "Session-Expires",
}  # fmt: skip
"""Short names of headers (RFC 3261 section 7.3.3, RFC 4028)."""


class Request:
    """A request as it came off the wire; in `head` the headers have their long names."""

    def __init__(self, data: bytes, source: tuple[str, int]) -> None:
        self.text = data.decode()
        self.source, self.at = source, time.monotonic()
        head, _, self.body = self.text.partition("\r\n\r\n")
        self.head = re.sub(r"(?m)^([vftmiclksx])(?=[ \t]*:)", lambda short: _LONG[short[1]], head)
        self.method, self.uri = self.text.split(" ", 2)[:2]

    def header(self, name: str) -> str:
        return "\r\n".join(re.findall(rf"(?im)^{name}:[ \t]*(.*?)\r?$", self.head))

    def answer(self, code: int, extra: str = "", body: str = "") -> bytes:
        copied = "".join(f"{line}\r\n" for line in re.findall(r"(?m)^(?:Via|From|Call-ID|CSeq):.*?$", self.head))
        via = copied.replace(";rport", f";received={self.source[0]};rport={self.source[1]}", 1).replace("\r\r", "\r")
        kind = "Content-Type: application/sdp\r\n" if body else ""
        to = self.header("To") + (";tag=peer" if "tag=" not in self.header("To") else "")
        head = f"SIP/2.0 {code} Said\r\n{via}To: {to}\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()


class Peer:
    """A SIP server or phone on an address of its own.

    `codes` says how it answers each method: always so, or with one after the other and with the last one from then on.
    A method it lacks gets silence.
    """

    def __init__(self, ip: str = "127.0.0.1", port: int = 0, **codes: int | tuple[int, ...]) -> None:
        self.codes = {method: [code] if isinstance(code, int) else [*code] for method, code in codes.items()}
        self.requests: list[Request] = []
        self.socket = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, port))
        self.ip, self.port = self.socket.getsockname()[:2]
        self.rtp = socket.socket(self.socket.family, socket.SOCK_DGRAM)
        self.rtp.bind((ip, 0))
        self.rtp.settimeout(0.05)
        self.address = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:  # closed
                return
            # RTCP goes to the port after RTP's, which may be this one by chance.
            if not data.strip() or data[0] >> 6 == 2:
                continue
            if data.startswith(b"SIP/2.0"):
                self._was_answered(data)
                continue
            request = Request(data, source[:2])
            self.requests.append(request)
            if codes := self.codes.get(request.method):
                with contextlib.suppress(OSError):
                    self.socket.sendto(self._answer(request, codes.pop(0) if len(codes) > 1 else codes[0]), source)

    def _was_answered(self, answer: bytes) -> None:
        """Do nothing: whoever asks something himself wants to know."""

    def _answer(self, request: Request, code: int) -> bytes:
        if request.method == "REGISTER" and code == 200:
            kept = [c for c in request.header("Contact").split("\r\n") if not c.endswith(";expires=0")]
            return request.answer(code, "".join(f"Contact: {contact};expires=300\r\n" for contact in kept))
        if request.method == "INVITE" and code == 200:
            ip, port = self.rtp.getsockname()[:2]
            kind = "IP6" if ":" in ip else "IP4"
            sdp = (
                f"v=0\r\no=- 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 96\r\n"
            )
            sdp += "a=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
            return request.answer(code, f"Contact: <sip:peer@{self.address}>\r\n", sdp)
        if code == 407:
            return request.answer(code, 'Proxy-Authenticate: Digest realm="house", nonce="0123456789abcdef"\r\n')
        return request.answer(code)

    def call(self, to: tuple[str, int], *, door: str = "", more: str = "") -> None:
        """Ring somebody, at the Contact that was registered here; what becomes of it does not matter."""
        registered = [request.header("Contact") for request in self.got("REGISTER")]
        uri = door or (contact_uri(registered[-1]) if registered else f"sip:door@{to[0]}:{to[1]}")
        via = f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK{self.port};rport\r\n"
        who = f"From: <sip:201@{self.ip}>;tag={self.port}\r\nTo: <sip:door@house>\r\n"
        who += f"Contact: <sip:201@{self.address}>\r\n"
        rest = f"Call-ID: {self.port}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
        head = f"INVITE {uri} SIP/2.0\r\n{via}{who}{rest}"
        self.socket.sendto(head.encode(), to)

    def got(self, method: str) -> list[Request]:
        """Requests of a method, without retransmissions."""
        seen: dict[str, Request] = {}
        for request in list(self.requests):
            if request.method == method:
                seen.setdefault(request.header("Via"), request)
        return list(seen.values())

    def wait(self, method: str, count: int = 1, seconds: float = LIMIT_S) -> Request:
        until = time.monotonic() + seconds
        while len(self.got(method)) < count:
            assert time.monotonic() < until, f"{count} {method}: {[request.text for request in self.requests]}"
            time.sleep(0.005)
        return self.got(method)[count - 1]

    def loudest(self, seconds: float) -> int:
        """The loudest PCMA level heard within this time, 0 to 127; silence is below 5, nothing at all is -1."""
        while select.select([self.rtp], [], [], 0)[0]:
            self.rtp.recv(2048)
        until, loudest = time.monotonic() + seconds, -1
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                data = self.rtp.recv(2048)
                if len(data) > 12 and data[1] & 0x7F == 8:
                    loudest = max(loudest, *((byte ^ 0x55) & 0x7F for byte in data[12:]))
        return loudest

    def close(self) -> None:
        self.socket.close()
        self.rtp.close()


def contact_uri(contact: str) -> str:
    """The URI of a Contact header's first address."""
    return contact.partition("<")[2].partition(">")[0]


def account(peer: Peer | None, name: str = "house", **changes: Any) -> AccountSettings:
    """An account at a peer, or of a domain that does not exist."""
    domain = changes.pop("domain", peer.address if peer else "nowhere.invalid")
    settings = {
        "name": name,
        "id_uri": f'"Front door" <sip:door@{domain}>',
        "registrar_uri": f"sip:{domain}",
        "user": "door",
        "password": "secret",
        "proxy_uri": "",
        "transport": "udp",
        "expires_s": 300,
        "domain": domain,
    }
    return AccountSettings(**(settings | changes))


class Engine:
    """A real voice engine in a process of its own, without a sound card."""

    def __init__(
        self, *accounts: AccountSettings, argv: tuple[str, ...] = (), patience_s: float = 20, **changes: Any
    ) -> None:
        self._link, theirs = socket.socketpair()
        command = [*argv, sys.executable, "-P", "-m", "intercom.engine", str(theirs.fileno())]
        with theirs:
            environment = {**os.environ, **ENGINE_ENVIRONMENT}
            self.process = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE, text=True, env=environment
            )
        self.stderr: list[str] = []
        threading.Thread(target=self._drain, daemon=True).start()
        self.events: list[tuple[float, Event]] = []
        self._news, self._taken = threading.Condition(), 0
        threading.Thread(target=self._listen, daemon=True).start()
        self._link.sendall(protocol.encode(engine_settings(**{"accounts": accounts, "codecs": ("pcma",), **changes})))
        self.wait(EngineStarted, seconds=patience_s)

    def _drain(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.stderr.append(line)

    def _listen(self) -> None:
        lines = protocol.Lines()
        while True:
            try:
                data = self._link.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self._news:
                self.events += [protocol.decode(line) for line in lines.feed(data)]
                self._news.notify_all()

    def send(self, *commands: EngineCommand) -> None:
        for command in commands:
            self._link.sendall(protocol.encode(command))

    def wait(
        self,
        kind: type[E] | tuple[type[E], ...],
        seconds: float = LIMIT_S,
        where: Callable[[E], bool] = lambda _: True,
        meanwhile: Callable[[], None] | None = None,
    ) -> E:
        """The first event of a kind after the last one waited for. `meanwhile` is called again and again."""
        until = time.monotonic() + seconds
        with self._news:
            while True:
                for index in range(self._taken, len(self.events)):
                    event = self.events[index][1]
                    if isinstance(event, kind) and where(event):
                        self._taken = index + 1
                        return event
                left = until - time.monotonic()
                assert left > 0, f"no {kind}: {self.told()[-40:]} {''.join(self.stderr[-40:])}"
                self._news.wait(0.003 if meanwhile else left)
                if meanwhile:
                    meanwhile()

    def told(self, *kinds: type[Event]) -> list[Event]:
        """Everything told so far but beats, or only these kinds."""
        with self._news:
            return [e for _, e in self.events if isinstance(e, kinds or object) and not isinstance(e, EngineHeartbeat)]

    def beats(self) -> list[float]:
        """When the loop went round."""
        with self._news:
            return [at for at, event in self.events if isinstance(event, EngineHeartbeat)]

    def close(self) -> None:
        self._link.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(*accounts: AccountSettings, **changes: Any) -> Iterator[Engine]:
    """An engine, and none left of it."""
    engine = Engine(*accounts, **changes)
    try:
        yield engine
    finally:
        engine.close()
