# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys by RTP, as all kinds of senders send them and networks deliver them, against the real engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from media_peers import OFFERED, FarEnd, call, keyed, talking
from sip_peers import Engine, account, running

from intercom.core.commands import HangUp
from intercom.core.events import CallAnswered, CallEnded
from lab import key_senders
from lab.key_senders import Network, Sender, recording

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

KEYS = "1123355#*0"
RECORDED = sorted((Path(__file__).parent / "keys").glob("*.txt"))
RIGHT = Sender()
SENDERS = {
    "as RFC 4733 says": RIGHT,
    "at 48000 Hz": replace(RIGHT, clock=48000, kind=120),
    "steps of 50 ms": replace(RIGHT, step_ms=50),
    "no marker": replace(RIGHT, markers="none"),
    "a marker on every packet": replace(RIGHT, markers="all"),
    "ends alone, of constant length": replace(RIGHT, updates=False, markers="all"),
    "one packet a key": replace(RIGHT, updates=False, ends=1),
    "one packet a key, no marker": replace(RIGHT, updates=False, ends=1, markers="none"),
    "no end": replace(RIGHT, ends=0),
    "the length by another clock than the time": replace(RIGHT, clock=48000, length_clock=8000),
    "the time by another clock than the length": replace(RIGHT, clock=8000, length_clock=48000),
    "the time goes on within a key": replace(RIGHT, time="goes on"),
    "the time goes on, by another clock": replace(RIGHT, time="goes on", clock=48000, length_clock=8000),
    "the time goes on, no marker": replace(RIGHT, time="goes on", markers="none"),
    "one time for all keys": replace(RIGHT, time="stands"),
}
NETWORKS: list[Network] = [
    key_senders.whole,
    key_senders.firsts_lost,
    key_senders.ends_lost,
    key_senders.one_left,
    key_senders.first_left,
    key_senders.twice,
    key_senders.swapped,
    key_senders.ends_late,
]
NOBODY_CAN_TELL = {
    ("the time by another clock than the length", "one_left"),
    ("the time goes on, by another clock", "swapped"),
    # Only what begins anew behind an end shows another key there.
    ("one time for all keys", "ends_lost"),
    ("one time for all keys", "one_left"),
    ("one time for all keys", "first_left"),
}
NONE = "m=audio {port} RTP/AVP 8\r\n"


def named(number: int, rate: int = 8000, name: str = "telephone-event") -> str:
    """Return an answer that names one number for keys."""
    return f"m=audio {{port}} RTP/AVP 8 {number}\r\na=rtpmap:{number} {name}/{rate}\r\n"


OPUS = named(96, 48000, "opus").replace("/48000", "/48000/2").replace(" 8 ", " ")
NUMBERS = {
    "both of ours, 121": (OFFERED, 121),
    "both of ours, 120": (OFFERED, 120),
    "the first of ours": (named(120, 48000), 120),
    "the second of ours": (named(121), 121),
    "ours with Opus": (OPUS.replace(" 96", " 96 120 121") + OFFERED.partition("\r\n")[2], 121),
    "its own, 101": (named(101), 101),
    "its own, 96, which is our Opus": (named(96), 96),
    "its own, 127": (named(127), 127),
    "its own, in capitals": (named(101, 8000, "TELEPHONE-EVENT"), 101),
    "its own at 16000 Hz": (named(101, 16000), 101),
    "its own, but it uses ours": (named(101), 121),
    "its own below 96": (named(77), 77),
    "none, 101": (NONE, 101),
    "none, ours": (NONE, 121),
    "none, 100": (NONE, 100),
    "without a rate": ("m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event\r\n", 101),
}


@pytest.fixture(scope="module")
def peer() -> Iterator[FarEnd]:
    with contextlib.closing(FarEnd()) as peer:
        yield peer


@pytest.fixture(scope="module")
def engine(peer: FarEnd) -> Iterator[Engine]:
    with running(account(peer)) as engine:
        yield engine


@pytest.fixture
def in_call(engine: Engine, peer: FarEnd) -> Iterator[Engine]:
    leg = f"{len(engine.told(CallAnswered))}.1"
    call(engine, peer, leg)
    yield engine
    engine.send(HangUp(leg))
    engine.wait(CallEnded)


@pytest.mark.parametrize("name", SENDERS)
def test_each_key_counts_once(in_call: Engine, peer: FarEnd, name: str) -> None:
    """However it is sent, and whatever the network loses, doubles and swaps: where it can be told."""
    counted = {}
    for place, network in enumerate(NETWORKS):
        if packets := network(SENDERS[name].send(KEYS, 10_000_000 * place, 5_000 * place)):
            counted[network.__name__] = keyed(in_call, peer, packets)
    wrong = {network for network, keys in counted.items() if keys != KEYS}

    assert wrong == {network for sender, network in NOBODY_CAN_TELL if sender == name}, counted


@pytest.mark.parametrize("longest", ["segments", "wraps", "stays"])
@pytest.mark.parametrize("clock", [8000, 48000])
def test_a_key_held_for_nine_seconds_is_one(in_call: Engine, peer: FarEnd, clock: int, longest: str) -> None:
    """Its length has 16 bits, which is 8.2 s or 1.4 s; with all its packets, and with every fifth of them lost."""
    held = Sender(clock=clock, kind=120 if clock == 48000 else 121, key_ms=9000, longest=longest)
    keys = held.send("55")
    thinned = [[packet for place, packet in enumerate(key) if place % 5] for key in held.send("55", 90_000_000, 9_000)]

    assert keyed(in_call, peer, key_senders.whole(keys)) == "55"
    assert keyed(in_call, peer, key_senders.whole(thinned)) == "55"


@pytest.mark.parametrize("name", NUMBERS)
def test_keys_count_under_every_number_that_either_side_named(name: str) -> None:
    """And under a usual one that nobody named."""
    with contextlib.closing(FarEnd()) as peer:
        peer.lines, kind = NUMBERS[name]
        with talking(peer, codecs=("opus", "pcma")) as engine:
            assert keyed(engine, peer, key_senders.whole(Sender(kind=kind).send("4711"))) == "4711"


@pytest.mark.parametrize(
    "payload",
    [b"\x10\x0a\x00\xa0", b"\x05\x4a\x00\xa0", b"\x05\x0a\x00", b"\x05\x0a\x00\xa0\x00", b""],
    ids=["flash", "reserved bit", "too short", "too long", "empty"],
)
def test_what_is_no_key_is_none_under_a_number_that_nobody_named(in_call: Engine, peer: FarEnd, payload: bytes) -> None:
    """Anything else may have any number."""
    strange = key_senders.Packet(99, True, 500, 800_000, payload)

    assert keyed(in_call, peer, [strange, *key_senders.whole(Sender().send("7", 900_000, 501))]) == "7"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_keys_of_real_phones_count(in_call: Engine, peer: FarEnd, path: Path) -> None:
    """Recorded in the laboratory, as they came off the wire."""
    keys, packets = recording(path)

    assert keyed(in_call, peer, packets) == keys
