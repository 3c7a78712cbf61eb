# SPDX-License-Identifier: GPL-2.0-or-later
"""Is anything there again? A question to a server that is silent, beside PJSIP and at all of its addresses at once.

PJSIP would carry each of its own questions about for 32 s and repeat it eleven times (RFC 3261 section 17.1.2.2), or
wait behind a connection that never comes. Here one is one datagram: an OPTIONS whose answer may be whatever it likes.
Over TCP and TLS it is a connection that comes about, and is closed again.
"""

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Iterable

from intercom.core.events import ServerResponded
from intercom.engine.sip import uri as sip_uri
from intercom.ipc.protocol import AccountSettings

MOST = 8
"""Addresses that are asked at a time."""


class _Question:
    def __init__(self, account: str, place: tuple[str, int], sock: socket.socket) -> None:
        self.account, self.place, self.socket = account, place, sock
        self.asked_at, self.count = 0.0, 0


class ReachabilityProber:
    """All questions under way. Belongs to the thread that owns PJSIP, and never waits."""

    def __init__(self, post: Callable[[ServerResponded], None], bind: str, user_agent: str) -> None:
        """`bind` is the local IP address to use, or empty for all."""
        self._post, self._bind, self._user_agent = post, bind, user_agent
        self._events = select.epoll()
        self._asked: dict[int, _Question] = {}

    @property
    def fd(self) -> int:
        """File descriptor that is readable when `answer` has something to do."""
        return self._events.fileno()

    def knock(self, account: AccountSettings, places: Iterable[tuple[str, int]]) -> None:
        """Ask at these IP addresses and ports; `ServerResponded` follows when something is at one of them."""
        wanted = [*dict.fromkeys(places)][:MOST]
        self._forget(account.name, () if account.transport != "udp" else wanted)
        known = {question.place: question for question in self._asked.values() if question.account == account.name}
        for place in wanted:
            question = known.get(place)
            try:
                question = question or self._open(account, place)
                self._ask(account, question)
            except OSError:  # no network, no route, our address is another one: the next knock is a new one
                if question is not None:
                    self._close(question.socket.fileno())

    def answer(self) -> None:
        """Tell who answered."""
        for fd, _ in self._events.poll(0):
            question = self._asked.get(fd)
            if question is None:
                continue
            try:
                alive = self._is_there(question.socket)
            except OSError:  # ICMP: the machine is there, but nobody at that port
                alive = False
            if not alive:
                continue
            took_ms = round(1000 * (time.monotonic() - question.asked_at), 3)
            address, port = question.place
            where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            self._forget(question.account)
            self._post(ServerResponded(question.account, took_ms, where))

    def _is_there(self, sock: socket.socket) -> bool:
        if sock.type == socket.SOCK_DGRAM:
            return bool(sock.recv(2048).strip())
        refused = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            self._close(sock.fileno())
        return not refused

    def _open(self, account: AccountSettings, place: tuple[str, int]) -> _Question:
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        kind = socket.SOCK_DGRAM if account.transport == "udp" else socket.SOCK_STREAM
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if self._bind and (":" in self._bind) == (":" in place[0]):
                sock.bind((self._bind, 0))
            with contextlib.suppress(BlockingIOError):
                sock.connect(place)
        except OSError:
            sock.close()
            raise
        question = self._asked[sock.fileno()] = _Question(account.name, place, sock)
        # A stream is writable once it is connected, or never will be.
        self._events.register(sock, select.EPOLLIN if kind == socket.SOCK_DGRAM else select.EPOLLOUT)
        return question

    def _ask(self, account: AccountSettings, question: _Question) -> None:
        question.asked_at, question.count = time.monotonic(), question.count + 1
        if question.socket.type == socket.SOCK_DGRAM:
            question.socket.send(self._options(account, question))

    def _options(self, account: AccountSettings, question: _Question) -> bytes:
        """Return an OPTIONS in the account's name (RFC 3261 section 11.1)."""
        own, port = question.socket.getsockname()[:2]
        own, uri = f"[{own}]" if ":" in own else own, sip_uri.server_uri(account)
        lines = [
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {own}:{port};branch=z9hG4bK{os.urandom(8).hex()};rport",
            "Max-Forwards: 70",
            *([f"Route: <{account.proxy_uri}>"] if account.proxy_uri else []),
            f"From: {account.id_uri};tag={os.urandom(4).hex()}",
            f"To: <{uri}>",
            f"Call-ID: {os.urandom(8).hex()}@{own}",
            f"CSeq: {question.count} OPTIONS",
            f"User-Agent: {self._user_agent}",
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def _forget(self, account: str, places: Iterable[tuple[str, int]] = ()) -> None:
        """Close all questions of an account but those at these places."""
        kept = set(places)
        for fd, question in [*self._asked.items()]:
            if question.account == account and question.place not in kept:
                self._close(fd)

    def _close(self, fd: int) -> None:
        question = self._asked.pop(fd)
        self._events.unregister(fd)
        question.socket.close()
