# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys by SIP INFO, in the dialects of phones and gateways: one key each, and nothing that is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from media_peers import FarEnd, talking

from intercom.core.events import DigitReceived

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

RELAY, BARE, PLAIN = "application/dtmf-relay", "application/dtmf", "text/plain"
NORTEL = "application/vnd.nortelnetworks.digits"
DIALECTS = [
    (RELAY, "Signal=5\r\nDuration=160\r\n", "5"),
    (RELAY, "Signal= 5\r\nDuration= 160\r\n", "5"),
    (RELAY, "signal=5", "5"),
    (RELAY, "Duration=160\nSignal = *\n", "*"),
    (RELAY, "Signal=11\r\n", "#"),
    (BARE, "5", "5"),
    (BARE, "#\r\n", "#"),
    (BARE, "10", "*"),
    (BARE, "Signal=5\r\n", "5"),
    (BARE, "d=5\r\n", "5"),
    (PLAIN, "Signal=5\r\nDuration=160\r\n", "5"),
    (PLAIN, "d=5\r\n", "5"),
    (NORTEL, "p=Digit-Collection\r\ny=Digits\r\ns=success\r\nu=12345678\r\ni=87654321\r\nd=5\r\n", "5"),
    ("audio/telephone-event", "digit=5", "5"),
    (PLAIN, "5", ""),
    (PLAIN, "did=5\r\nx=6", ""),
    (PLAIN, "Signal=55", ""),
    (NORTEL, "d=", ""),
    ("text/plain\r\nInfo-Package: foo", "d=5", ""),
]
"""Kind of body, body -> the key."""


@pytest.fixture
def peer() -> Iterator[FarEnd]:
    peer = FarEnd(REGISTER=200)
    yield peer
    peer.close()


def test_each_dialect_is_one_key_and_what_is_none_is_refused(peer: FarEnd) -> None:
    """A key that is taken is answered 200; a foreign INFO with 415 or 469, an empty key with 400."""
    with talking(peer) as engine:
        for number, (kind, body, key) in enumerate(DIALECTS, 10):
            peer.ask("INFO", number, more=f"Content-Type: {kind}\r\n", body=body)
            code = peer.answered(number, "INFO")
            assert (code == 200) is bool(key), (kind, body, code)
        peer.ask("INFO", 99, more=f"Content-Type: {BARE}\r\n", body="D")
        peer.answered(99, "INFO")
        engine.wait(DigitReceived, where=lambda digit: digit.digit == "D")
        keys = [event.digit for event in engine.told(DigitReceived) if isinstance(event, DigitReceived)]

    assert keys == [key for _, _, key in DIALECTS if key] + ["D"]
