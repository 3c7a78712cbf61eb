# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways through routers, ICE and TURN, are a comfort: where they are of no use, calls go without them.

PJSIP makes its place at the TURN server before it sends an INVITE, and gives the call up after 8 s where that fails
(480 "Media init error"); it also gives up a call for which ICE has no candidate. So the server is asked beforehand, by
a question that every one answers: STUN's Binding request (RFC 8489 section 14; TURN servers answer it, RFC 8656
section 3). And what could not be sent is placed again: first without TURN, then without ICE.
"""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.engine.sip import uri

if TYPE_CHECKING:
    from intercom.engine.sip.account import Line

ASKS_S = 30.0
"""How often it is asked whether a server is there, in seconds ..."""
ASKS_AGAIN_S = 10.0
"""... and how often where it was not."""
TRIES = 4
"""Questions without an answer, one a second, until a server counts as silent."""
REFUSED_S = 300.0
"""How long calls go without what a call could not be placed with, in seconds."""
ALL, NO_TURN, NO_ICE = range(3)
"""What calls go without."""
_COOKIE = 0x2112A442


class _Relay:
    """One account's ways."""

    def __init__(self, account: "Line") -> None:
        self.account = account
        self.where = account.settings.turn
        self.without = ALL
        self.socket: socket.socket | None = None
        self.number = b""
        self.asks_at, self.asked, self.off_until = 0.0, 0, 0.0
        self.fault = ""
        self.silent = False
        """Whether the server did not answer the last time: one that does again may be of use."""


class Relays:
    """All of them. Belongs to the thread that owns PJSIP, and never waits."""

    def __init__(self, accounts: Iterable["Line"], post: Callable[[Event], None]) -> None:
        """Look after the accounts that have any."""
        self._relays = [_Relay(account) for account in accounts if account.settings.ice]
        self._post = post

    def look(self, now: float) -> None:
        """Take answers, and ask what is due; once a second."""
        for relay in self._relays:
            if not relay.where:
                if relay.fault and now >= relay.off_until:
                    self._well(relay)
            elif relay.socket is not None and self._answered(relay):
                self._close(relay)
                relay.asks_at = now + ASKS_S
                if relay.fault and (relay.silent or now >= relay.off_until):
                    self._well(relay)
                relay.silent = False
            elif relay.asked >= TRIES:
                self._close(relay)
                relay.asks_at, relay.silent = now + ASKS_AGAIN_S, True
                if not relay.fault:
                    self._ill(relay, NO_TURN, f"TURN server {relay.where} does not answer")
            elif relay.socket is not None or now >= relay.asks_at:
                self._ask(relay)

    def gives_up(self, account: str, reason: str) -> bool:
        """Note that a call could not even be sent; return whether it may do better without TURN, or without ICE.

        False where it went without both already.
        """
        relay = next((one for one in self._relays if one.account.settings.name == account), None)
        if relay is None or relay.without == NO_ICE:
            return False
        relay.off_until = time.monotonic() + REFUSED_S
        if relay.where and relay.without == ALL:
            self._ill(relay, NO_TURN, f"TURN server {relay.where} is of no use ({reason})")
        else:
            self._ill(relay, NO_ICE, f"ICE is of no use ({reason})")
        return True

    def _ask(self, relay: _Relay) -> None:
        relay.asked += 1
        # No network, no route: that is no answer either.
        with contextlib.suppress(OSError):
            if relay.socket is None:
                place = uri.server(relay.where)
                assert place is not None  # the configuration takes nothing but an IP address with a port
                family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
                relay.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
                relay.number = os.urandom(12)
                relay.socket.connect(place)
            relay.socket.send(struct.pack(">HHI", 1, 0, _COOKIE) + relay.number)

    def _answered(self, relay: _Relay) -> bool:
        """Whether what has come answers our very question."""
        assert relay.socket is not None
        with contextlib.suppress(OSError):
            while True:
                data = relay.socket.recv(2048)
                if data[:1] == b"\x01" and data[4:20] == struct.pack(">I", _COOKIE) + relay.number:
                    return True
        return False

    def _ill(self, relay: _Relay, without: int, reason: str) -> None:
        relay.without, relay.fault = without, reason
        relay.account.ways(turn=False, ice=without < NO_ICE)
        self._post(ConditionBegan(f"nat {relay.account.settings.name}", f"{reason}; calls go without it"))

    def _well(self, relay: _Relay) -> None:
        relay.without, relay.fault = ALL, ""
        relay.account.ways(turn=bool(relay.where), ice=True)
        self._post(ConditionEnded(f"nat {relay.account.settings.name}"))

    def _close(self, relay: _Relay) -> None:
        if relay.socket is not None:
            relay.socket.close()
        relay.socket, relay.asked = None, 0
