"""What a server, or whoever sits before it, may answer: generated and mutated, seeded. And what comes with sound."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from lab.attackers import mutate

CODES = (
    100,
    180,
    181,
    183,
    183,
    199,
    200,
    200,
    202,
    301,
    302,
    305,
    401,
    401,
    407,
    408,
    422,
    423,
    480,
    486,
    491,
    503,
    603,
)
NONCE = 'Digest realm="{realm}", nonce="0123456789abcdef"'
HEADERS = (
    "Contact: <sip:peer@{host};transport=udp>;expires=300;q=0.5",
    "Contact: *",
    'Contact: "x" <sip:{long}@{host}>;+sip.instance="<urn:uuid:1>";reg-id=1;{long}={long}',
    "Record-Route: <sip:{host};lr>, <sip:{host};lr;r2=on>",
    "Service-Route: <sip:{host};lr>",
    "Path: <sip:{host};lr>;ob",
    "WWW-Authenticate: " + NONCE + ', qop="auth,auth-int", algorithm=MD5, opaque="{long}"',
    "WWW-Authenticate: " + NONCE + ", algorithm=SHA-256",
    "WWW-Authenticate: " + NONCE + ", algorithm=AKAv1-MD5, stale=TRUE",
    'WWW-Authenticate: Bearer authz_server="https://x/", scope="{long}"',
    "Proxy-Authenticate: " + NONCE + ", qop=auth",
    'Authentication-Info: nextnonce="x", rspauth="0"',
    "Require: 100rel, timer, {long}",
    "RSeq: {number}",
    "Supported: outbound, path, gruu, timer, 100rel, replaces, {long}",
    "Unsupported: {long}",
    "Allow: INVITE, ACK, BYE, UPDATE, INFO, {long}",
    "Session-Expires: {number};refresher=uas",
    "Min-SE: {number}",
    "Min-Expires: {number}",
    "Expires: {number}",
    "Retry-After: {number} (x);duration={number}",
    'Warning: 399 {host} "{long}"',
    'Reason: Q.850;cause={number};text="{long}"',
    "P-Asserted-Identity: <sip:{long}@{host}>, <tel:+49{number}>",
    "Date: Mon, 30 Nov 2026 18:00:00 GMT",
    "Server: {long}",
    "Alert-Info: <http://{host}/{long}>;info=x",
    "Event: presence;id={long}",
    "Subscription-State: terminated;reason={long};retry-after={number}",
    "Flow-Timer: {number}",
    "Error-Info: <sip:{long}>",
    "{long}: {long}",
)
LONG = (0, 1, 2, 7, 60, 127, 128, 129, 255, 256, 257, 512, 1024, 2000)
NUMBERS = (
    "0",
    "1",
    "-1",
    "90",
    "300",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9" * 30,
)
CONTENT = (
    "application/sdp", "multipart/mixed;boundary=b", "application/dtmf-relay", "message/sipfrag",
    "application/pidf+xml",
    "application/im-iscomposing+xml", "text/plain",
)  # fmt: skip
ATTRIBUTES = (
    "rtpmap:{pt} {codec}/{rate}", "rtpmap:{pt} {codec}/{rate}/{few}", "fmtp:{pt} {long}", "fmtp:{pt} 0-15,{number}",
    "fmtp:{pt} maxplaybackrate={number};stereo={few};useinbandfec=1;cbr={number}", "fmtp:{pt} {pt}/{pt}/{pt}",
    "ptime:{number}", "maxptime:{number}", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp:{number}",
    "rtcp:{number} IN IP4 {host}", "rtcp-mux", "rtcp-fb:* nack", "rtcp-fb:{pt} {long}", "rtcp-xr:{long}",
    "crypto:{few} AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4",
    "crypto:{number} AES_256_CM_HMAC_SHA1_80 inline:{long}",
    "candidate:{few} 1 UDP {number} {host} {number} typ host",
    "candidate:{long} 2 TCP {number} {long} 9 typ srflx raddr x",
    "ice-ufrag:{long}", "ice-pwd:{long}", "ice-lite", "remote-candidates:1 {host} {number}", "setup:actpass",
    "fingerprint:sha-256 {long}", "ssrc:{number} cname:{long}", "mid:{long}",
    "group:BUNDLE {long}", "label:{long}", "{long}",
    "{long}:{long}",
)  # fmt: skip
CODECS = ("opus", "G722", "PCMA", "PCMU", "telephone-event", "red", "CN", "L16", "x")


class Answers:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int, host: str) -> None:
        self.chance, self._host = random.Random(seed), host

    def made(self, head: str, code: int | None = None) -> bytes:
        """An answer to a request, of which `head` holds Via, From, To, Call-ID and CSeq; three of four are mutated."""
        chance = self.chance
        code = code or chance.choice(CODES)
        lines = [self._filled(chance.choice(HEADERS)) for _ in range(chance.randrange(6))]
        if chance.random() < 0.15 and lines:
            lines += [self._filled(chance.choice(lines))] * chance.choice((2, 9, 20, 40, 100))
        kind, body = self.body()
        if kind:
            lines.append(f"Content-Type: {kind}")
        lines.append(f"Content-Length: {chance.choice((len(body), len(body), len(body), 0, 7000, -1))}")
        first = f"SIP/2.0 {code} {'x' * chance.choice((2, 2, 2, 300))}\r\n"
        tail = "".join(f"{line}\r\n" for line in lines) + "\r\n" + body
        match chance.randrange(4):
            case 0:
                return (first + head + tail).encode("utf-8", "replace")[:7900]
            case 1 | 2:  # so it belongs to the request, and is read to its end
                return ((first + head).encode() + mutate(tail.encode("utf-8", "replace"), chance))[:7900]
            case _:
                return mutate((first + head + tail).encode("utf-8", "replace"), chance)

    def body(self) -> tuple[str, str]:
        """A body's type and text; neither for none."""
        chance = self.chance
        if chance.random() < 0.3:
            return "", ""
        kind = "application/sdp" if chance.random() < 0.7 else chance.choice(CONTENT)
        if kind == "application/sdp":
            return kind, self.sdp()
        if kind.startswith("multipart"):
            parts = [
                f"--b\r\n{self._filled(chance.choice(HEADERS))}\r\n"
                f"Content-Type: {chance.choice(CONTENT)}\r\n\r\n{self.sdp()}"
                for _ in range(chance.randrange(4))
            ]
            return kind, "".join(parts) + chance.choice(("--b--\r\n", "", "--", "--b"))
        return kind, "<a>" * chance.choice((1, 50, 900)) + self._filled("{long}")

    def sdp(self) -> str:
        """A session description: sound at an address of ours, and whatever else."""
        chance = self.chance
        media = chance.choice((0, 1, 1, 1, 1, 1, 2, 16, 17, 40))
        head = "v=0\r\no=- {number} 1 IN IP4 {host}\r\ns={long}\r\nc=IN IP4 {host}\r\nb=AS:{number}\r\nt=0 0\r\n"
        text = self._filled(chance.choice((head, head.replace("IP4 {host}", "IP6 ::1"), "v=0\r\n")))
        for _ in range(media):
            proto = chance.choice(("RTP/AVP", "RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "x"))
            kinds = " ".join(
                str(chance.choice((0, 8, 9, 96, 101, 120, 127, 128, 300))) for _ in range(chance.choice((1, 3, 40)))
            )
            what = chance.choice(("audio", "audio", "audio", "video", "text"))
            text += f"m={what} {chance.choice((0, 9, 40000))} {proto} {kinds}\r\n"
            count = chance.choice((0, 3, 6, 70)) if media < 3 else 1
            text += "".join(f"a={self._filled(chance.choice(ATTRIBUTES))}\r\n" for _ in range(count))
        return text

    def _filled(self, pattern: str) -> str:
        chance = self.chance
        fields: dict[str, Callable[[], str]] = {
            "{long}": lambda: chance.choice('aA1%<";:\\\t') * chance.choice(LONG) if chance.random() < 0.5 else "x",
            "{number}": lambda: chance.choice(NUMBERS),
            "{host}": lambda: self._host,
            "{realm}": lambda: chance.choice(("house", "", "x" * 200)),
            "{pt}": lambda: str(chance.choice((0, 8, 9, 96, 101, 120, 127, 128, 255, 65535))),
            "{few}": lambda: str(chance.randrange(4)),
            "{codec}": lambda: chance.choice(CODECS),
            "{rate}": lambda: chance.choice(("8000", "16000", "48000", "0", "4294967295")),
            "{key}": lambda: "A" * chance.choice((40, 40, 64, 3)),
        }
        for field, made in fields.items():
            while field in pattern:
                pattern = pattern.replace(field, made(), 1)
        return pattern

    # ---- sound ----

    def rtp(self, number: int) -> bytes:
        """An RTP packet (RFC 3550 section 5.1) of a kind that was agreed on, or of none."""
        chance = self.chance
        kind = chance.choice((8, 8, 9, 96, 96, 101, 120, 0, 13, 127))
        first = 0x80 if chance.random() < 0.7 else chance.randrange(256)
        head = struct.pack(
            ">BBHII", first, kind | chance.choice((0, 0x80)), number & 0xFFFF, number * 160 & 0xFFFFFFFF, 7
        )
        size = chance.choice((0, 1, 2, 3, 4, 8, 40, 160, 320, 1200, 1270, 1275, 1280, 1400, 1990))
        payload = bytes([chance.randrange(256)]) * size if chance.random() < 0.3 else chance.randbytes(size)
        if kind == 96 and size and chance.random() < 0.6:  # Opus, several frames in one (RFC 6716 section 3.2)
            payload = bytes([chance.randrange(32) << 3 | chance.choice((1, 2, 3, 3)), chance.randrange(64)]) + payload
        if kind in (101, 120) and chance.random() < 0.8:
            payload = bytes([chance.randrange(20), chance.choice((10, 0x8A)), 3, 32]) + payload[: chance.randrange(3)]
        return mutate(head + payload, chance) if chance.random() < 0.2 else head + payload

    def rtcp(self) -> bytes:
        """Several RTCP packets in one (RFC 3550 section 6, RFC 4585, RFC 3611), or what looks like STUN or DTLS."""
        chance = self.chance
        made = b""
        for _ in range(chance.randrange(1, 5)):
            kind, count = chance.choice((200, 201, 202, 203, 204, 205, 206, 207)), chance.randrange(32)
            rest = chance.randbytes(chance.choice((0, 4, 8, 20, 24, 48, 100)))
            if kind == 202 and chance.random() < 0.7:
                rest = struct.pack(">IBB", 7, chance.randrange(9), chance.choice((0, 5, 200, 255))) + rest
            words = chance.choice((len(rest) // 4 + 1, len(rest) // 4 + 1, chance.randrange(65536)))
            made += struct.pack(">BBHI", 0x80 | count, kind, words & 0xFFFF, 7) + rest
        match chance.randrange(8):
            case 0:
                return mutate(made, chance)
            case 1:
                return struct.pack(">HHI", chance.choice((1, 0x0101, 0x0111)), chance.randrange(99), 0x2112A442) + made
            case 2:
                return bytes([22, 254, 253]) + made
            case _:
                return made
