"""An extension that logs in as itself and says to be somebody else. It answers one challenge to each request."""

from __future__ import annotations

import hashlib
import itertools
import re
import select
import socket
import time
from types import TracebackType

_NUMBERS = itertools.count(int(time.monotonic() * 1000) % 1_000_000)


class Impostor:
    """A user of a SIP service with a password of its own, over UDP. Its From header may be anything."""

    def __init__(self, ip: str, server: str, user: str, password: str) -> None:
        assert ip.startswith("127."), "only ever on loopback"
        self.server, self.user, self.password = server, user, password
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.ip, self.port = self.socket.getsockname()

    def call(self, sender: str, *, to: str = "door", more: str = "", seconds: float = 8.0) -> int:
        """Call with this From header; hang up what was answered. Return the final answer's code, 0 for none."""
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {self.ip}\r\ns=-\r\nc=IN IP4 {self.ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
            "a=rtpmap:8 PCMA/8000\r\n"
        )
        return self._ask("INVITE", sender, to, f"{more}Content-Type: application/sdp\r\n", body, seconds)

    def text(self, sender: str, body: str, *, to: str = "door", more: str = "", seconds: float = 8.0) -> int:
        """Send a text with this From header; return the final answer's code, 0 for none."""
        return self._ask("MESSAGE", sender, to, f"{more}Content-Type: text/plain\r\n", body, seconds)

    def ask(self, method: str, sender: str, *, to: str = "door", more: str = "", seconds: float = 8.0) -> int:
        """Send any other request with this From header; return the final answer's code, 0 for none."""
        return self._ask(method, sender, to, more, "", seconds)

    def _ask(self, method: str, sender: str, to: str, more: str, body: str, seconds: float) -> int:
        number, login = next(_NUMBERS), ""
        for turn in (1, 2):
            uri = f"sip:{to}@{self.server}"
            begun = (
                f"Via: SIP/2.0/UDP {self.ip}:{self.port};branch=z9hG4bK{number}-{turn};rport\r\n"
                f"From: {sender};tag=x{number}\r\nTo: <{uri}>{{tag}}\r\nCall-ID: {number}@{self.ip}\r\n"
                f"CSeq: {turn} {{method}}\r\nMax-Forwards: 70\r\n"
            )
            contact = f"Contact: <sip:{self.user}@{self.ip}:{self.port}>\r\n"
            head = begun.format(tag="", method=method) + contact + login + more
            self._send(f"{method} {uri} SIP/2.0\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}")
            answer = self._final(number, method, seconds)
            code = int(answer[8:11]) if answer else 0
            tag = (re.findall(r"(?im)^(?:To|t):.*?(;tag=[^;\s]+)", answer) or [""])[0]
            if method == "INVITE" and code >= 300:
                ack = begun.format(tag=tag, method="ACK")
                self._send(f"ACK {uri} SIP/2.0\r\n{ack}Content-Length: 0\r\n\r\n")
            if method == "INVITE" and code // 100 == 2:
                self._hang_up(answer, begun, tag, number)
            if code not in (401, 407):
                return code
            login = self._login(answer, method, uri)
        return code

    def _hang_up(self, answer: str, begun: str, tag: str, number: int) -> None:
        target = re.findall(r"(?im)^(?:Contact|m): *<([^>]+)>", answer)[0]
        routes = "".join(f"Route: {route}\r\n" for route in re.findall(r"(?im)^Record-Route: *(.*?)\r?$", answer)[::-1])
        ack = begun.format(tag=tag, method="ACK").replace("branch=z9hG4bK", "branch=z9hG4bKa", 1)
        self._send(f"ACK {target} SIP/2.0\r\n{ack}{routes}Content-Length: 0\r\n\r\n")
        bye = begun.format(tag=tag, method="BYE").replace("branch=z9hG4bK", "branch=z9hG4bKb", 1)
        bye = re.sub(r"CSeq: \d", "CSeq: 3", bye)
        self._send(f"BYE {target} SIP/2.0\r\n{bye}{routes}Content-Length: 0\r\n\r\n")
        self._final(number, "BYE", 3.0)

    def _final(self, number: int, method: str, seconds: float) -> str:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            text = self.socket.recv(65536).decode("utf-8", "replace")
            mine = f"{number}@{self.ip}" in text and re.search(rf"(?im)^CSeq: *\d+ +{method}\b", text)
            if text.startswith("SIP/2.0 ") and mine and int(text[8:11]) >= 200:
                return text
        return ""

    def _login(self, answer: str, method: str, uri: str) -> str:
        name, challenge = re.findall(r"(?im)^(WWW|Proxy)-Authenticate: *Digest (.*?)\r?$", answer)[0]
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        secret = _md5(f"{self.user}:{given['realm']}:{self.password}")
        asked = _md5(f"{method}:{uri}")
        middle = "00000001:abcdef:auth" if "qop" in given else ""
        response = _md5(":".join(part for part in (secret, given["nonce"], middle, asked) if part))
        qop = ", qop=auth, nc=00000001, cnonce=abcdef" if middle else ""
        opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
        header = "Authorization" if name.upper() == "WWW" else "Proxy-Authorization"
        return (
            f'{header}: Digest username="{self.user}", realm="{given["realm"]}", nonce="{given["nonce"]}", '
            f'uri="{uri}", response="{response}", algorithm=MD5{qop}{opaque}\r\n'
        )

    def _send(self, text: str) -> None:
        self.socket.sendto(text.encode(), (self.server, 5060))

    def __enter__(self) -> Impostor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
