# SPDX-License-Identifier: GPL-2.0-or-later
"""Sound before the answer, with the real PJSIP: packets count, and not an SDP that may promise them."""

from __future__ import annotations

import contextlib

import pytest
from media_peers import SENTINEL, FarEnd, voice
from sip_peers import account, running

from intercom.core.commands import PlaceCall
from intercom.core.events import CallProgressed, DigitReceived, EarlyMediaBegan, EarlyMediaEnded
from lab.key_senders import Sender

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")


@pytest.mark.parametrize("code", [180, 183])
def test_early_media_is_packets_and_not_a_promise(code: int) -> None:
    """RFC 3960 section 3.2: it begins with packets, is told again while they come, and ends when they stop."""
    with contextlib.closing(FarEnd(INVITE=code)) as peer, running(account(peer)) as engine:
        engine.send(PlaceCall("1.1", "house", "201"))
        engine.wait(CallProgressed, where=lambda progress: progress.code == code)
        assert not engine.told(EarlyMediaBegan)
        peer.send(*(voice(place, 160 * place) for place in range(4)))
        for key in Sender(kind=121).send(SENTINEL, 8000, 4):
            peer.send(*key)
        engine.wait(DigitReceived)
        engine.wait(EarlyMediaBegan)
        engine.wait(EarlyMediaEnded)
        peer.send(*(voice(20 + place, 160 * place) for place in range(6)))
        engine.wait(EarlyMediaBegan)
