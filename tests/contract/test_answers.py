# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server answers is a stranger's text, too: the engine reads any of it, and goes on."""

from collections.abc import Callable, Iterator

import pytest
from sip_peers import Engine, Peer, Request, account, running

from intercom.core.commands import PlaceCall, Register
from intercom.core.events import LineUp

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
