"""Keys as RTP events (RFC 4733), in files that sipp plays: one stream, each key with times and numbers of its own.

The recordings that sipp brings all carry payload type 101, and two of one key carry the same time: a receiver that
offered another type, or looks at the time, hears none of them.
"""

from __future__ import annotations

import struct
from pathlib import Path

EVENTS = "0123456789*#ABCD"
PACKETS, ENDS = 8, 3  # of 20 ms; the end is sent three times (RFC 4733 section 2.5.1.4)
TICKS = 160  # in 20 ms at 8000 Hz
APART = 16000  # between the beginnings of two keys


def write(path: Path, key: str, place: int, payload_type: int) -> None:
    """Write the `place`-th key of a stream as a pcap file of Ethernet, IPv4 and UDP, whose addresses sipp replaces."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(PACKETS + ENDS):
            ended = number >= PACKETS
            event = struct.pack("!BBH", EVENTS.index(key), 0x8A if ended else 0x0A, min(number + 1, PACKETS) * TICKS)
            first = 0x80 if number == 0 else 0
            sequence = 1000 + place * (PACKETS + ENDS) + number
            rtp = (
                struct.pack("!BBHII", 0x80, first | payload_type, sequence, 100000 + place * APART, 0x0E05384E) + event
            )
            packet = _framed(rtp)
            at = number * 20_000
            file.write(struct.pack("<IIII", at // 1_000_000, at % 1_000_000, len(packet), len(packet)) + packet)


def _framed(rtp: bytes) -> bytes:
    udp = struct.pack("!HHHH", 6000, 6000, 8 + len(rtp), 0) + rtp
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    return bytes(12) + b"\x08\x00" + ip + udp
