"""Session descriptions out of a grammar, plausible and broken, and a reader that tells whether there is a voice in one.

`Writer(seed)` follows the productions of RFC 8866 section 9 (and of the RFCs that add attributes), takes one of the
alternatives everywhere, and damages some lines. `Reader` is independent of the engine and strict: it goes by the text
of the RFCs and finds a stream only where nothing about it is in doubt.
"""

from __future__ import annotations

import base64
import ipaddress
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

STATIC = {0: "pcmu/8000/1", 8: "pcma/8000/1", 9: "g722/8000/1"}
"""RFC 3551 table 4, of what a door can speak."""
CODECS = {"opus": "opus/48000/2", "g722": "g722/8000/1", "pcma": "pcma/8000/1", "pcmu": "pcmu/8000/1"}
_PLAIN, _SDES, _DTLS = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF"), ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
LONGEST = 6500
"""Bytes; a whole message of more than 8000 is none (PJSIP_MAX_PKT_LEN)."""
_KEYS = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30}


# Reading.


@dataclass(frozen=True)
class Stream:
    """One m= line and what belongs to it."""

    media: str
    port: int
    protocol: str
    formats: tuple[int, ...]
    address: str
    lines: tuple[str, ...]

    def keeps_numbers(self) -> bool:
        """Tell whether every codec that RFC 3551 gives a number is under that one, as in our offers."""
        maps = [
            found for line in self.lines if (found := re.match(r"a=rtpmap:(\d+) (pcm[au]|g722)/", line, re.IGNORECASE))
        ]
        return all(STATIC.get(int(found[1]), "").startswith(found[2].lower()) for found in maps)

    def codecs(self) -> set[str]:
        """Codecs as "pcma/8000/1", of numbers whose meaning is in no doubt (RFC 8866 section 6.6, RFC 3551)."""
        maps: dict[int, list[str]] = {}
        for line in self.lines:
            if found := re.match(r"a=rtpmap:(\d{1,3})\b", line):
                maps.setdefault(int(found[1]), []).append(line)
        spoken = set()
        for number in (number for number in self.formats if number < 128):
            told = maps.get(number, [])
            if not told and number in STATIC:
                spoken.add(STATIC[number])
            elif len(told) == 1 and (
                whole := re.fullmatch(r"a=rtpmap:\d{1,3} ([A-Za-z0-9_.+-]+)/(\d{1,6})(?:/(\d))?", told[0])
            ):
                spoken.add(f"{whole[1].lower()}/{whole[2]}/{whole[3] or 1}")
        return spoken

    def keys(self) -> bool:
        """Tell whether there is a key by SDES that we know how to use (RFC 4568 section 9); a tag names one alone."""
        tags = [line.partition(" ")[0] for line in self.lines if line.lower().startswith("a=crypto")]
        if len({tag.rpartition(":")[2].lstrip("0") for tag in tags}) < len(tags):
            return False
        for line in self.lines:
            found = re.fullmatch(r"a=crypto:\d{1,9} ([A-Z0-9_]+) inline:([A-Za-z0-9+/]+=*)(?:\|2\^\d+)?", line)
            if found and found[1] in _KEYS and _bytes(found[2]) == _KEYS[found[1]]:
                return True
        return False


def _bytes(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except ValueError:
        return -1


class Reader:
    """What RFC 8866 says of a description."""

    def __init__(self, text: str) -> None:
        """Raises nothing: what cannot be read is not there."""
        self.streams: list[Stream] = []
        sections: list[list[str]] = [[]]
        for line in text.replace("\r\n", "\n").split("\n"):
            if line.startswith("m="):
                sections.append([])
            sections[-1].append(line)
        above = self._address(sections[0])
        for section in sections[1:]:
            found = re.fullmatch(r"m=([A-Za-z]+) (\d{1,5})(?:/\d+)? (\S+)((?: \d{1,3})+)", section[0], re.ASCII)
            here = self._address(section[1:]) if any(line.startswith("c") for line in section) else above
            if found and here and int(found[2]) <= 65535:
                numbers = tuple(int(one) for one in found[4].split())
                self.streams.append(Stream(found[1], int(found[2]), found[3], numbers, here, tuple(section[1:])))
            else:
                self.streams.append(Stream("?", 0, "", (), "", ()))

    @staticmethod
    def _address(lines: Iterable[str]) -> str:
        """Return the IPv4 address of a part's only c= line; nothing in any other case."""
        told = [line for line in lines if line.startswith("c=")]
        found = re.fullmatch(r"c=IN IP4 (\d+\.\d+\.\d+\.\d+)(?:/\d{1,3})?", told[0]) if len(told) == 1 else None
        if found is None:
            return ""
        try:
            return str(ipaddress.IPv4Address(found[1]))
        except ValueError:
            return ""

    def voices(self, codecs: Iterable[str], srtp: str) -> list[int]:
        """Return which streams can be spoken, by a door with these codecs: "off", "optional", "required" (SDES)."""
        wanted = {CODECS[name] for name in codecs}
        return [
            index
            for index, stream in enumerate(self.streams)
            if stream.media == "audio"
            and stream.port > 0
            and wanted & stream.codecs()
            and (
                (stream.protocol in _PLAIN and srtp != "required")
                or (stream.protocol in _SDES and srtp != "off" and stream.keys())
            )
        ]


# Writing.


class Writer:
    """One description after the other, the same ones for the same seed."""

    def __init__(self, seed: int, srtp: str = "off") -> None:
        """`srtp` makes the protocols likely that a door with that setting speaks."""
        self.random = random.Random(seed)
        self.likely = {"off": _PLAIN, "optional": (*_PLAIN, *_SDES), "required": _SDES}[srtp]
        self.damage = self.wild = 0.0

    def one(self, *of: str) -> str:
        return self.random.choice(of)

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def number(self) -> str:
        """Mostly sensible; sometimes at an edge, or none."""
        if self.maybe(0.8):
            return str(self.random.randint(1, 65535))
        return self.one(
            "0",
            "1",
            "-1",
            "65535",
            "65536",
            "99999",
            "4294967296",
            "18446744073709551616",
            "",
            "abc",
            "1.5",
            "0x10",
            "٣",
        )

    def token(self) -> str:
        if self.maybe(0.95):
            return "".join(self.random.choices("abcXYZ019-_.!%*'+`~^{}|", k=self.random.randint(1, 12)))
        return self.one("", " ", "\t", "x" * 300, "é", "\x01", ":", "=", ";;", "\\", '"')

    def address(self) -> tuple[str, str]:
        """A kind of address and an address."""
        if not self.maybe(self.wild / 2):
            return "IP4", self.one("127.0.0.1", "127.0.0.9", "127.0.0.1/127", "127.1.2.3")
        return self.random.choice(
            [
                ("IP4", "0.0.0.0"),
                ("IP6", "::"),
                ("IP6", "::1"),
                ("IP6", "127.0.0.1"),
                ("IP4", "::1"),
                ("IP4", "phone.invalid"),
                ("IP4", "224.2.1.1/127/3"),
                ("IP4", "255.255.255.255"),
                ("IP4", "999.1.1.1"),
                ("IP4", "127.0.0.1/"),
                ("IP4", "127.1"),
                ("IP4", ""),
                ("IP6", "fe80::1%lo"),
                ("IP5", "127.0.0.1"),
                ("", ""),
            ]
        )

    def connection(self) -> str:
        kind, address = self.address()
        return (
            f"c={self.one('IN', 'IN', 'IN', 'IN', 'IN', 'IN', 'ATM', '') if self.maybe(0.1) else 'IN'} {kind} {address}"
        )

    def direction(self) -> str:
        return self.one("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive", "a=sendrecv", "a=sendrecv")

    # Attributes: each alternative is a production of the RFC beside it.

    def attribute(self) -> str:
        made: list[Callable[[], str]] = [
            self.ssrc,
            self.rtcp,
            self.candidate,
            self.crypto,
            self.fingerprint,
            lambda: f"a=ptime:{self.one('20', '20', '10', '30', '40', '60', '0', '-20', '20.5', 'abc', '', '999999')}",
            lambda: f"a=maxptime:{self.one('20', '40', '150', '0', '', 'x')}",
            lambda: self.one("a=rtcp-mux", "a=rtcp-mux:1", "a=rtcp-rsize", "a=rtcp-mux-only"),
            lambda: f"a=rtcp-fb:{self.one('*', '96', '8', '')} {self.one('nack', 'ccm fir', 'transport-cc', '')}",
            lambda: f"a=ice-ufrag:{self.one('F7gI', 'aaaa', 'ab', '', 'F7gI+/xyz', 'é' * 5)}",
            lambda: f"a=ice-pwd:{self.one('x9cml/YzichV2+XlhiMu8g', 'x' * 22, 'short', '', 'x' * 300)}",
            lambda: self.one(
                "a=ice-lite", "a=ice-options:trickle", "a=ice-options:ice2 rtp+ecn", "a=ice-options:", "a=ice-mismatch"
            ),
            lambda: self.one("a=end-of-candidates", "a=remote-candidates:1 127.0.0.1 9", "a=remote-candidates:"),
            lambda: f"a=mid:{self.token()}",
            lambda: f"a=msid:{self.token()} {self.token()}",
            lambda: f"a=extmap:{self.number()} urn:ietf:params:rtp-hdrext:{self.token()}",
            lambda: f"a=setup:{self.one('active', 'passive', 'actpass', 'holdconn', '', 'both')}",
            lambda: f"a=connection:{self.one('new', 'existing', '')}",
            lambda: f"a=tls-id:{self.token()}",
            lambda: f"a=label:{self.token()}",
            lambda: f"a=content:{self.one('main', 'alt', 'slides,main', '')}",
            lambda: f"a=lang:{self.one('de', 'en-GB', '')}",
            lambda: f"a=silenceSupp:{self.one('off - - - -', 'on', '')}",
            lambda: f"a=rtcp-xr:{self.one('rcvr-rtt=all', 'voip-metrics', '')}",
            lambda: f"a=group:{self.one('BUNDLE', 'LS')} {self.token()} {self.token()}",
            lambda: self.one("a=bundle-only", "a=extmap-allow-mixed", "a=nortpproxy:yes", "a=X-nat:0 Unknown", "a=x"),
            lambda: f"a=rid:{self.token()} send",
            lambda: f"a=simulcast:{self.token()}",
            lambda: f"a=ssrc-group:FID {self.number()} {self.number()}",
            lambda: f"a=acap:1 {self.token()}",
            lambda: "a=pcfg:1 t=1",
            lambda: f"a=key-mgmt:mikey {self.token()}",
            lambda: f"a=des:qos mandatory local {self.one('sendrecv', 'none')}",
            lambda: f"a=curr:qos e2e {self.one('none', 'send')}",
            lambda: f"a=framerate:{self.number()}",
            lambda: f"a=quality:{self.number()}",
            lambda: f"a=orient:{self.token()}",
            lambda: f"a=type:{self.one('broadcast', 'H332', '')}",
            lambda: f"a=charset:{self.one('UTF-8', 'ISO-8859-1', '')}",
            lambda: f"a=tool:{self.token()}",
            lambda: f"a={self.token()}:{self.token()}",
            lambda: f"a={self.token()}",
            self.direction,
        ]
        return self.random.choice(made)()

    def ssrc(self) -> str:
        name = self.one("", " cname:x", " cname:", " label:x", " msid:a b", " ", ":", " x")
        return f"a=ssrc:{self.number()}{name}" if self.maybe(0.95) else self.one("a=ssrc", "a=ssrc:", "a=ssrc: cname:x")

    def rtcp(self) -> str:
        kind, address = self.address()
        return f"a=rtcp:{self.number()}" + (
            f" IN {kind} {address}" if self.maybe(0.5) else self.one("", "", " IN", " IN IP4")
        )

    def candidate(self) -> str:
        _, address = self.address()
        fields = [
            self.one("1", "abc", "H1", ""),
            self.one("1", "2", "0", "256", "x"),
            self.one("UDP", "udp", "TCP", ""),
        ]
        fields += [self.number(), self.one(address, "phone.local", "192.0.2.1"), self.number(), self.one("typ", "")]
        fields += [self.one("host", "srflx", "relay", "x", "")]
        if self.maybe(0.3):
            fields += ["raddr", address, "rport", self.number(), "generation", "0"]
        return "a=candidate:" + " ".join(fields[: len(fields) if self.maybe(0.95) else self.random.randint(0, 7)])

    def crypto(self) -> str:
        suite = self.one(
            *_KEYS, *_KEYS, "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "F8_128_HMAC_SHA1_80", "ROT13", ""
        )
        size = {"AES_256_CM_HMAC_SHA1_80": 46, "AEAD_AES_128_GCM": 28}.get(suite, 30)
        key = base64.b64encode(self.random.randbytes(size if self.maybe(0.93) else self.random.randint(0, 60))).decode()
        more = self.one("", "", "", "|2^31", "|2^20|1:4", "|", " KDR=1", " UNENCRYPTED_SRTP", " WSH=64")
        tag = self.one("1", "2", "3", "0", "", "-1", "x") if self.maybe(0.2) else "1"
        return f"a=crypto:{tag} {suite} inline:{key}{more}"

    def fingerprint(self) -> str:
        digest, size = self.random.choice(
            [("sha-256", 32), ("sha-1", 20), ("SHA-256", 32), ("md5", 16), ("", 0), ("sha-256", 7)]
        )
        return f"a=fingerprint:{digest} " + ":".join(f"{byte:02X}" for byte in self.random.randbytes(size))

    def formats(self) -> tuple[list[str], list[str]]:
        """Numbers of an m= line, and the lines that explain them."""
        static = [
            ("0", ""),
            ("8", ""),
            ("9", ""),
            ("0", "PCMU/8000"),
            ("8", "PCMA/8000"),
            ("9", "G722/8000"),
            ("3", "GSM/8000"),
        ]
        static += [
            ("18", "G729/8000"),
            ("13", "CN/8000"),
            ("13", "PCMU/8000"),
            ("4", ""),
            ("12", ""),
            ("8", "PCMA/8000/1"),
        ]
        dynamic = ["opus/48000/2", "PCMU/8000", "PCMA/8000", "G722/8000", "L16/44100/2", "iLBC/8000", "speex/16000"]
        dynamic += [
            "telephone-event/8000",
            "telephone-event/48000",
            "CN/16000",
            "red/8000",
            "AMR-WB/16000",
            "OPUS/48000/2",
        ]
        dynamic += ["opus/48000", "G722/16000", "PCMU/8000/2", "x/1", "pcma/8000"]
        numbers: list[str] = []
        lines: list[str] = []
        for _ in range(self.random.choice([1, 1, 2, 2, 3, 4, 5, 8, 12])):
            if self.maybe(0.5):
                number, name = self.random.choice(static)
            else:
                number, name = (
                    str(self.random.randint(96, 127) if self.maybe(0.95) else self.random.randint(0, 200)),
                    self.one(*dynamic),
                )
            if number in numbers and self.maybe(0.9):
                continue
            numbers.append(number)
            if name:
                lines.append(f"a=rtpmap:{number} {name}")
            if self.maybe(0.2):
                lines.append(
                    f"a=fmtp:{number} "
                    + self.one(
                        "useinbandfec=1; minptime=10",
                        "0-16",
                        "0-15,66",
                        "annexb=no",
                        "",
                        "mode=30",
                        "x" * 500,
                        "111/111",
                        "=;=;",
                    )
                )
        if self.maybe(0.05):
            numbers.append(self.one("*", "null", "-1", "128", "999", ""))
        return numbers, lines

    def medium(self) -> list[str]:
        kind = (
            "audio"
            if self.maybe(0.85)
            else self.one("video", "application", "text", "image", "message", "Audio", "x", "")
        )
        odd = ("udptl", "TCP/MSRP", "UDP", "RTP", "", "rtp/avp", "RTP/AVP/x", *_PLAIN, *_SDES, *_DTLS, *_DTLS)
        protocol = self.one(*odd) if self.maybe(self.wild) else self.one(*self.likely)
        port = self.number() if self.maybe(self.wild / 2) else str(self.random.randint(1024, 65000))
        ports = f"{port}/{self.one('1', '2', '0', 'x')}" if self.maybe(0.03) else port
        numbers, lines = self.formats()
        lines += [self.attribute() for _ in range(self.random.choice([0, 1, 2, 3, 5, 8, 20]))]
        if protocol in _SDES and self.maybe(0.9):
            key = base64.b64encode(self.random.randbytes(30)).decode()
            lines.append(self.crypto() if self.maybe(0.3) else f"a=crypto:1 {self.one(*_KEYS)} inline:{key}")
        if protocol in _DTLS and self.maybe(0.7):
            lines += [self.fingerprint(), "a=setup:actpass"]
        if self.maybe(0.5):
            lines.append(self.direction())
        self.random.shuffle(lines)
        above = [self.connection()] if self.maybe(0.3) else []
        above += [f"b={self.one('AS', 'TIAS', 'CT', 'X-y', '')}:{self.number()}"] if self.maybe(0.15) else []
        above += [f"i={self.token()}"] if self.maybe(0.05) else []
        return [f"m={kind} {ports} {protocol} {' '.join(numbers)}", *above, *lines]

    def description(self) -> str:
        """A whole one, of a length that a message may have."""
        while len(text := self._description().encode("utf-8", "surrogateescape")) > LONGEST:
            pass
        return text.decode("utf-8", "surrogateescape")

    def _description(self) -> str:
        self.damage, self.wild = self.random.choice([(0, 0.05), (0, 0.2), (0.02, 0.1), (0.05, 0.2), (0.2, 0.5)])
        kind, address = self.address()
        lines = [
            "v=0",
            f"o={self.one('-', 'alice', 'Anna Bell', '')} {self.number()} {self.number()} IN {kind} {address}",
        ]
        lines += [f"s={self.one('-', ' ', 'call', '')}"]
        for letter, share in (("i", 0.05), ("u", 0.05), ("e", 0.05), ("p", 0.05)):
            if self.maybe(share):
                lines.append(f"{letter}={self.token()}")
        if self.maybe(0.85):
            lines.append(self.connection())
        if self.maybe(0.15):
            lines.append(f"b={self.one('AS', 'CT', '')}:{self.number()}")
        lines.append(self.one("t=0 0", "t=0 0", "t=0 0", "t=3034423619 3042462419", "t=0", "t="))
        for letter, share in (("r=604800 3600 0 90000", 0.03), ("z=2882844526 -1h", 0.03), ("k=prompt", 0.03)):
            if self.maybe(share):
                lines.append(letter)
        lines += [self.attribute() for _ in range(self.random.choice([0, 0, 1, 2, 4]))]
        for _ in range(self.random.choice([1, 1, 1, 1, 2, 3, 5])):
            lines += self.medium()
        damaged = [piece for line in lines for piece in self._damage(line)]
        return self.one("\r\n", "\r\n", "\r\n", "\n").join(damaged) + self.one("\r\n", "\r\n", "")

    def _damage(self, line: str) -> list[str]:
        if not self.maybe(self.damage):
            return [line]
        at = self.random.randint(0, len(line))
        return self.random.choice(
            [
                [],
                [line, line],
                [line[:at]],
                [line[:at] + " " + line[at:]],
                [line + self.one(" ", "\t", "  ")],
                [" " + line],
                [line[:at] + self.one("\x00", "\x7f", "é", "\udcff", "%", "\t", "\r") + line[at:]],
                [line.upper()],
                [line.replace(":", "", 1)],
                [line.replace("=", self.one("", ":", " = "), 1)],
                [line.partition(":")[0] + ":"],
                [line] * 40,
                ["", line],
                [line[::-1]],
                [line + "x" * 600],
            ]
        )
