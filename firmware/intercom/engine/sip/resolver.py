# SPDX-License-Identifier: GPL-2.0-or-later
"""Where PJSIP sends what is meant for a name. It never waits for a name server, and no call ever waits for another.

An account's server is where the daemon says (`use`), which asks SRV records and knows who is alive. Any other name is
looked up in a thread, and the request goes on when the answer is there.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from intercom.engine.sip.native import Question
from intercom.engine.sip.uri import Place, is_ip

FRESH_S = 60.0
"""An answer is used this long without asking again, and afterwards until there is a better one."""
MOST = 32
"""Names looked up at the same time, and names remembered."""


class Names:
    """Everything here but `_look_up` belongs to the thread that owns PJSIP."""

    def __init__(self, families: tuple[socket.AddressFamily, ...] = (socket.AF_INET,)) -> None:
        """`families` are those that PJSIP has transports for."""
        self.families = families
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when `answer` has something to do."""
        self.learn: Callable[[str, str], None] = lambda *_: None
        """Is told each name with an address that it leads to: PJSIP meets names in other places, too."""
        self._servers: dict[str, tuple[Place, str, int]] = {}
        self._known: dict[str, tuple[float, str]] = {}
        self._waiting: dict[str, list[Question]] = {}
        self._found: deque[tuple[str, str]] = deque()

    def use(self, account: str, place: Place, server: tuple[str, int] | None) -> None:
        """Send what is meant for `place` to this address, or wherever its name leads. The latest word counts."""
        self._servers.pop(account, None)
        if server is not None:
            self._servers[account] = (place, *server)
            self.learn(place.host, server[0])

    def wonder(self, name: str) -> None:
        """Look a name up that nobody waits for: one that stands in a description, or that of a TURN server."""
        if name and not is_ip(name) and name not in self._waiting and len(self._waiting) < MOST:
            self._waiting[name] = []
            self._begin(name)

    def resolve(self, question: Question) -> None:
        """Let a request go on: now, or when the name has been looked up."""
        name = question.place.host
        known_at, address = self._known.get(name, (0.0, ""))
        if server := self._server(question.place):
            question.answer(*server)
        elif is_ip(name):
            question.answer(name, question.port)
        elif address and time.monotonic() - known_at < FRESH_S:
            question.answer(address, question.port)
        elif name in self._waiting:
            self._waiting[name].append(question)
        elif name and len(self._waiting) < MOST:
            self._waiting[name] = [question]
            self._begin(name)
        else:
            question.fail()

    def _begin(self, name: str) -> None:
        threading.Thread(target=self._look_up, args=(name,), name=f"look up {name}", daemon=True).start()

    def address(self, place: Place) -> tuple[str, int] | None:
        """Return where what is meant for `place` goes, as far as that is known without asking anybody."""
        _, known = self._known.get(place.host, (0.0, ""))
        address = place.host if is_ip(place.host) else known
        return self._server(place) or ((address, place.port) if address else None)

    def answer(self) -> None:
        """Let go on what has been looked up meanwhile."""
        if not self._found:
            return
        with contextlib.suppress(BlockingIOError):  # the thread has its answer there, and is about to tell
            os.eventfd_read(self.fd)
        while self._found:
            name, address = self._found.popleft()
            if address:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[name] = time.monotonic(), address
                self.learn(name, address)
            else:
                # Better the address of yesterday than none: a phone rarely moves, a name server often fails.
                _, address = self._known.get(name, (0.0, ""))
            for question in self._waiting.pop(name, ()):
                if address:
                    question.answer(address, question.port)
                else:
                    question.fail()

    def _server(self, place: Place) -> tuple[str, int] | None:
        for known, address, port in reversed(self._servers.values()):
            if known == place:
                return address, port
        return None

    def _look_up(self, name: str) -> None:
        address = ""
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
            address = next((str(to[0]) for family, _, _, _, to in found if family in self.families), "")
        except (OSError, UnicodeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
        self._found.append((name, address))
        os.eventfd_write(self.fd, 1)
