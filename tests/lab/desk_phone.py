"""A desk phone without a voice: it texts, is texted, and has lamps that the PBX switches (NOTIFY).

Not more SIP than that needs, over UDP, and no secret: the PBX knows it by its address. A thread answers every request
with 200 and keeps what came.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.processes import LabError

ACCEPTED = {"dialog": "application/dialog-info+xml", "presence": "application/pidf+xml"}


@dataclass(frozen=True)
class Message:
    """A request or an answer that came in."""

    at: float
    first: str
    """Its first line."""
    text: str
    """All of it."""

    @property
    def body(self) -> str:
        """What is below the empty line."""
        return self.text.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """The value of a header; empty where it is not there."""
        found = re.search(rf"^{name}: *(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""


class DeskPhone:
    """A phone at `ip`, port 5060, that the PBX has as `user`."""

    def __init__(self, ip: str, user: str, server: str) -> None:
        self.ip, self.user, self.server = ip, user, server
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._came: list[Message] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, 5060))
        threading.Thread(target=self._read, name=f"desk phone {user}", daemon=True).start()

    def text(self, to: str, body: str, sender: str = "") -> int:
        """Send a MESSAGE; the status of its answer."""
        call = self._ask("MESSAGE", to, ["Content-Type: text/plain"], body, sender or self.user)
        answered = self._await(lambda message: message.first.startswith("SIP/2.0") and call in message.text, 5, 0)
        return int(answered.first.split()[1])

    def watch(self, whom: str, event: str) -> None:
        """Have a lamp for somebody's state: SUBSCRIBE to it; `await_lamp` tells how it is."""
        self._ask("SUBSCRIBE", whom, [f"Event: {event}", f"Accept: {ACCEPTED[event]}", "Expires: 300"], "", self.user)

    def await_text(self, pattern: str, seconds: float = 15, since: float = 0) -> str:
        """A text in which the regular expression is found, past or still to come."""
        return self._await(
            lambda message: message.first.startswith("MESSAGE") and re.search(pattern, message.body), seconds, since
        ).body

    def await_lamp(self, pattern: str, seconds: float = 15, since: float = 0) -> Message:
        """A NOTIFY in whose body the regular expression is found, past or still to come."""
        return self._await(
            lambda message: message.first.startswith("NOTIFY") and re.search(pattern, message.body), seconds, since
        )

    def stop(self) -> None:
        """Unplug it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _ask(self, method: str, to: str, headers: list[str], body: str, sender: str) -> str:
        call = f"{method}-{next(self._numbers)}-{self.user}"
        lines = [
            f"{method} sip:{to}@{self.server} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.ip}:5060;branch=z9hG4bK{call};rport",
            f"From: <sip:{sender}@{self.server}>;tag={call}",
            f"To: <sip:{to}@{self.server}>",
            f"Call-ID: {call}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:{self.user}@{self.ip}:5060>",
            "Max-Forwards: 70",
            *headers,
            f"Content-Length: {len(body.encode())}",
        ]
        self._socket.sendto("\r\n".join([*lines, "", body]).encode(), (self.server, 5060))
        return call

    def _await(self, fits: Callable[[Message], object], seconds: float, since: float) -> Message:
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for message in self._came:
                    if message.at >= since and fits(message):
                        return message
                left = deadline - time.monotonic()
                if left <= 0:
                    came = "\n".join(message.text for message in self._came[-6:])
                    raise LabError(f"desk phone {self.user}: not within {seconds:g} s; what came last:\n{came}")
                self._news.wait(left)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, source = self._socket.recvfrom(65536)
                message = Message(time.monotonic(), data.decode("utf-8", "replace").partition("\r\n")[0], data.decode())
                if message.first and not message.first.startswith("SIP/2.0"):
                    self._socket.sendto(self._answer(message).encode(), source)
                with self._news:
                    self._came.append(message)
                    self._news.notify_all()

    def _answer(self, message: Message) -> str:
        vias = re.findall(r"^Via:.*?$", message.text.replace("\r", ""), re.MULTILINE | re.IGNORECASE)
        to = message.header("To")
        named = to if ";tag=" in to else f"{to};tag={self.user}"
        kept = [f"{name}: {message.header(name)}" for name in ("From", "Call-ID", "CSeq")]
        return "\r\n".join(["SIP/2.0 200 OK", *vias, f"To: {named}", *kept, "Content-Length: 0", "", ""])
