"""A far end over UDP that says exactly what it is told to: SIP around any session description, one socket, no threads.

It is the server of an account that does not register, and every phone behind it. Made for thousands of calls: it goes
on when something arrives, and never waits for time to pass.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field

LIMIT_S = 10.0
ANY = -1
"""Any answer, provisional ones too."""


@dataclass(frozen=True)
class Message:
    """A request or an answer as it came off the wire."""

    head: str
    body: str
    source: tuple[str, int]
    size: int

    @property
    def method(self) -> str:
        """Of a request; of an answer the method that it answers."""
        return self.head.split(" ", 1)[0] if not self.code else self.header("CSeq").split()[-1]

    @property
    def code(self) -> int:
        """Of an answer; 0 for a request."""
        return int(self.head.split(" ", 2)[1]) if self.head.startswith("SIP/2.0 ") else 0

    def header(self, name: str) -> str:
        """All values of a header, one a line, whether it is written in full or compact (RFC 3261 section 7.3.3)."""
        short = {"via": "v", "from": "f", "to": "t", "call-id": "i", "contact": "m"}.get(name.lower(), name)
        found: list[str] = re.findall(rf"(?im)^(?:{name}|{short})[ \t]*:[ \t]*(.*?)\r?$", self.head)
        return "\n".join(found)


@dataclass
class Dialog:
    """A call as the far end sees it."""

    call_id: str
    ours: str
    """Our From or To, with its tag."""
    theirs: str
    """The door's."""
    target: str
    """The door's Contact."""
    invite: Message | None = None
    """The door's INVITE, when it was the one that called."""
    number: int = 1
    """CSeq of our last request."""
    answers: list[Message] = field(default_factory=list)


class FarEnd:
    """One UDP socket, and what came in by it."""

    def __init__(self, ip: str = "127.0.0.1", rtp_port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.ip, self.port = self.socket.getsockname()[:2]
        self.address = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        self.seen: deque[Message] = deque(maxlen=2000)
        self._read = 0
        self._calls = 0

    def close(self) -> None:
        """Be gone."""
        self.socket.close()

    # What the far end sends.

    def send(self, lines: list[str], body: str | bytes, to: tuple[str, int], kind: str = "application/sdp") -> None:
        """Send one message, whatever is in it."""
        data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
        more = [f"Content-Type: {kind}"] if data else []
        head = "\r\n".join([*lines, *more, f"Content-Length: {len(data)}", "", ""])
        self.socket.sendto(head.encode("utf-8", "surrogateescape") + data, to)

    def answer(self, request: Message, code: int, body: str | bytes = "", *more: str) -> None:
        """Answer a request."""
        via = request.header("Via").split("\n")
        to = request.header("To")
        tag = "" if "tag=" in to or code == 100 else f";tag=far{self.port}"
        lines = [f"SIP/2.0 {code} Said", *(f"Via: {one}" for one in via), f"From: {request.header('From')}"]
        lines += [f"To: {to}{tag}", f"Call-ID: {request.header('Call-ID')}", f"CSeq: {request.header('CSeq')}"]
        lines += [f"Contact: <sip:far@{self.address}>", *more]
        self.send(lines, body, request.source)

    def ring(self, door: tuple[str, int], body: str | bytes, user: str = "201", *more: str) -> Dialog:
        """Call the door."""
        self._calls += 1
        host = f"[{door[0]}]" if ":" in door[0] else door[0]
        dialog = Dialog(
            call_id=f"far{self.port}-{self._calls}",
            ours=f"<sip:{user}@{self.address}>;tag=far{self._calls}",
            theirs=f"<sip:door@{self.address}>",
            target=f"sip:door@{host}:{door[1]}",
        )
        self.ask(dialog, "INVITE", door, body, *more)
        return dialog

    def ask(self, dialog: Dialog, method: str, to: tuple[str, int], body: str | bytes = "", *more: str) -> str:
        """Send a request within a call; return its branch."""
        if method not in ("ACK", "CANCEL"):
            dialog.number += 1
        branch = f"z9hG4bK{dialog.call_id}-{dialog.number}-{'INVITE' if method == 'CANCEL' else method}"
        lines = [
            f"{method} {dialog.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};branch={branch};rport",
            f"From: {dialog.ours}",
            f"To: {dialog.theirs}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {dialog.number} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:far@{self.address}>",
            *more,
        ]
        self.send(lines, body, to)
        return branch

    def dialog(self, invite: Message, code: int = 200) -> Dialog:
        """Return the call that an INVITE of the door's began, after it was answered."""
        del code
        return Dialog(
            call_id=invite.header("Call-ID"),
            ours=f"{invite.header('To')};tag=far{self.port}",
            theirs=invite.header("From"),
            target=invite.header("Contact").partition("<")[2].partition(">")[0],
            invite=invite,
        )

    # What comes in.

    def next(self, seconds: float = LIMIT_S) -> Message | None:
        """Return the next message; None when none comes in time."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return None
        data, source = self.socket.recvfrom(65536)
        if not data.strip():
            return self.next(seconds)
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        message = Message(head, body, (source[0], source[1]), len(data))
        self.seen.append(message)
        return message

    def wait(self, method: str, code: int | None = 0, call: str = "", seconds: float = LIMIT_S) -> Message:
        """Return the next request of this method (code 0), or the next answer to one: final (None), or any (ANY)."""
        until = time.monotonic() + seconds
        while True:
            message = self.next(until - time.monotonic())
            if message is None:
                seen = [one.head.split("\r\n", 1)[0] for one in self.seen]
                raise AssertionError(f"no {method} {code or ''} {call}: {seen[-20:]}")
            wanted = (
                message.code >= 100
                if code == ANY
                else message.code == code
                if code is not None
                else message.code >= 200
            )
            if message.method == method and wanted and (not call or message.header("Call-ID") == call):
                return message
            self.tend(message)

    def tend(self, message: Message) -> None:
        """Answer what comes in between and matters no more: the ends of earlier calls."""
        if message.method in ("BYE", "CANCEL", "OPTIONS", "UPDATE") and not message.code:
            self.answer(message, 200)

    def final(self, dialog: Dialog, to: tuple[str, int], seconds: float = LIMIT_S) -> Message:
        """Return the final answer to our INVITE or re-INVITE, acknowledged."""
        answer = self.wait("INVITE", None, dialog.call_id, seconds)
        while answer.header("CSeq").split()[0] != str(dialog.number):
            answer = self.wait("INVITE", None, dialog.call_id, seconds)
        self.acknowledge(dialog, answer, to)
        return answer

    def acknowledge(self, dialog: Dialog, answer: Message, to: tuple[str, int]) -> None:
        """Send the ACK to a final answer."""
        dialog.answers.append(answer)
        dialog.theirs = answer.header("To")
        if contact := answer.header("Contact"):
            dialog.target = contact.partition("<")[2].partition(">")[0]
        self.ask(dialog, "ACK", to)
