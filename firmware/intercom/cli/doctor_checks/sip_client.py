# SPDX-License-Identifier: GPL-2.0-or-later
"""A small SIP client of its own for `intercom doctor`: asks one thing and shows the exact answer (RFC 3261).

It shares nothing with the voice engine, so that a fault of one is not taken for a fault of the service.
"""

import hashlib
import re
import secrets
import socket
import ssl
import time
from dataclasses import dataclass, field

from intercom import __version__

_RESEND_S = (0.5, 1.0, 2.0, 4.0)
"""Waits before a request over UDP is sent again (RFC 3261 section 17.1.2.2)."""
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


class SipError(Exception):
    """No answer, or none that is SIP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its headers by lower-case name, its body, and how long it took."""

    code: int
    reason: str
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: str = ""
    took_ms: float = 0.0

    def first(self, name: str) -> str:
        """Return the first header of a name, or nothing."""
        return next(iter(self.headers.get(name, [])), "")

    def challenge(self) -> dict[str, str]:
        """Return the parameters of the challenge in it that we can answer (RFC 8760: the server's best first)."""
        offered = [*self.headers.get("www-authenticate", []), *self.headers.get("proxy-authenticate", [])]
        for line in offered:
            found = {name.lower(): (a or b) for name, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', line)}
            if line.lower().startswith("digest") and _algorithm(found)[0] in _HASHES:
                return found
        return {}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe with TLS, and what to show: files of the account, as the voice engine goes by them."""

    ca_file: str = ""
    """Who may sign the server's certificate; the system's authorities where there is none."""
    cert_file: str = ""
    key_file: str = ""

    def context(self) -> ssl.SSLContext:
        """Return what a handshake needs. Raises OSError (ssl.SSLError is one)."""
        # Not create_default_context: from Python 3.13 on that is stricter than the voice engine.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
            # The server's own certificate will do, whoever has signed it.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs()
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file, password=lambda: "")
        return context


USUAL = Trust()


class SipClient:
    """A connection to a server over UDP, TCP or TLS."""

    def __init__(
        self, transport: str, address: str, port: int, name: str, *, bind: str = "", patience_s: float = 3.0,
        trust: Trust = USUAL,
    ) -> None:  # fmt: skip
        """Connect. `name` is what a certificate is checked against. Raises OSError (ssl.SSLError is one)."""
        self.transport, self.patience_s = transport, patience_s
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        plain = socket.socket(family, kind)
        plain.settimeout(patience_s)
        try:
            if bind:
                plain.bind((bind, 0))
            plain.connect((address, port))
            self._socket = trust.context().wrap_socket(plain, server_hostname=name) if transport == "tls" else plain
        except BaseException:
            plain.close()
            raise
        self.own, self.own_port = self._socket.getsockname()[:2]
        self._call, self._tag, self._cseq = f"{secrets.token_hex(8)}@{self.own}", secrets.token_hex(4), 0
        self._left = b""

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def certificate_ends(self) -> float | None:
        """Return when the server's certificate ends, in seconds since 1970; None without TLS."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        certificate = self._socket.getpeercert() or {}
        return ssl.cert_time_to_seconds(str(certificate["notAfter"]))

    def ask(
        self, method: str, uri: str, *, me: str, to: str = "", more: tuple[str, ...] = (), body: str = "",
        cseq: int = 0, patience_s: float = 0.0,
    ) -> Answer:  # fmt: skip
        """Send a request and return its final answer. Raises SipError when there is none, OSError as sockets do."""
        began = time.monotonic()
        self.send(method, uri, me=me, to=to, more=more, body=body, cseq=cseq)
        message = self._sent
        deadline = began + (patience_s or self.patience_s)
        waits = iter(_RESEND_S if self.transport == "udp" else ())
        resend_at = began + next(waits, 1e9)
        while time.monotonic() < deadline:
            answer = self._next(min(resend_at, deadline))
            if answer is not None and answer[1] == f"{self._cseq} {method}":
                if answer[0].code >= 200:
                    took_ms = 1000 * (time.monotonic() - began)
                    return Answer(answer[0].code, answer[0].reason, answer[0].headers, answer[0].body, took_ms)
                resend_at = 1e9
            elif time.monotonic() >= resend_at:
                self._socket.send(message)
                resend_at = time.monotonic() + next(waits, 1e9)
        raise SipError(f"no answer to {method} within {patience_s or self.patience_s:g} s")

    def send(
        self, method: str, uri: str, *, me: str, to: str = "", more: tuple[str, ...] = (), body: str = "", cseq: int = 0
    ) -> None:
        """Send a request and await nothing: an ACK has no answer."""
        self._cseq = cseq or self._cseq + 1
        contact = f"<sip:{me.partition('@')[0].removeprefix('sip:')}@{self._place()};transport={self.transport}>"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport.upper()} {self._place()};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 20",
            f"From: <{me}>;tag={self._tag}",
            f"To: {to or f'<{me}>'}",
            f"Call-ID: {self._call}",
            f"CSeq: {self._cseq} {method}",
            f"User-Agent: intercom-doctor/{__version__}",
            *([f"Contact: {contact}"] if method in {"INVITE", "OPTIONS"} else []),
            *more,
            f"Content-Length: {len(body.encode())}",
        ]
        self._sent = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
        self._socket.sendall(self._sent)

    @property
    def last_cseq(self) -> int:
        """The number of the last request: an ACK has its INVITE's."""
        return self._cseq

    def acknowledge(self, uri: str, answer: Answer) -> None:
        """Confirm the refusal of the INVITE that was sent last: part of its own transaction (section 17.1.1.3)."""
        lines = self._sent.decode().partition("\r\n\r\n")[0].split("\r\n")
        kept = [line for line in lines if line.startswith(("Via:", "Max-Forwards:", "From:", "Call-ID:"))]
        own = [f"To: {answer.first('to')}", f"CSeq: {self._cseq} ACK", "Content-Length: 0", "", ""]
        self._socket.sendall("\r\n".join([f"ACK {uri} SIP/2.0", *kept, *own]).encode())

    def _place(self) -> str:
        host = f"[{self.own}]" if ":" in self.own else self.own
        return f"{host}:{self.own_port}"

    def _next(self, deadline: float) -> tuple[Answer, str] | None:
        """Return the next answer and its CSeq; None when none came in time."""
        while True:
            if (parsed := self._parsed()) is not None:
                return parsed
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                return None
            if not piece:
                raise SipError("the server closed the connection")
            self._left = piece if self.transport == "udp" else self._left + piece

    def _parsed(self) -> tuple[Answer, str] | None:
        """Take one whole message out of what has come; requests of the server's own are passed over."""
        head, found, rest = self._left.partition(b"\r\n\r\n")
        if not found:
            return None
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(_LONG.get(name.strip().lower(), name.strip().lower()), []).append(value.strip())
        length = next(iter(headers.get("content-length", [])), "")
        size = int(length) if length.isdigit() else len(rest)
        if len(rest) < size:
            return None
        self._left = b"" if self.transport == "udp" else rest[size:]
        status = re.fullmatch(r"SIP/2\.0 (\d{3}) ?(.*)", lines[0])
        if status is None:
            return self._parsed() if self._left else None
        answer = Answer(int(status[1]), status[2], headers, rest[:size].decode("utf-8", "replace"))
        return answer, answer.first("cseq")


_LONG = {"v": "via", "m": "contact", "i": "call-id", "f": "from", "t": "to", "l": "content-length", "c": "content-type"}
"""Short names of headers (RFC 3261 section 7.3.3)."""


def credentials(answer: Answer, method: str, uri: str, user: str, password: str, cnonce: str = "") -> str:
    """Return the header that answers a challenge (RFC 7616). Raises SipError when it cannot be answered."""
    cnonce = cnonce or secrets.token_hex(8)
    challenge = answer.challenge()
    if not challenge:
        asked = answer.first("www-authenticate") or answer.first("proxy-authenticate") or "nothing"
        raise SipError(f"the server asks for {asked[:60]!r}, which cannot be answered")
    algorithm, session = _algorithm(challenge)

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    nonce, realm = challenge.get("nonce", ""), challenge.get("realm", "")
    secret = digest(f"{user}:{realm}:{password}")
    if session:
        secret = digest(f"{secret}:{nonce}:{cnonce}")
    what = digest(f"{method}:{uri}")
    parts = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    if "auth" in re.split(r"[,\s]+", challenge.get("qop", "")):
        parts["response"] = digest(f"{secret}:{nonce}:00000001:{cnonce}:auth:{what}")
        plain = [f"algorithm={challenge.get('algorithm', 'MD5')}", "qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
    else:
        parts["response"] = digest(f"{secret}:{nonce}:{what}")
        plain = [f"algorithm={challenge['algorithm']}"] if "algorithm" in challenge else []
    if "opaque" in challenge:
        parts["opaque"] = challenge["opaque"]
    name = "Authorization" if answer.code == 401 else "Proxy-Authorization"
    quoted = [f'{key}="{value}"' for key, value in parts.items()]
    return f"{name}: Digest {', '.join([*quoted, *plain])}"


def _algorithm(challenge: dict[str, str]) -> tuple[str, bool]:
    """Return the algorithm of a challenge, and whether it is one of a session."""
    name = challenge.get("algorithm", "MD5").upper()
    return name.removesuffix("-SESS"), name.endswith("-SESS")
