"""Who attacks the door: scanners, fuzzers, floods. Seeded, counted, paced by what it has read, on loopback only."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

TORTURE = Path(__file__).with_name("torture.txt")
ROOM = 60_000
"""Bytes that may wait unread at the door: beyond its buffer the kernel drops, and nothing would have been tried."""
Address = tuple[str, int]


class Attacker:
    """A UDP socket on an address, port of the kernel's choice."""

    def __init__(self, ip: str, to: Address) -> None:
        assert ip.startswith("127."), "only ever on loopback"
        self.to, self.sent = to, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.ip, self.port = self.socket.getsockname()

    def send(self, packet: bytes) -> None:
        """Send one packet; too big a one counts as tried, too."""
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, self.to)
        self.sent += 1

    def at_rate(self, packets: Iterator[bytes], per_s: int, seconds: float) -> None:
        """Send so many a second, for so long."""
        began = time.monotonic()
        for number in range(int(per_s * seconds)):
            late = began + number / per_s - time.monotonic()
            if late > 0:
                time.sleep(late)
            self.send(next(packets))

    def as_read(self, packets: Iterable[bytes], seconds: float) -> None:
        """Send as fast as the door reads, and wait until it has read all; fail after so many seconds."""
        until = time.monotonic() + seconds
        for number, packet in enumerate(packets):
            if number % 20 == 0:
                self._wait(ROOM, until)
            self.send(packet)
        self._wait(0, until)

    def _wait(self, room: int, until: float) -> None:
        while unread(self.to) > room:
            assert time.monotonic() < until, f"the door has not read everything: {self.sent} sent"
            time.sleep(0.002)

    def await_heard(self, seconds: float) -> bytes:
        """Return the next thing that comes back; nothing, when nothing does."""
        return self.socket.recv(65536) if select.select([self.socket], [], [], seconds)[0] else b""

    def heard(self) -> list[bytes]:
        """What has come back by now."""
        got = []
        while select.select([self.socket], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                got.append(self.socket.recv(65536))
        return got

    def close(self) -> None:
        self.socket.close()


class Forger(Attacker):
    """Sends as somebody else: IP packets of its own making, with any sender's address and port.

    Answers go to whose address that is. `own` is where it listens itself, for what it has talked the door into sending.
    """

    def __init__(self, as_whom: Address, own: str, to: Address) -> None:
        super().__init__(own, to)
        self.own, self.own_port = self.ip, self.port
        self.ip, self.port = as_whom
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, packet: bytes) -> None:
        """Send one packet in the other's name; too big a one counts as tried, too."""
        here, there = socket.inet_aton(self.ip), socket.inet_aton(self.to[0])
        # No checksum: UDP over IPv4 may do without, and the kernel fills the IP header's in.
        datagram = struct.pack("!HHHH", self.port, self.to[1], 8 + len(packet), 0) + packet
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0, here, there)
        with contextlib.suppress(OSError, struct.error):
            self._raw.sendto(head + datagram, (self.to[0], 0))
        self.sent += 1

    def close(self) -> None:
        super().close()
        self._raw.close()


def unread(to: Address) -> int:
    """Bytes that wait at a UDP socket, as the kernel counts them."""
    place = bytes(reversed(socket.inet_aton(to[0]))).hex().upper() + f":{to[1]:04X}"
    for row in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[1] == place:
            return int(fields[4].split(":")[1], 16)
    return 0


def request(
    method: str,
    attacker: Attacker,
    number: int,
    *,
    caller: str = "666",
    more: str = "",
    body: str = "",
    uri: str = "",
    via: str = ";rport",
) -> bytes:
    """A well-formed request out of the blue, as SIP scanners send them; to `uri`, with `via` behind its branch."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    uri = uri or f"sip:{100 + number % 900}@{attacker.to[0]}:{attacker.to[1]}"
    return (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {attacker.ip}:{attacker.port};branch=z9hG4bK-{number}{via}\r\n"
        f'From: "sipvicious" <sip:{caller}@{attacker.to[0]}>;tag={number:x}\r\nTo: <sip:door@{attacker.to[0]}>\r\n'
        f"Call-ID: {number}@{attacker.ip}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:{caller}@{attacker.ip}:{attacker.port}>\r\n"
        f"Max-Forwards: 70\r\nUser-Agent: friendly-scanner\r\n{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def sdp(ip: str, *lines: str) -> str:
    """A session description with more lines at its end."""
    head = f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 101\r\n"
    return head + "a=rtpmap:101 telephone-event/8000\r\n" + "".join(f"{line}\r\n" for line in lines)


def scan(attacker: Attacker, uri: str = "") -> Iterator[bytes]:
    """What a scanner sends, without end."""
    for number in itertools.count():
        method = ("INVITE", "REGISTER", "OPTIONS")[number % 3]
        body = sdp(attacker.ip) if method == "INVITE" else ""
        yield request(method, attacker, number, caller="201", body=body, uri=uri)


def torture() -> dict[str, bytes]:
    """The messages of RFC 4475 by their names there."""
    messages = {}
    for part in TORTURE.read_text("utf-8").split("=== ")[1:]:
        name, _, text = part.partition("\n")
        text = text.removesuffix("\n").replace("\n", "\r\n")
        messages[name] = text.encode().decode("unicode_escape").encode("latin-1") if "\\x" in text else text.encode()
    return messages


TOKENS = (
    b"", b"\0", b"\r\n", b"\r\n\r\n", b"%00", b"%", b"\xff\xfe", b"-1", b"4294967296", b"9" * 20, b";", b",",
    b"<", b">", b'"', b"\\", b"sip:", b"sips:[::1]:", b"tel:+", b"A" * 300, b"\t" * 40, b"SIP/2.0", b"z9hG4bK", b":",
    b"multipart/mixed;boundary=x", b"application/sdp", b"Content-Length: 0\r\n", b"l: -5\r\n", b"@", b"?", b"=", b"[",
)  # fmt: skip


def mutate(message: bytes, chance: random.Random) -> bytes:
    """One to four small accidents."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        span = chance.randrange(1, 40)
        match chance.randrange(7):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + span]
            case 2:
                data[at:at] = data[at : at + span] * chance.randrange(1, 20)
            case 3:
                data[at:at] = chance.choice(TOKENS)
            case 4:
                data[at : at + span] = chance.choice(TOKENS)
            case 5:
                rows = bytes(data).split(b"\r\n")
                one, other = chance.randrange(len(rows)), chance.randrange(len(rows))
                rows[one], rows[other] = rows[other], rows[one]
                data = bytearray(b"\r\n".join(rows))
            case 6:
                data = data[:at] if len(data[:at]) > 40 else data
    return bytes(data[:7900])


def fuzz(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many mutations, the same for the same seed, and each a call of its own: else most were retransmissions."""
    chance = random.Random(seed)
    for number in range(count):
        message = chance.choice(seeds).replace(b"branch=z9hG4bK", b"branch=z9hG4bK%x-" % number, 1)
        message = message.replace(b"Call-ID: ", b"Call-ID: %x-" % number, 1)
        yield mutate(message, chance)


def rtp(number: int, kind: int, payload: bytes, ssrc: int = 0x0BADF00D, marker: bool = False) -> bytes:
    """An RTP packet (RFC 3550 section 5.1)."""
    head = bytes([0x80, kind | (0x80 if marker else 0)]) + (number & 0xFFFF).to_bytes(2, "big")
    return head + (number * 160 & 0xFFFFFFFF).to_bytes(4, "big") + ssrc.to_bytes(4, "big") + payload


def keyed(digits: str, kind: int, number: int) -> Iterator[bytes]:
    """Digits as RTP events (RFC 4733): begin, and three times the end."""
    for digit in digits:
        event = "0123456789*#".index(digit)
        for step, end in enumerate((0, 0x80, 0x80, 0x80)):
            yield rtp(number, kind, bytes([event, end | 10, 0x03, 0x20]), marker=step == 0)
            number += 1


def sound_ports(pid: int, ip: str) -> list[int]:
    """Where a process waits for RTP, as the kernel knows it: the ports of `profile.RTP_PORTS` that it has open."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(link.readlink().name)
    place = bytes(reversed(socket.inet_aton(ip))).hex().upper()
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    ports = [
        int(row[1].split(":")[1], 16) for row in rows if row[1].startswith(place) and f"socket:[{row[9]}]" in inodes
    ]
    return sorted(port for port in ports if 10000 <= port < 20000)


class Talker:
    """A TCP connection to the door, made again whenever the door has closed it."""

    def __init__(self, ip: str, to: Address) -> None:
        assert ip.startswith("127."), "only ever on loopback"
        self.ip, self.to, self.sent, self.answered, self.connections = ip, to, 0, 0, 0
        self._link: socket.socket | None = None

    def send(self, packet: bytes, chance: random.Random) -> None:
        """Send one message, in one piece or two, and read what has been answered."""
        at = chance.randrange(len(packet) + 1)
        with contextlib.suppress(OSError):
            link = self._link or self._connect()
            for piece in (packet[:at], packet[at:]):
                link.sendall(piece)
        self.sent += 1
        self._hear()

    def _connect(self) -> socket.socket:
        link = socket.socket()
        link.bind((self.ip, 0))
        link.settimeout(5)
        link.connect(self.to)
        self._link, self.connections = link, self.connections + 1
        return link

    def _hear(self) -> None:
        with contextlib.suppress(OSError):
            while self._link and select.select([self._link], [], [], 0)[0]:
                if data := self._link.recv(65536):
                    self.answered += data.count(b"SIP/2.0 ")
                else:
                    self.close()
            return
        self.close()

    def finish(self, seconds: float = 2.0) -> None:
        """Await that the door has closed the connection or says nothing more."""
        if self._link and select.select([self._link], [], [], seconds)[0]:
            self._hear()

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None


def listening_port(pid: int) -> int:
    """Where a process takes TCP connections, as the kernel knows it; 0 for nowhere."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(link.readlink().name)
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
    return ports[0] if ports else 0


class Eavesdropper:
    """Hears every UDP packet of the loopback, as somebody on the wire would."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.socket.bind(("lo", 0))

    def await_message(self, begins: bytes, holds: bytes, seconds: float = 10.0) -> bytes:
        """Return the next message that begins so and holds that."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            packet = self.socket.recv(65536)
            payload = packet[(packet[0] & 15) * 4 + 8 :]
            if packet[9] == socket.IPPROTO_UDP and payload.startswith(begins) and holds in payload:
                return payload
        raise AssertionError(f"nobody sent {begins!r}")

    def close(self) -> None:
        self.socket.close()


def contact_of(registered: bytes) -> str:
    """The URI of the Contact in a REGISTER: what only its registrar is told, or who reads along on the wire."""
    return re.findall(rb"(?m)^Contact: [^<]*<([^>]+)>", registered)[0].decode()
