# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest at the registrar: how often it is asked, and where the rest of a call goes that came over a connection."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sip_peers import Peer, Request, account, running

from intercom.core.commands import HangUp, PlaceCall, Register
from intercom.core.events import CallAnswered, CallEnded, LineLost, LineUp
from lab import certificates

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")


class Registrar(Peer):
    """It wants a digest (RFC 7616) with a nonce that it knows, and a higher number than the last."""

    def __init__(self, qop: str = "", *, stale: str = "", fresh: bool = False, password: str = "secret") -> None:
        self.qop, self.stale, self.fresh, self.password = qop, stale, fresh, password
        self.nonce, self.count, self.drawn = "n0", 0, 0
        self.challenged: list[Request] = []
        super().__init__(REGISTER=200)

    def forget(self) -> None:
        """Know the nonce no more, as after a restart."""
        self.drawn += 1
        self.nonce, self.count = f"n{self.drawn}", 0

    def _answer(self, request: Request, code: int) -> bytes:
        if self._is_good(request):
            return super()._answer(request, code)
        self.challenged.append(request)
        if self.fresh:
            self.forget()
        more = (', qop="auth"' if self.qop else "") + self.stale
        return request.answer(401, f'WWW-Authenticate: Digest realm="house", nonce="{self.nonce}"{more}\r\n')

    def _is_good(self, request: Request) -> bool:
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', request.header("Authorization")))
        if said.get("nonce") != self.nonce:
            return False
        count = int(said.get("nc", "0"), 16)
        if self.qop and count <= self.count:
            return False
        self.count = count
        middle = f"{said['nc']}:{said['cnonce']}:{said['qop']}:" if self.qop else ""
        mine = _md5(f"{_md5(f'door:house:{self.password}')}:{self.nonce}:{middle}{_md5('REGISTER:' + said['uri'])}")
        return said["response"] == mine


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("qop", ["", "auth"])
def test_after_the_first_challenge_no_registration_is_challenged(qop: str, closing: contextlib.ExitStack) -> None:
    """The nonce is used on, with the next number: a renewal is no failed login (RFC 7616 section 3.4)."""
    server = closing.enter_context(contextlib.closing(Registrar(qop)))
    with running(account(server)) as engine:
        for _ in range(6):
            engine.send(Register("house"))
            engine.wait(LineUp)

        assert len(server.challenged) == 1
        assert server.count == (6 if qop else 0)


@pytest.mark.parametrize("stale", ["", ", stale=true"])
@pytest.mark.parametrize("qop", ["", "auth"])
def test_a_nonce_that_is_known_no_more_costs_one_challenge(qop: str, stale: str, closing: contextlib.ExitStack) -> None:
    """A server that was restarted, whether it calls the nonce stale or not."""
    server = closing.enter_context(contextlib.closing(Registrar(qop, stale=stale)))
    with running(account(server)) as engine:
        for turn in range(3):
            server.forget()
            engine.send(Register("house"))
            engine.wait(LineUp)

            assert len(server.challenged) == turn + 1


@pytest.mark.parametrize(("fresh", "most"), [(False, 1), (True, 2)])
@pytest.mark.parametrize("qop", ["", "auth"])
def test_credentials_that_are_refused_are_sent_once_for_a_challenge(
    qop: str, fresh: bool, most: int, closing: contextlib.ExitStack
) -> None:
    """And the next attempt asks before it sends them again (RFC 3261 section 22.1)."""
    server = closing.enter_context(contextlib.closing(Registrar(qop, fresh=fresh, password="another")))
    with running(account(server)) as engine:
        for _ in range(3):
            before = len(server.got("REGISTER"))
            engine.send(Register("house"))
            assert engine.wait(LineLost).code == 401
            attempt = [request.header("Authorization") for request in server.got("REGISTER")[before:]]

            assert attempt[0] == ""
            assert all(attempt[1:])
            assert len(attempt[1:]) == most


@pytest.mark.parametrize("code", [300, 301, 302, 305])
@pytest.mark.parametrize(
    ("contact", "told"),
    [
        ("Contact: <sip:edge7.example:5070;transport=udp>\r\n", "it points to sip:edge7.example:5070"),
        ('m: "Elsewhere, \\"here\\"" <sips:edge8.example>\r\n', "it points to sips:edge8.example"),
        ("", "Said"),
    ],
)
def test_a_registrar_that_points_elsewhere_is_told_with_where(
    code: int, contact: str, told: str, closing: contextlib.ExitStack
) -> None:
    """Nothing is sent there: the credentials are for the server that the configuration names."""

    class Moved(Peer):
        def _answer(self, request: Request, code: int) -> bytes:
            return request.answer(code, contact)

    server = closing.enter_context(contextlib.closing(Moved(REGISTER=code)))
    with running(account(server)) as engine:
        engine.send(Register("house"))
        lost = engine.wait(LineLost)

        assert (lost.code, told in lost.reason) == (code, True), lost


# ---- over connections ----


class Connected:
    """A server over TCP or TLS, which says in its answers what a test wants."""

    def __init__(self, shown: certificates.Certificates | None, headers: str) -> None:
        self.headers, self.requests = headers, list[Request]()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if shown else None
        if self._context and shown:
            self._context.load_cert_chain(shown.certificate, shown.key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.links: list[socket.socket] = []
        self._news = threading.Condition()
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, source = self._socket.accept()
                threading.Thread(target=self._talk, args=(link, source), daemon=True).start()

    def _talk(self, plain: socket.socket, source: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            link = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            self.links.append(link)
            data = b""
            while more := link.recv(65536):
                data = (data + more).lstrip(b"\r\n")
                while b"\r\n\r\n" in data:
                    head, _, rest = data.partition(b"\r\n\r\n")
                    length = int(re.findall(rb"(?im)^(?:Content-Length|l):\s*(\d+)", head)[0])
                    if len(rest) < length:
                        break
                    data = rest[length:].lstrip(b"\r\n")
                    request = Request(head + b"\r\n\r\n" + rest[:length], source)
                    if request.method != "ACK":
                        link.sendall(self._answer(request))
                    with self._news:
                        self.requests.append(request)
                        self._news.notify_all()

    def _answer(self, request: Request) -> bytes:
        if request.method == "REGISTER":
            return request.answer(200, f"Contact: {request.header('Contact')};expires=300\r\n")
        if request.method == "INVITE":
            port = self._rtp.getsockname()[1]
            sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            sdp += f"m=audio {port} RTP/AVP 8\r\n"
            return request.answer(200, self.headers, sdp)
        return request.answer(200)

    def wait(self, method: str, count: int = 1, seconds: float = 10) -> None:
        """Until so many requests of a method have come over a connection."""
        with self._news:
            assert self._news.wait_for(lambda: self.count(method) >= count, seconds), [r.text for r in self.requests]

    def count(self, method: str) -> int:
        return sum(request.method == method for request in self.requests)

    def close(self) -> None:
        for each in (self._socket, self._rtp, *self.links):
            each.close()


def through(server: Connected, transport: str, name: str = "house", **changes: Any) -> Any:
    domain = f"localhost:{server.port}" if transport == "tls" else f"127.0.0.1:{server.port}"
    uri = f"sip:{domain};transport={transport}"
    return account(None, name, domain=domain, registrar_uri=uri, transport=transport, **changes)


@pytest.fixture
def connected(closing: contextlib.ExitStack, tmp_path: Path) -> Callable[..., tuple[Connected, dict[str, str]]]:
    def make(transport: str, headers: str = "") -> tuple[Connected, dict[str, str]]:
        made = certificates.make(tmp_path, "127.0.0.1", "localhost") if transport == "tls" else None
        server = closing.enter_context(contextlib.closing(Connected(made, headers)))
        return server, {"ca_file": str(made.authority)} if made else {}

    return make


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize(
    "headers",
    [
        "Contact: <sip:201@127.0.0.1:{port}>\r\n",
        "Contact: sip:201@127.0.0.1:{port}\r\n",
        "m: <sip:201@127.0.0.1>\r\n",
        "Contact: <sip:201@127.0.0.9:{port}>\r\nRecord-Route: <sip:127.0.0.1:{port};lr>\r\n",
        "Contact: <sip:201@127.0.0.9>\r\nRecord-Route: <sip:127.0.0.8;lr>, <sip:127.0.0.1;lr>\r\n",
    ],
)
def test_what_names_no_transport_is_reached_the_way_its_answer_came(
    transport: str, headers: str, closing: contextlib.ExitStack, connected: Callable[..., Any]
) -> None:
    """ACK and BYE, over the connection; nothing goes out by UDP, though the door has that too."""
    clear = closing.enter_context(contextlib.closing(Peer("127.0.0.1", REGISTER=200, ACK=200, BYE=200)))
    server, trust = connected(transport, headers.format(port=clear.port))
    with running(through(server, transport, **trust), account(clear, "clear")) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        server.wait("ACK")
        engine.send(HangUp("a"))
        engine.wait(CallEnded)
        server.wait("BYE")

        assert clear.requests == []


def test_only_the_account_whose_connection_ended_registers_anew(connected: Callable[..., Any]) -> None:
    """The other one's server knows it still."""
    (one, _), (other, _) = connected("tcp"), connected("tcp")
    with running(through(one, "tcp", "a"), through(other, "tcp", "b")) as engine:
        engine.send(Register("a"), Register("b"))
        engine.wait(LineUp)
        engine.wait(LineUp)
        one.links[0].shutdown(socket.SHUT_RDWR)
        one.wait("REGISTER", 2, seconds=20)

        assert other.count("REGISTER") == 1
