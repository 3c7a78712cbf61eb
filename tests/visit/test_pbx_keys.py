"""Codes through a real PBX (Asterisk): as it sends keys to the door, each of its ways, and those that it holds back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import interop_table
import pytest

from lab.baresip import Phone
from lab.buttons import account
from lab.house import CODE, STRIKE, Door, stopping
from lab.pbx import Pbx

WAYS = {"doorinfo": ("SIP INFO", "info"), "doortones": ("in-band", "inband")}
"""The door's extension -> how keys come, and Asterisk's word for it. The phone itself sends RFC 4733."""


def talking(pbx: Pbx, door: Door) -> Phone:
    """Have 201 in a conversation with the door."""
    phone, since = pbx.phone("201"), time.monotonic()
    door.press()
    phone.await_event("CALL_INCOMING", since=since)
    phone.answer()
    door.await_record("call-answered")
    return phone


@pytest.mark.parametrize("user", WAYS)
def test_a_code_opens_however_the_pbx_sends_keys(pbx: Pbx, user: str) -> None:
    """`dtmf_mode` of the door's own extension."""
    method, mode = WAYS[user]
    edit = account("keys_in_band = true")
    # G.711 is where tones in the sound come from.
    with pbx.door(codecs=("pcma",), edit=lambda text: edit(text).replace('user = "door"', f'user = "{user}"')) as door:
        phone = talking(pbx, door)
        phone.press_key(CODE)
        released = door.await_record("door-released")
        door.pins.await_level(STRIKE, 1)
        phone.hang_up()
        door.await_visit()

        assert released["INTERCOM_METHOD"] == method
        assert len(door.records("door-released") + door.records("code-wrong")) == 1
        interop_table.add(
            "hosted PBX",
            f"code keyed on a phone, dtmf_mode={mode}",
            pbx.asterisk.version,
            interop_table.peer("baresip"),
        )


@pytest.mark.parametrize("codec", ["opus", "g722", "pcma"])
def test_a_code_with_a_doubled_digit_opens_through_a_plain_dial(pbx: Pbx, codec: str) -> None:
    """Asterisk answers with both our events, 48000 and 8000 Hz, and passes on what the phone sends under its own."""
    assert any(one == other for one, other in pairwise(CODE))
    with pbx.door(target="7201", codecs=("opus", "g722", "pcma") if codec == "opus" else (codec,)) as door:
        phone = talking(pbx, door)
        phone.press_key(CODE)
        released = door.await_record("door-released")
        door.pins.await_level(STRIKE, 1)
        phone.hang_up()
        ended = door.await_record("visit-ended")
        door.await_visit()

        assert released["INTERCOM_METHOD"] == "RFC 4733"
        assert str(ended["INTERCOM_CODEC"]).startswith(codec)
        assert len(door.records("door-released") + door.records("code-wrong")) == 1
    row = f"code with a doubled digit through a plain Dial, {codec}"
    interop_table.add("hosted PBX", row, pbx.asterisk.version, interop_table.peer("baresip"))


@pytest.fixture
def door(pbx: Pbx) -> Iterator[Door]:
    """The door as it is."""
    with stopping(pbx.door()) as door:
        yield door


def test_a_hash_that_the_pbx_holds_back_for_a_second_ends_the_entry_when_it_comes(pbx: Pbx, door: Door) -> None:
    """`#1` is a feature code there, so it waits for what follows: half a code, `#`, and later the whole code."""
    phone = talking(pbx, door)
    phone.press_key(f"{CODE[:2]}#")
    # It is late, and an entry that was never compared has no record that could be waited for.
    time.sleep(1.5)
    phone.press_key(f"{CODE}#")
    door.await_record("door-released")
    door.pins.await_level(STRIKE, 1)
    # The second one ends nothing: it is late, too, and what it would have ended is over.
    time.sleep(1.5)
    phone.hang_up()
    door.await_visit()

    assert len(door.records("door-released")) == 1
    assert not door.records("code-wrong")
    interop_table.add(
        "hosted PBX", "`#` held back by a feature code", pbx.asterisk.version, interop_table.peer("baresip")
    )


def test_a_star_and_a_hash_before_digits_come_with_them_and_do_what_they_mean(pbx: Pbx, door: Door) -> None:
    """`*2` is a feature code, `*4` is none: both keys come at once. `*` takes a slip back, `#` ends an entry."""
    phone = talking(pbx, door)
    phone.press_key(f"9*{CODE}")
    door.await_record("door-released")
    phone.press_key(f"99#{CODE}")
    door.await_records("door-released", 2)
    phone.hang_up()
    door.await_visit()

    assert not door.records("code-wrong")
