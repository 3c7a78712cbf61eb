# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP whose far end begins its numbers anew: heard again behind an offer, told where nothing can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from media_peers import FarEnd, talking, voice
from sip_peers import Engine, account

from intercom.core.events import StreamMeasured
from lab.srtp import Sealer

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

KEY = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0"
SEALED = f"m=audio {{port}} RTP/SAVP 8\r\na=rtpmap:8 PCMA/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
COUNT = 60
"""Packets that are sent in a row: more than a second of them."""


class Phone(FarEnd):
    """It seals what it sends."""

    lines = SEALED

    def __init__(self) -> None:
        self.sealer = Sealer(KEY)
        super().__init__(REGISTER=200)

    def speak(self, first: int, count: int = COUNT, *, source: int = 0, spoil: bool = False) -> None:
        """Send packets numbered from `first` on; `spoil` breaks what proves them."""
        for number in range(first, first + count):
            packet = bytearray(voice(number % 65536, 160 * number % 2**32).wire())
            if source:
                packet[8:12] = source.to_bytes(4, "big")
            sealed = self.sealer.seal(bytes(packet))
            self.rtp.sendto(sealed[:-1] + bytes([sealed[-1] ^ spoil]), self.sounds_at())


@pytest.fixture
def phone() -> Iterator[Phone]:
    phone = Phone()
    yield phone
    phone.close()


def await_received(engine: Engine, count: int) -> StreamMeasured:
    """The next measurement of a stream that has so many packets."""
    return engine.wait(StreamMeasured, where=lambda stream: stream.received >= count)


def await_sealed(engine: Engine) -> StreamMeasured:
    """The next measurement that tells of packets that nobody can read."""
    return engine.wait(StreamMeasured, where=lambda stream: stream.sealed >= COUNT)


@pytest.mark.parametrize("first", [20000, 100, 29990, 4663])
def test_numbers_that_begin_anew_behind_an_offer_are_heard(phone: Phone, first: int) -> None:
    """With the same key and source: back by a little, by much, or round below the old ones."""
    with talking(phone, account(phone, srtp="required")) as engine:
        phone.speak(30000, 200)
        await_received(engine, 190)
        phone.invite_again("")
        phone.speak(first, 200)

        assert await_received(engine, 380).sealed == 0


def test_stray_packets_from_before_an_offer_begin_nothing_anew(phone: Phone) -> None:
    """The network may bring them late: what goes on is heard."""
    with talking(phone, account(phone, srtp="required")) as engine:
        phone.speak(30000, 200)
        await_received(engine, 190)
        phone.invite_again("")
        phone.speak(30195, 4)
        phone.speak(30200, 200)

        assert await_received(engine, 390).sealed == 0


def test_recorded_packets_are_not_heard_again(phone: Phone) -> None:
    """Without an offer behind them, or when a beginning has been taken already: they might hold a code."""
    with talking(phone, account(phone, srtp="required")) as engine:
        phone.speak(30000, 200)
        await_received(engine, 190)
        phone.speak(30000, 200)
        told = await_sealed(engine)
        assert told.received <= 210

        phone.invite_again("")
        phone.speak(20000, 200)
        await_received(engine, 380)
        phone.speak(20000, 200)
        assert await_sealed(engine).received <= 410


@pytest.mark.parametrize("offered", [False, True])
def test_packets_that_nobody_can_read_are_counted(phone: Phone, offered: bool) -> None:
    """Whoever sends them changes nothing: what is sealed with the key is heard behind them."""
    with talking(phone, account(phone, srtp="required")) as engine:
        phone.speak(30000, 200)
        await_received(engine, 190)
        if offered:
            phone.invite_again("")
        phone.speak(100, spoil=True)
        told = await_sealed(engine)
        assert told.received <= 210
        phone.speak(30200, 200)

        assert await_received(engine, 380).sealed == 0
