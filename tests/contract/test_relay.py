# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a TURN server counts as there: by an answer to our very question, and by nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.engine import relay
from intercom.engine.relay import Relays


class Account:
    """An account with a TURN server, and whether its calls go by it."""

    def __init__(self, turn: str) -> None:
        self.settings = SimpleNamespace(name="home", turn=turn, ice=True)
        self.by_relay = bool(turn)
        self.by_ice = True

    def ways(self, *, turn: bool, ice: bool) -> None:
        self.by_relay, self.by_ice = turn, ice


class Server:
    """A STUN server's socket, answered by hand."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(2)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.source: tuple[str, int] = ("", 0)
        self.question = b""

    def hear(self) -> bytes:
        self.question, self.source = self.socket.recvfrom(2048)
        return self.question

    def say(self, kind: bytes = b"\x01\x01", *, number: bytes = b"") -> None:
        self.socket.sendto(kind + b"\x00\x00" + self.question[4:8] + (number or self.question[8:20]), self.source)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.socket.close()


def test_a_question_is_one_of_the_standard_s_and_its_answer_is_life(server: Server) -> None:
    """RFC 8489 section 5: twenty bytes, no attribute, the cookie; an error answer is one, too."""
    told: list[Event] = []
    account = Account(server.address)
    relays = Relays([account], told.append)  # type: ignore[list-item]
    relays.look(0.0)
    question = server.hear()
    assert question[:8] == b"\x00\x01\x00\x00\x21\x12\xa4\x42"
    assert len(question) == 20
    server.say(b"\x01\x11")
    for second in range(1, 25):
        relays.look(float(second))

    assert told == []
    assert account.by_relay


def test_strangers_and_old_answers_are_no_life(server: Server) -> None:
    """Another number, another kind, no answer at all: after four questions calls go without it, and it is told once."""
    told: list[Event] = []
    account = Account(server.address)
    relays = Relays([account], told.append)  # type: ignore[list-item]
    for second in range(relay.TRIES + 3):
        relays.look(float(second))
        if second < relay.TRIES:
            server.hear()
            server.say(number=bytes(12))
            server.say(b"\x00\x01")
    assert [type(event) for event in told] == [ConditionBegan]
    assert not account.by_relay

    relays.look(relay.TRIES + relay.ASKS_AGAIN_S + 1)
    server.hear()
    server.say()
    relays.look(relay.TRIES + relay.ASKS_AGAIN_S + 2)
    assert [type(event) for event in told] == [ConditionBegan, ConditionEnded]
    assert account.by_relay


def test_one_that_gave_a_call_no_place_is_left_alone_for_a_while(server: Server) -> None:
    """It answers questions all the time; a call may be placed without it once."""
    told: list[Event] = []
    account = Account(server.address)
    relays = Relays([account], told.append)  # type: ignore[list-item]
    assert relays.gives_up("home", "401 Unauthorized")
    assert not relays.gives_up("other", "x")
    assert not account.by_relay
    assert account.by_ice
    off_until = relays._relays[0].off_until
    now = off_until - relay.REFUSED_S
    while now < off_until + 2 * relay.ASKS_S:
        relays.look(now)
        server.socket.setblocking(False)
        try:
            server.hear()
            server.say()
        except BlockingIOError:
            pass
        if now < off_until:
            assert not account.by_relay
        now += 1.0

    assert [type(event) for event in told] == [ConditionBegan, ConditionEnded]
    assert account.by_relay


@pytest.mark.parametrize("turn", ["", "240.0.0.1:3478"])
def test_what_cannot_be_sent_is_tried_without_each_in_turn_and_then_no_more(turn: str) -> None:
    """First without TURN, then without ICE; after a while by all again."""
    told: list[Event] = []
    account = Account(turn)
    relays = Relays([account], told.append)  # type: ignore[list-item]
    steps = []
    while relays.gives_up("home", "x"):
        steps.append((account.by_relay, account.by_ice))
    if not turn:
        relays.look(relays._relays[0].off_until + 1)

    assert steps == ([(False, True)] if turn else []) + [(False, False)]
    assert account.by_ice is (not turn)
    assert isinstance(told[-1], ConditionBegan if turn else ConditionEnded)


def test_a_network_that_is_not_there_is_no_error() -> None:
    """No route to it: that is silence."""
    told: list[Event] = []
    account = Account("240.0.0.1:3478")
    relays = Relays([account], told.append)  # type: ignore[list-item]
    for second in range(relay.TRIES + 2):
        relays.look(float(second))

    assert [type(event) for event in told] == [ConditionBegan]
