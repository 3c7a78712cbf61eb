"""A server with two addresses: what comes to one of them is answered from the other. Behind it is a real one."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from lab.attackers import Address


class TwoFaced:
    """Hands on to `server` what comes to `front`, and its answers from `back`. UDP, for one door."""

    def __init__(self, front: str, back: str, server: Address) -> None:
        assert front.startswith("127.") and back.startswith("127."), "only ever on loopback"
        self._server, self.answers, self.last = server, 0, b""
        self._front, self._back, self._behind = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
        self._front.bind((front, 5060))
        self._back.bind((back, 5060))
        self._behind.bind((front, 0))
        self._door: Address = ("", 0)
        for serve in (self._from_door, self._from_server):
            threading.Thread(target=serve, daemon=True).start()

    def _from_door(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                packet, self._door = self._front.recvfrom(65536)
                # The one behind is no proxy's next hop: it is the server itself, at another address.
                self._behind.sendto(re.sub(rb"(?m)^Route: .*\r\n", b"", packet, count=1), self._server)

    def _from_server(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                packet = self._behind.recv(65536)
                if packet.startswith(b"SIP/2.0 "):
                    self.answers, self.last = self.answers + 1, packet
                self._back.sendto(packet, self._door)

    def close(self) -> None:
        for each in (self._front, self._back, self._behind):
            each.close()
