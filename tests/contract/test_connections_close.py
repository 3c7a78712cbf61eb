# SPDX-License-Identifier: GPL-2.0-or-later
"""Registrars over TCP that close their connections at any moment: the engine lives, and each line comes up again."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections.abc import Iterator

import pytest
import sip_peers
from sip_peers import Request, account, running

from intercom.core.commands import Probe, Register, SelectServer
from intercom.core.events import EngineHeartbeat, LineLost, LineUp

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

GARBAGE = [0x00, 0x3C, 0x3B, 0x41, 0xC3]
"""What memory holds when it is handed out (mallopt(3), M_PERTURB): a zero, signs of SIP, a letter, none of ASCII."""
ACTS = ("answer", "challenge", "close", "answer, close", "challenge, close", "refuse", "half", "silence", "503")


class Moody:
    """A registrar over TCP that does something else with each REGISTER, as long as it is moody."""

    def __init__(self, seed: int) -> None:
        self.moods = random.Random(seed)
        self.moody = True
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.links = set[socket.socket]()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, source = self._socket.accept()
                self.links.add(link)
                threading.Thread(target=self._talk, args=(link, source), daemon=True).start()

    def _talk(self, link: socket.socket, source: tuple[str, int]) -> None:
        with contextlib.suppress(OSError), link:
            data = b""
            while more := link.recv(65536):
                data = (data + more).lstrip(b"\r\n")
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    if not self._handled(link, Request(head + b"\r\n\r\n", source)):
                        return

    def _handled(self, link: socket.socket, request: Request) -> bool:
        """Return whether the connection stays."""
        act = self.moods.choice(ACTS) if self.moody else "answer"
        good = request.answer(200, f"Contact: {request.header('Contact')};expires=300\r\n")
        if request.method != "REGISTER":
            link.sendall(request.answer(200))
            return True
        match act.partition(", ")[0]:
            case "answer":
                link.sendall(good)
            case "challenge":
                nonce = f"n{self.moods.random()}"
                link.sendall(request.answer(401, f'WWW-Authenticate: Digest realm="house", nonce="{nonce}"\r\n'))
            case "refuse":
                link.sendall(request.answer(403))
            case "half":
                link.sendall(good[: len(good) // 2])
            case "503":
                link.sendall(request.answer(503))
        return "close" not in act and act != "half"

    def close(self) -> None:
        self._socket.close()
        for link in list(self.links):
            link.close()


@pytest.fixture
def servers() -> Iterator[list[Moody]]:
    made = [Moody(seed) for seed in range(4)]
    yield made
    for each in made:
        each.close()


def at(server: Moody, name: str) -> sip_peers.AccountSettings:
    where = f"127.0.0.1:{server.port}"
    key = re.sub(r"\W", "", name) * 12
    return account(None, name, domain=where, registrar_uri=f"sip:{where};transport=tcp", transport="tcp", user=key[:20])


@pytest.mark.parametrize("garbage", GARBAGE)
def test_the_first_registration_is_good_whatever_memory_holds(
    garbage: int, servers: list[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text that the parser is handed ends where it ends."""
    servers[0].moody = False
    monkeypatch.setitem(sip_peers.ENGINE_ENVIRONMENT, "MALLOC_PERTURB_", str(0xFF ^ garbage))
    with running(*(at(servers[0], f"a{number}") for number in range(8))) as engine:
        engine.send(*(Register(f"a{number}") for number in range(8)))
        for number in range(8):
            engine.wait(LineUp, where=lambda up, number=number: up.account == f"a{number}")


@pytest.mark.parametrize("seed", range(3))
def test_lines_come_up_again_after_any_closing(
    seed: int, servers: list[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of registrations, with servers that are changed and connections that end meanwhile."""
    monkeypatch.setitem(sip_peers.ENGINE_ENVIRONMENT, "MALLOC_PERTURB_", str(0xFF ^ GARBAGE[seed + 1]))
    dice = random.Random(seed)
    names = [f"a{number}" for number in range(8)]
    with running(*(at(servers[number % 4], name) for number, name in enumerate(names))) as engine:
        for turn in range(40):
            for name in names:
                engine.send(
                    dice.choice(
                        (
                            Register(name),
                            Register(name, anew=True),
                            Probe(name),
                            SelectServer(name, f"127.0.0.1:{dice.choice(servers).port}"),
                        )
                    )
                )
            if dice.random() < 0.3:
                for link in list(dice.choice(servers).links):
                    with contextlib.suppress(OSError):
                        link.shutdown(socket.SHUT_RDWR)
            if turn % 4 == 0:
                engine.wait(EngineHeartbeat)
            assert engine.process.poll() is None, engine.stderr[-20:]
        for server in servers:
            server.moody = False
        for name in names:
            up = False
            while not up:
                # What was under way before is left to its time-out; the core orders the next one then.
                engine.send(Register(name, anew=True))
                news = engine.wait((LineUp, LineLost), seconds=60, where=lambda e, name=name: e.account == name)
                up = isinstance(news, LineUp)
