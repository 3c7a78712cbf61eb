"""What goes over the wire, with the kernel's own times: SIP by its first line, and the sound of a call when asked.

Over TCP only a message that begins a segment is seen, which ours do.
"""

from __future__ import annotations

import math
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.processes import LabError

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python 3.11 does not name it
ETH_P_IP, TCP, UDP = 0x0800, 6, 17
_CSEQ = re.compile(rb"^CSeq: *\d+ +(\w+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Packet:
    """One datagram or segment: when (monotonic), from and to which address, and what."""

    at: float
    source: str
    target: str
    first: str
    """The first line of a SIP message; empty for sound."""
    method: str
    """What its CSeq names, so also of an answer."""
    body: bytes

    def is_(self, first: str, method: str = "") -> bool:
        """Whether it begins so, as "INVITE" or "SIP/2.0 180", and belongs to such a request."""
        return self.first.startswith(first) and (not method or self.method == method)


class Wire:
    """Listens on every interface of this network from its making on."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._news = threading.Condition()
        self._packets: list[Packet] = []
        self.sound = False
        """Whether packets of sound are kept, too."""
        threading.Thread(target=self._read, name="wire", daemon=True).start()

    def await_(
        self,
        what: Callable[[Packet], bool],
        seconds: float,
        since: float = 0.0,
        told: str = "",
    ) -> Packet:
        """Return the first packet of this kind after `since`, gone by already or still to come."""
        deadline, seen = time.monotonic() + seconds, 0
        with self._news:
            while True:
                for packet in self._packets[seen:]:
                    seen += 1
                    if packet.at >= since and what(packet):
                        return packet
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LabError(f"not on the wire within {seconds:g} s: {told}")
                self._news.wait(left)

    def registered(self, ip: str, since: float, seconds: float) -> float:
        """Await that a REGISTER from an address is accepted; return when."""
        accepted = self.await_(
            lambda packet: packet.target == ip and packet.is_("SIP/2.0 200", "REGISTER"), seconds, since, f"{ip}: 200"
        )
        return accepted.at

    def last(self, what: Callable[[Packet], bool], until: float) -> float:
        """Return when the last packet of this kind before `until` went; NaN without any."""
        with self._news:
            return max((packet.at for packet in self._packets if packet.at < until and what(packet)), default=math.nan)

    def forget(self) -> None:
        """Drop what was seen so far."""
        with self._news:
            self._packets.clear()

    def _read(self) -> None:
        # The kernel dates packets by the other clock.
        shift = time.monotonic() - time.time()
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(65535, 64)
            if len(data) < 28 or data[9] not in (TCP, UDP):
                continue
            header = 4 * (data[0] & 15)
            body = data[header + (8 if data[9] == UDP else 4 * (data[header + 12] >> 4)) :]
            sip = body[:1].isalpha() and b"SIP/2.0" in body[:256]
            if not sip and not (self.sound and data[9] == UDP):
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            first, method = "", ""
            if sip:
                first = body.partition(b"\r\n")[0].decode("ascii", "replace")
                found = _CSEQ.search(body)
                method = found[1].decode() if found else ""
            source, target = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
            with self._news:
                at = seconds + nanoseconds / 1e9 + shift
                self._packets.append(Packet(at, source, target, first, method, body))
                self._news.notify_all()
