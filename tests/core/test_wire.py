# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines between the daemon and the engine: what is sent arrives, and what is not ours is refused in one way."""

import contextlib
import json
import math
import time
from dataclasses import is_dataclass
from itertools import pairwise
from typing import get_args, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intercom.core import acoustics, commands, events, snapshot
from intercom.core.commands import Audio, PlayTone, SetAudio, Tone
from intercom.core.events import CallArrived, CallEnded, EngineHeartbeat, LineUp
from intercom.errors import WireError
from intercom.ipc import protocol
from intercom.ipc.protocol import LONGEST, EngineSettings, Lines, decode, encode

KINDS = (*get_args(events.Event), *get_args(commands.EngineCommand), EngineSettings)


def filled(kind: type) -> st.SearchStrategy[object]:
    """Any value of a class: its fields are filled by their annotations."""
    return st.builds(kind, **{name: st.from_type(hint) for name, hint in get_type_hints(kind).items()})


# Sound numbers only, because a duration is never "not a number".
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
for module in (acoustics, commands, events, snapshot, protocol):
    for value in vars(module).values():
        if isinstance(value, type) and is_dataclass(value):
            st.register_type_strategy(value, filled)
MESSAGES = st.sampled_from(KINDS).flatmap(st.from_type)
INSTANTS = st.floats(0, 1e9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from([kind.__name__ for kind in KINDS])
FIELDS = st.dictionaries(
    st.sampled_from(["leg", "code", "tone", "audio", "card", "loop", "took_ms", "account", "accounts", "expires_s"]),
    JSON | st.dictionaries(st.sampled_from(["card", "loop", "hear"]), JSON, max_size=2),
    max_size=4,
)


@given(MESSAGES, INSTANTS)
def test_every_word_arrives_as_it_was_sent(message: object, at: float) -> None:
    """Events, orders and settings cross between the processes without a translation that could go wrong."""
    line = encode(message, at)

    assert decode(line) == (at, message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_known_by_its_name(kind: type) -> None:
    """A word that one side can say and the other does not know would end an engine at the worst moment."""

    @given(st.from_type(kind))
    @settings(max_examples=5)
    def crosses(message: object) -> None:
        assert type(decode(encode(message))[1]) is kind

    crosses()


def test_a_name_that_is_no_text_ends_no_engine() -> None:
    """A phone set to Latin-1, or an attacker, puts bytes into its name that are no UTF-8."""
    raw = (b"2\x821", b"2\xff\xfe1", b"2\xed\xa0\x801")
    told = [decode(encode(CallEnded(leg.decode("utf-8", "surrogateescape"), 200, "x")))[1] for leg in raw]

    assert [event.leg for event in told] == ["2?1", "2??1", "2???1"]


def test_a_line_reads_like_what_it_says() -> None:
    """Who traces the socket can read along."""
    message = SetAudio(Audio(card=True, hear="a-1.1", loop=Tone.RINGBACK))

    assert encode(message, 1.5) == (
        b'[1.5, "SetAudio", {"audio": {"card": true, "hear": "a-1.1", "speak": "", "loop": "ringback", '
        b'"half_duplex": false, "trial": ""}}]\n'
    )


def test_a_line_is_dated_now_unless_told_otherwise() -> None:
    """The instant is when it happened, on the clock that both processes share."""
    before = time.monotonic()
    at, _ = decode(encode(EngineHeartbeat()))

    assert before <= at <= time.monotonic()


def test_an_enumeration_arrives_as_itself() -> None:
    """A tone that were only text would play as none."""
    _, message = decode(encode(PlayTone(Tone.CHIME)))

    assert isinstance(message, PlayTone)
    assert message.tone is Tone.CHIME


def test_a_whole_number_will_do_for_a_duration() -> None:
    """JSON writes 40.0 as it likes."""
    assert decode(b'[1, "LineUp", {"account": "home", "took_ms": 40, "expires_s": 300}]') == (
        1.0,
        LineUp("home", 40.0, 300),
    )


RUBBISH = [
    b"",
    b"\n",
    b"null",
    b"[]",
    b"\xff\xfe",
    b'[1, "EngineHeartbeat"]',
    b'[1, "EngineHeartbeat", {}, 4]',
    b'[1, "EngineHeartbeat", {}',
    b'[1, "EngineHeartbeat", {"x": 1}]',
    b'[1, "EngineHeartbeat", []]',
    b'[1, "EngineHeartbeat", null]',
    b'[1, "EngineHeartbeat", "text"]',
    b'["soon", "EngineHeartbeat", {}]',
    b'[null, "EngineHeartbeat", {}]',
    b"[1" + b"0" * 400 + b', "EngineHeartbeat", {}]',
    b'[1, "Visit", {}]',
    b'[1, ["EngineHeartbeat"], {}]',
    b'[1, "CallSent", {}]',
    b'[1, "CallSent", {"leg": 5}]',
    b'[1, "CallEnded", {"leg": "a", "code": true, "reason": ""}]',
    b'[1, "CallEnded", {"leg": "a", "code": 486.0, "reason": ""}]',
    b'[1, "PlayTone", {"tone": "hiss"}]',
    b'[1, "PlayTone", {"tone": ["chime"]}]',
    b'[1, "SetAudio", {"audio": "on"}]',
    b'[1, "SetAudio", {"audio": {"card": 1}}]',
    b'[1, "SetAudio", {"audio": {"loop": {}}}]',
    b'[1, "LineUp", {"account": "a", "took_ms": 1' + b"0" * 400 + b', "expires_s": 1}]',
    b"[" * 100_000,
]


@pytest.mark.parametrize("line", RUBBISH, ids=lambda line: repr(line[:40]))
def test_what_encode_would_not_write_is_refused_in_one_way(line: bytes) -> None:
    """The other side may have died half-way through a word; its keeper handles one error, not all of Python's."""
    with pytest.raises(WireError, match="not a line of ours"):
        decode(line)


@pytest.mark.parametrize("instant", [math.nan, math.inf, -math.inf])
def test_an_instant_that_is_none_is_refused(instant: float) -> None:
    """A deadline computed from it would never come, or never go."""
    with pytest.raises(WireError):
        decode(encode(EngineHeartbeat(), instant))


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"a": 1, "b": 2, "c": 3}')
def test_no_line_at_all_raises_anything_else(line: bytes) -> None:
    """Any bytes are a word of ours or a WireError."""
    with contextlib.suppress(WireError):
        decode(line)


@given(JSON, NAMES, JSON | FIELDS)
def test_no_line_of_the_right_shape_raises_anything_else(instant: object, name: str, content: object) -> None:
    """A known word with unknown contents is the likeliest rubbish of all: an engine of another version."""
    try:
        at, message = decode(json.dumps([instant, name, content]).encode())
    except WireError:
        return

    # What was taken can be said again: it is a word of ours in every field.
    assert decode(encode(message, at)) == (at, message)


@given(st.lists(MESSAGES, min_size=1, max_size=5), st.data())
@settings(max_examples=50)
def test_a_stream_is_cut_at_the_ends_of_lines_wherever_it_was_broken(sent: list[object], data: st.DataObject) -> None:
    """A socket breaks a stream where it likes, also in the middle of a letter."""
    stream = b"".join(encode(message, 1.0) for message in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)) | {0, len(stream)})
    lines = Lines()
    got = [line for start, end in pairwise(cuts) for line in lines.feed(stream[start:end])]

    assert [decode(line)[1] for line in got] == sent


def test_half_a_line_is_no_line_yet() -> None:
    """It waits for its other half, and is then one."""
    lines, whole = Lines(), encode(CallArrived("in", "home", "Jörg", "192.0.2.1:5060", trusted=True), 1.0)

    assert list(lines.feed(whole[:-1])) == []
    assert list(lines.feed(whole[-1:])) == [whole[:-1]]


def test_a_line_without_end_is_refused() -> None:
    """A side that went mad must not eat the other one's memory."""
    lines = Lines()
    fed = [list(lines.feed(b"x" * (LONGEST // 4))) for _ in range(4)]

    assert fed == [[]] * 4
    with pytest.raises(WireError, match=f"more than {LONGEST} bytes"):
        list(lines.feed(b"x"))
