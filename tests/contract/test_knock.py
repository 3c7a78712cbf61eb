# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether anything is there again: real sockets, and a real engine before servers that come and go."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sip_peers import Peer, account, running

from intercom.core.commands import Knock, Probe, Register, SelectServer
from intercom.core.events import LineLost, LineUp, ServerResponded
from intercom.engine.sip.reachability import ReachabilityProber

LAB = os.environ.get("INTERCOM_LAB", "run ./setup.sh test for the laboratory")
in_the_lab = pytest.mark.skipif(LAB != "ready" or not shutil.which("ip"), reason=f"own network: {LAB}")
SECOND = "127.0.0.2"
NAME = "pbx.invalid"


class Told(list[ServerResponded]):
    """What a knocker of our own tells."""

    def __init__(self, bind: str = "") -> None:
        super().__init__()
        self.knocker = ReachabilityProber(self.append, bind, "intercom/test")

    def within(self, seconds: float) -> list[ServerResponded]:
        until = time.monotonic() + seconds
        while not self and (left := until - time.monotonic()) > 0:
            if select.select([self.knocker.fd], [], [], left)[0]:
                self.knocker.answer()
        return list(self)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with contextlib.closing(Peer(OPTIONS=404)) as peer:
        yield peer


def place(peer: Peer) -> tuple[str, int]:
    return peer.ip, peer.port


def test_a_server_that_answers_anything_is_there(peer: Peer) -> None:
    """Even that it knows nobody of that name."""
    told = Told()
    told.knocker.knock(account(peer), [place(peer)])
    (news,) = told.within(5)
    asked = peer.wait("OPTIONS")

    assert (news.account, news.server) == ("house", peer.address)
    assert 0 < news.took_ms < 1000
    assert asked.uri == f"sip:{peer.address}"
    assert asked.header("From").startswith(f'"Front door" <sip:door@{peer.address}>;tag=')
    assert len(asked.text) < 450, "a metered line pays for it forty times a minute"


def test_a_question_is_one_packet_and_asks_through_the_proxy(peer: Peer) -> None:
    """Nobody is there to be convinced: what is lost is asked again by the next knock."""
    told = Told()
    peer.codes.clear()
    told.knocker.knock(account(None, domain=NAME, proxy_uri="sip:edge.invalid;lr"), [place(peer)])
    asked = peer.wait("OPTIONS")

    assert told.within(1.2) == []
    assert len(peer.requests) == 1
    assert (asked.uri, asked.header("Route")) == (
        f"sip:{NAME}",
        "<sip:edge.invalid;lr>",
    )


def test_a_late_answer_counts_as_well(peer: Peer) -> None:
    """Far away, or just awake: the next question is asked from the same place, and answers to both arrive there."""
    told = Told()
    peer.codes.clear()
    for _ in range(3):
        told.knocker.knock(account(peer), [place(peer)])
    first = peer.wait("OPTIONS")
    peer.wait("OPTIONS", 3)
    peer.socket.sendto(first.answer(200), first.source)

    assert len(told.within(5)) == 1
    assert len({request.source for request in peer.requests}) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_closed_port_is_nobody(transport: str) -> None:
    """The machine says so (ICMP, or a reset), and the next knock finds who is there by then."""
    told = Told()
    with contextlib.closing(socket.socket()) as held:
        held.bind((SECOND, 0))  # nobody else takes this number meanwhile, and nobody listens
        where = held.getsockname()
        for _ in range(3):
            told.knocker.knock(account(None, transport=transport), [where])
            assert told.within(0.2) == []


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_connection_that_comes_about_is_an_answer(transport: str) -> None:
    """And is closed at once; what is said over one is PJSIP's affair."""
    told = Told()
    with contextlib.closing(socket.create_server((SECOND, 0))) as server:
        ip, port = server.getsockname()
        told.knocker.knock(account(None, transport=transport), [(ip, port)])
        (news,) = told.within(5)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)

            assert news.server == f"{ip}:{port}"
            assert connection.recv(1) == b""


def test_all_addresses_are_asked_at_once_and_the_first_to_answer_counts(
    peer: Peer,
) -> None:
    """One of a cluster is enough."""
    told = Told()
    with contextlib.closing(Peer(SECOND)) as dead:
        told.knocker.knock(account(None, domain=NAME), [place(dead), place(peer), place(dead)])
        (news,) = told.within(5)
        dead.wait("OPTIONS")

        assert news.server == peer.address
        assert len(dead.requests) == 1
        dead.socket.sendto(dead.requests[0].answer(200), dead.requests[0].source)
        told.clear()
        assert told.within(0.3) == [], "the question is closed"


def test_nothing_is_left_open(peer: Peer) -> None:
    """A night of knocks must not end with no file to open any more."""
    told = Told()
    peer.codes.clear()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(50):
        for transport in ("udp", "tcp"):
            told.knocker.knock(account(peer, transport, transport=transport), [place(peer)])
        told.knocker.answer()
    open_now = len([*Path("/proc/self/fd").iterdir()])

    assert open_now <= before + 2


def test_no_network_is_no_answer() -> None:
    """Nothing is raised either, and what is known of the way there is asked anew each time."""
    told = Told(bind="127.0.0.1")
    told.knocker.knock(account(None), [("2001:db8::1", 5060), ("0.0.0.0", 0)])

    assert told.within(0.2) == []


# ---- in an engine ----


def test_an_engine_knocks_at_every_server_of_a_name() -> None:
    """Those that the daemon names; and the one in use stays in use until the daemon says otherwise."""
    with (
        contextlib.closing(Peer()) as dead,
        contextlib.closing(Peer(SECOND, OPTIONS=200)) as alive,
    ):
        servers = (dead.address, alive.address)
        with running(account(None, domain=NAME)) as engine:
            engine.send(SelectServer("house", dead.address), Knock("house", servers))

            assert engine.wait(ServerResponded).server == alive.address
            assert alive.wait("OPTIONS").uri == f"sip:{NAME}"


def test_an_engine_knows_where_a_literal_server_is(peer: Peer) -> None:
    """The daemon looks up names alone."""
    with running(account(peer)) as engine:
        engine.send(Knock("house", ()))

        assert engine.wait(ServerResponded).server == peer.address


def test_an_attempt_that_has_waited_is_given_up_for_a_new_one(peer: Peer) -> None:
    """PJSIP would repeat it after four seconds; the server is there now."""
    with running(account(peer)) as engine:
        engine.send(Register("house"))
        peer.wait("REGISTER")
        engine.send(Register("house", anew=True))
        time.sleep(1.8)  # long enough for PJSIP's own repetitions to become rare
        young = len(peer.got("REGISTER"))
        peer.codes["REGISTER"] = [200]
        engine.send(Register("house", anew=True))

        assert engine.wait(LineUp, 1).took_ms < 500
        assert (young, len(peer.got("REGISTER"))) == (1, 2)
        assert engine.told(LineLost) == []


@pytest.mark.parametrize(("code", "silent"), [(503, False), (403, False), (None, True)])
def test_silence_is_told_from_a_refusal(peer: Peer, code: int | None, silent: bool) -> None:
    """A 503 of the server's own is an answer; one that PJSIP makes up of a connection that failed is none."""
    peer.codes["REGISTER"] = [code] if code else []
    settings = account(peer) if code else replace(account(peer, transport="tcp"), registrar_uri=_closed())
    with running(settings) as engine:
        engine.send(Register("house"))

        assert engine.wait(LineLost).silent is silent


def _closed() -> str:
    with contextlib.closing(socket.socket()) as held:
        held.bind((SECOND, 0))
        return f"sip:{SECOND}:{held.getsockname()[1]};transport=tcp"


def test_a_probes_answer_names_its_server(peer: Peer) -> None:
    """A late one may come from a server that is in use no more."""
    with running(account(peer)) as engine:
        engine.send(Probe("house"))

        assert engine.wait(ServerResponded).server == peer.address


@in_the_lab
def test_a_connection_to_a_machine_that_is_gone_ends_soon() -> None:
    """Linux would try for two minutes, rarer each time, and PJSIP's next attempt would wait behind that one."""
    own, gone = "198.51.100.1", "198.51.100.7"
    lab("ip link add hall0 type veth peer name hall1")
    try:
        lab(f"ip address add {own}/24 dev hall0")
        lab("ip link set hall0 up")
        lab("ip link set hall1 up")
        # A neighbour that the kernel believes in, so that no ARP ends the attempt before TCP does.
        lab(f"ip neighbour add {gone} lladdr 02:00:00:00:00:07 dev hall0")
        far = account(None, domain=gone, transport="tcp", registrar_uri=f"sip:{gone};transport=tcp")
        with running(far, bind="") as engine:
            began = time.monotonic()
            engine.send(Register("house"))
            lost = engine.wait(LineLost, 20)

            assert lost.silent
            assert time.monotonic() - began < 10, "three seconds, and since Linux 6.5 seven"
    finally:
        lab("ip link delete hall0")


def lab(command: str) -> None:
    subprocess.run(command.split(), check=True)
