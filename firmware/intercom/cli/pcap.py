# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that Wireshark, tshark, tcpdump and sngrep read (draft-ietf-opsawg-pcap), made of SIP messages.

The messages come from the telephone engine, not from the wire: each is put into one IP packet with a UDP header, also
those that went by TCP or TLS. Their Via headers tell how they really went.
"""

import ipaddress
import struct

_MAGIC, _VERSION, _LONGEST = 0xA1B2C3D4, (2, 4), 65535
_LINKTYPE_RAW = 101
"""Every packet begins with its IP header."""
_UDP = 17


def head() -> bytes:
    """Return what the file begins with."""
    return struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, _LONGEST, _LINKTYPE_RAW)


def packet(at: float, source: str, target: str, content: bytes) -> bytes:
    """Return the record of a message at an instant, in seconds of the epoch; addresses are "host:port", "[v6]:port"."""
    data = _ip(source, target, content)
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return struct.pack("<IIII", seconds, micros, len(data), len(data)) + data


def _ip(source: str, target: str, content: bytes) -> bytes:
    (from_ip, from_port), (to_ip, to_port) = _address(source), _address(target)
    if from_ip.version != to_ip.version:
        from_ip = ipaddress.ip_address("0.0.0.0" if to_ip.version == 4 else "::")
    size = 8 + len(content)
    ends = from_ip.packed + to_ip.packed
    udp = struct.pack("!HHHH", from_port, to_port, size, 0) + content
    # RFC 768: a sum of zero is sent as ones.
    total = _sum(ends + struct.pack("!IBBBB", size, 0, 0, 0, _UDP) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    if to_ip.version == 6:
        return struct.pack("!IHBB", 6 << 28, size, _UDP, 64) + ends + udp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, _UDP, 0) + ends
    return header[:10] + struct.pack("!H", _sum(header)) + header[12:] + udp


def _address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, _, port = text.rpartition(":")
    return ipaddress.ip_address(host.strip("[]").partition("%")[0]), int(port)


def _sum(data: bytes) -> int:
    """Return the sum that IP and UDP check their headers with (RFC 1071)."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
