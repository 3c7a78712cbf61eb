"""An extension without a voice: a UDP socket that registers, calls and answers as it is told, with any header."""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import time
from collections.abc import Iterator

from lab.attackers import Address, Attacker

_NUMBERS: Iterator[int] = itertools.count(1)


class Extension(Attacker):
    """A user of a SIP service; `password` proves it. `tag` is what its requests bear in From."""

    def __init__(self, user: str, password: str, ip: str, to: Address) -> None:
        super().__init__(ip, to)
        self.user, self.password, self.tag = user, password, user

    def register(self, contact: str = "", *, expires: int = 300) -> bytes:
        """Register, by default where this socket is, with "-" nowhere; return the final answer."""
        contact = contact or f"<sip:{self.user}@{self.ip}:{self.port}>"
        more = f"Contact: {contact}\r\nExpires: {expires}\r\n" if contact != "-" else ""
        return self.ask("REGISTER", f"sip:{self.to[0]}", to=f"<sip:{self.user}@{self.to[0]}>", more=more)

    def ask(self, method: str, uri: str, **what: str) -> bytes:
        """Send a request, once more with the password where that is asked for; return the final answer."""
        self.start(method, uri, **what)
        return self.await_final()

    def start(self, method: str, uri: str, *, call: str = "", **what: str) -> None:
        """Do as `ask` does, but await no answer to the request that bears the password."""
        call = call or f"{next(_NUMBERS)}@{self.ip}"
        self.send(self.request(method, uri, call, 1, **what))
        answer = self.await_final()
        if answer.split(b" ")[1] not in (b"401", b"407"):
            self._answer = answer
            return
        if method == "INVITE":
            self.send(self.request("ACK", uri, call, 1, to=header(answer, "To")))
        proof = self.proof(method, uri, answer)
        self.send(self.request(method, uri, call, 2, **{**what, "more": what.get("more", "") + proof}))

    _answer = b""

    def proof(self, method: str, uri: str, challenge: bytes) -> str:
        """Return the header that answers a challenge (RFC 7616)."""
        found = re.search(rb"(WWW|Proxy)-Authenticate: Digest (.*)\r\n", challenge)
        assert found, challenge
        realm, nonce = (re.findall(rf'{name}="([^"]*)"', found[2].decode())[0] for name in ("realm", "nonce"))
        one, other = _md5(f"{self.user}:{realm}:{self.password}"), _md5(f"{method}:{uri}")
        response = _md5(f"{one}:{nonce}:00000001:c:auth:{other}")
        return (
            f'{"Authorization" if found[1] == b"WWW" else "Proxy-Authorization"}: Digest username="{self.user}", '
            f'realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", '
            'cnonce="c", nc=00000001, qop=auth\r\n'
        )

    def await_final(self, seconds: float = 5.0) -> bytes:
        """Return the next final answer; fail when there is none."""
        if self._answer:
            answer, self._answer = self._answer, b""
            return answer
        until = time.monotonic() + seconds
        while heard := self.await_heard(max(0.0, until - time.monotonic())):
            if heard.startswith(b"SIP/2.0 ") and not heard.startswith(b"SIP/2.0 1"):
                return heard
        raise AssertionError(f"nobody answers {self.user}")

    def await_request(self, method: str, seconds: float = 5.0) -> bytes:
        """Return the next request with that method; fail when there is none."""
        until = time.monotonic() + seconds
        while heard := self.await_heard(max(0.0, until - time.monotonic())):
            if heard.startswith(f"{method} ".encode()):
                return heard
        raise AssertionError(f"{self.user} has heard no {method}")

    def answer(self, request: bytes, status: str, *, contact: str = "", body: str = "") -> None:
        """Answer a request with a status line's end: "180 Ringing"."""
        lines = [line for line in request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:] if line.lower().startswith(
            ("via:", "from:", "call-id:", "cseq:", "record-route:"))]  # fmt: skip
        to = header(request, "To")
        lines.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag={self.user}-{self.port}")
        kind = ["Content-Type: application/sdp"] if body else []
        contact = f"Contact: {contact}" if contact else self._contact().rstrip()
        head = [f"SIP/2.0 {status}", *lines, contact, *kind, f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*head, "", body]).encode())

    def request(
        self, method: str, uri: str, call: str, number: int, *, to: str = "", more: str = "", body: str = ""
    ) -> bytes:
        """Return a request of ours; `number` is that of its CSeq."""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        contact = "" if "Contact:" in more or method == "REGISTER" else self._contact()
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.ip}:{self.port};rport;branch=z9hG4bK{call}{number}\r\n"
            f"From: <sip:{self.user}@{self.to[0]}>;tag={self.tag}\r\nTo: {to or f'<{uri}>'}\r\nCall-ID: {call}\r\n"
            f"CSeq: {number} {method}\r\nMax-Forwards: 70\r\n{contact}{more}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _contact(self) -> str:
        return f"Contact: <sip:{self.user}@{self.ip}:{self.port}>\r\n"


class SplitExtension(Extension):
    """Listens on its port, sends each packet from another one, and asks for no `rport`: old Cisco phones do so."""

    def send(self, packet: bytes) -> None:
        """Send one packet from a port of its own, which is closed then: what comes back to it is lost."""
        with socket.socket(type=socket.SOCK_DGRAM) as sending:
            sending.bind((self.ip, 0))
            sending.sendto(packet.replace(b";rport;branch", b";branch"), self.to)
        self.sent += 1


def header(message: bytes, name: str) -> str:
    """Return the first header of that name."""
    return re.findall(rf"^{name}: *(.*?)\r$", message.decode(), re.MULTILINE | re.IGNORECASE)[0]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
