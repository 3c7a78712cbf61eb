"""How phones and gateways send keys by RTP (RFC 4733), right and wrong, and what a network does to the packets."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.rtp_events import EVENTS

HIGHEST = 0xFFFF
"""What the 16 bits of a length hold."""


@dataclass(frozen=True)
class Packet:
    """One RTP packet."""

    kind: int
    """Payload type."""
    marker: bool
    sequence: int
    time: int
    """RTP timestamp."""
    payload: bytes

    def wire(self, source: bytes = b"keys") -> bytes:
        """Return it as it is sent; `source` is the SSRC."""
        numbers = struct.pack("!BBHI", 0x80, self.marker << 7 | self.kind, self.sequence & 0xFFFF, self.time % 2**32)
        return numbers + source + self.payload

    def line(self) -> str:
        """Return it as a line of a recording."""
        return f"{self.kind} {int(self.marker)} {self.sequence} {self.time} {self.payload.hex()}"


@dataclass(frozen=True)
class Sender:
    """One way to send keys. Times in milliseconds, clocks in hertz."""

    clock: int = 8000
    """Of the RTP timestamp."""
    length_clock: int = 0
    """Of the length in the event, where it is another one."""
    key_ms: int = 100
    pause_ms: int = 100
    step_ms: int = 20
    updates: bool = True
    """Whether packets come while the key is down."""
    ends: int = 3
    markers: str = "first"
    """"first", "all" or "none"."""
    time: str = "still"
    """"still" through a key, as RFC 4733 says; "goes on" within it; "stands" for all keys."""
    longest: str = "segments"
    """What follows a length of 16 bits: "segments" (section 2.5.1.3), "wraps" or "stays"."""
    kind: int = 121

    def send(self, keys: str, time: int = 160_000, sequence: int = 100) -> list[list[Packet]]:
        """Return the packets of each key."""
        return list(self._keys(keys, time, itertools.count(sequence)))

    def _keys(self, keys: str, time: int, numbers: itertools.count[int]) -> Iterable[list[Packet]]:
        for key in keys:
            yield list(self._packets(key, time, numbers))
            if self.time != "stands":
                time += (self.key_ms + self.pause_ms) * self.clock // 1000

    def _packets(self, key: str, time: int, numbers: itertools.count[int]) -> Iterable[Packet]:
        steps = [*range(self.step_ms, self.key_ms, self.step_ms)] if self.updates else []
        begun = 0
        for place, (ms, ended) in enumerate([(ms, False) for ms in steps] + [(self.key_ms, True)] * self.ends):
            length = ms * (self.length_clock or self.clock) // 1000
            at = time + begun
            if self.longest == "segments":
                while length - begun > HIGHEST:
                    begun += HIGHEST
                at, length = time + begun, length - begun
            elif self.longest == "stays":
                length = min(length, HIGHEST)
            if self.time == "goes on":
                at = time + (ms - self.step_ms) * self.clock // 1000
            marker = self.markers == "all" or (self.markers == "first" and place == 0)
            event = bytes((EVENTS.index(key), 0x80 * ended + 10)) + (length & HIGHEST).to_bytes(2, "big")
            yield Packet(self.kind, marker, next(numbers), at, event)


Network = Callable[[list[list[Packet]]], list[Packet]]


def whole(keys: list[list[Packet]]) -> list[Packet]:
    """Everything arrives as it was sent."""
    return list(itertools.chain(*keys))


def firsts_lost(keys: list[list[Packet]]) -> list[Packet]:
    """Of each key the first half is lost."""
    return whole([key[len(key) // 2 :] for key in keys])


def ends_lost(keys: list[list[Packet]]) -> list[Packet]:
    """The end of each key is lost, all three of it."""
    return whole([[packet for packet in key if not packet.payload[1] & 0x80] for key in keys])


def one_left(keys: list[list[Packet]]) -> list[Packet]:
    """Of each key one packet arrives, the last."""
    return [key[-1] for key in keys]


def first_left(keys: list[list[Packet]]) -> list[Packet]:
    """Of each key one packet arrives, the first."""
    return [key[0] for key in keys]


def twice(keys: list[list[Packet]]) -> list[Packet]:
    """Each packet arrives twice, the second time behind the one that follows."""
    packets = whole(keys)
    doubled = list(itertools.chain(*zip(packets[1:], packets, strict=False)))
    return [packets[0], *doubled, packets[-1]]


def swapped(keys: list[list[Packet]]) -> list[Packet]:
    """Within each key every packet changes places with its neighbour."""
    return whole([[key[i ^ 1] if i ^ 1 < len(key) else key[i] for i in range(len(key))] for key in keys])


def ends_late(keys: list[list[Packet]]) -> list[Packet]:
    """The end of each key arrives when the next key has begun."""
    packets, late = [], []
    for key in keys:
        packets += [key[0], *late, *key[1:-2]]
        late = key[-2:]
    return packets + late


def recording(path: Path) -> tuple[str, list[Packet]]:
    """Read what a phone sent: the keys that were pressed, and the packets as they came."""
    keys, packets = "", []
    for line in path.read_text().splitlines():
        if line.startswith("# keys: "):
            keys = line.removeprefix("# keys: ")
        elif line and not line.startswith("#"):
            kind, marker, sequence, time, payload = line.split()
            packets.append(Packet(int(kind), marker == "1", int(sequence), int(time), bytes.fromhex(payload)))
    return keys, packets
