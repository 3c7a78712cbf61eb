# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server answers is a stranger's text, too: the engine reads any of it, and goes on."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sip_peers import Engine, Peer, Request, account, running
from tls_peers import TlsServer
from tls_peers import answer as tls_answer

from intercom.core.commands import PlaceCall, Probe, Register, SendMessage
from intercom.core.events import LineUp
from lab import certificates

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

MOST_ROUTES = 8
"""PJSUA_ACC_MAX_PROXIES of pjsua-lib/pjsua.h."""


class Answering(Peer):
    """A server whose answers hold more lines: `more` gives those of a request."""

    def __init__(self, more: Callable[[Request, "Answering"], str], **codes: int | tuple[int, ...]) -> None:
        self._more = more
        super().__init__(**codes)

    def _answer(self, request: Request, code: int) -> bytes:
        head, _, rest = super()._answer(request, code).partition(b"\r\n")
        return head + b"\r\n" + self._more(request, self).encode() + rest


@pytest.fixture
def answering() -> Iterator[Callable[..., Answering]]:
    peers: list[Answering] = []

    def make(more: Callable[[Request, Answering], str], **codes: int | tuple[int, ...]) -> Answering:
        peers.append(Answering(more, **({"REGISTER": 200, "OPTIONS": 200, "INVITE": 486} | codes)))
        return peers[-1]

    yield make
    for each in peers:
        each.close()


def assert_alive(engine: Engine) -> None:
    assert engine.process.poll() is None, f"the engine ended: {engine.process.returncode} {''.join(engine.stderr)}"


# ---- Service-Route (RFC 3608) ----


def routes(lines: int, in_each: int) -> Callable[[Request, Answering], str]:
    """So many lines of Service-Route with so many URIs in each."""

    def more(request: Request, server: Answering) -> str:
        if request.method != "REGISTER":
            return ""
        line = ", ".join(f"<sip:{server.address};lr;hop={hop}>" for hop in range(in_each))
        return f"Service-Route: {line}\r\n" * lines

    return more


@pytest.mark.parametrize(
    ("lines", "in_each"),
    [(1, 1), (8, 1), (2, 4), (9, 1), (12, 1), (40, 1), (120, 1), (1, 8), (1, 9), (1, 40), (3, 3), (5, 8), (8, 9)],
)
def test_a_route_of_any_length_registers_and_a_longer_one_than_fits_is_not_used(
    answering: Callable[..., Answering], lines: int, in_each: int
) -> None:
    server = answering(routes(lines, in_each))
    with running(account(server)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        used = server.wait("INVITE").header("Route").count("hop=")
        assert used == (lines * in_each if lines * in_each <= MOST_ROUTES else 0)
        assert_alive(engine)


@pytest.mark.parametrize("value", ["", " ", ",", "<>", "<tel:+49>", "*", "<sip:", '"', "<sip:a>,"])
def test_a_route_that_is_none_is_not_used(answering: Callable[..., Answering], value: str) -> None:
    server = answering(lambda request, _: f"Service-Route:{value}\r\n" if request.method == "REGISTER" else "")
    with running(account(server)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        assert not server.wait("INVITE").header("Route")
        assert_alive(engine)


# ---- a Contact without an address (RFC 3261 section 10.2.2) ----


@pytest.mark.parametrize("code", [180, 183, 200, 302, 486])
@pytest.mark.parametrize("contact", ["*", "*, <sip:a@b.test>", "*;expires=0", '"*" <sip:*@b.test>', "<>"])
def test_a_contact_that_is_none_ends_no_engine(answering: Callable[..., Answering], code: int, contact: str) -> None:
    """It is for requests to a registrar; in an answer to ours its missing address was compared with our own."""
    server = answering(lambda *_: f"Contact: {contact}\r\nm: {contact}\r\n", INVITE=(code, 486))
    with running(account(server)) as engine:
        engine.send(Register("house"), Probe("house"))
        engine.send(PlaceCall("a", "house", "201"), SendMessage("house", "201", "hello"))
        for method in ("REGISTER", "OPTIONS", "INVITE", "MESSAGE"):
            server.wait(method)
        engine.send(Probe("house"))
        server.wait("OPTIONS", 2)
        assert_alive(engine)


# ---- where we were received from (RFC 3261 section 18.2.1) ----


class Deceiving(Answering):
    """A server that says something else of where a request came from."""

    def __init__(self, received: str) -> None:
        self._received = received
        super().__init__(lambda *_: "", REGISTER=200, OPTIONS=200, INVITE=486)

    def _answer(self, request: Request, code: int) -> bytes:
        answer = super()._answer(request, code).decode()
        return re.sub(r"received=[^;\r]*", f"received={self._received}", answer, count=1).encode()


@pytest.mark.parametrize("received", ["evil.test", "x" * 300, "999.1.1.1", "[evil", "evil.test:5060", "%65vil.test"])
def test_only_an_address_becomes_a_part_of_our_contact(received: str) -> None:
    """Else the door tells the server to call it at a host of somebody else's."""
    with contextlib.closing(Deceiving(received)) as server, running(account(server)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        said = [server.wait("INVITE"), *server.got("REGISTER")]
        assert not [one.text for one in said if received[:4] in one.header("Contact") + one.header("Via")]
        assert_alive(engine)


# ---- keep-alive messages of a server's (RFC 5626 section 4.4.1) ----


class Pinging(TlsServer):
    """A server over TLS that pings once somebody has registered, as told: `pieces`, one after the other."""

    pieces: tuple[bytes, ...] = ()

    def __init__(self, shown: certificates.Certificates) -> None:
        self.heard = threading.Event()
        self.got = b""
        super().__init__(shown)

    def _talk(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain, self._wrapped(plain) as link:
            answered = False
            while more := link.recv(65536):
                if answered:
                    self.got += more
                    self.heard.set()
                    continue
                link.sendall(tls_answer(more.decode()))
                answered = True
                for piece in self.pieces:
                    link.sendall(piece)

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_side=True) if self.over_tls else plain

    over_tls = True


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize(
    "pieces", [(b"\r\n\r\n",), (b"\r\n", b"\r\n"), (b"\r", b"\n\r", b"\n"), (b"\r\n\r", b"\n")], ids=repr
)
def test_a_ping_of_the_servers_is_answered(tmp_path: Path, transport: str, pieces: tuple[bytes, ...]) -> None:
    """However it arrives; else the server takes the connection for dead."""
    made = certificates.make(tmp_path, "127.0.0.1", "localhost")
    server = Pinging(made)
    server.pieces, server.over_tls = pieces, transport == "tls"
    domain = f"localhost:{server.port}"
    door = account(
        None, domain=domain, registrar_uri=f"sip:{domain};transport={transport}", transport=transport,
        ca_file=str(made.authority) if transport == "tls" else "",
    )  # fmt: skip
    with contextlib.closing(server), running(door) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        assert server.heard.wait(5), "no pong"
        assert server.got[:2] == b"\r\n"
        assert server.got[2:4] != b"\r\n", "one ping, one pong"
