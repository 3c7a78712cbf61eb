"""Keys as tones in the sound itself, where that is wanted; a visitor's own tones never count."""

from __future__ import annotations

import time

import numpy as np
import pytest

from intercom.control.client import ask
from lab.buttons import account
from lab.house import CODE, STRIKE, House, stopping
from lab.tones import babble
from lab.touch_tones import RATE, keyed, silence

IN_BAND = account("keys_in_band = true")
WORDS = babble(2.0, level_dbfs=-18)
SAYS = np.concatenate([WORDS, silence(200), keyed(CODE, 90, 90), silence(1000), keyed("9999", 90, 90), WORDS])
"""What somebody says, with a right code and a wrong one in it."""
SAYS_S = len(SAYS) / RATE
TIMES = 4
"""How often he says it: a busy machine may cost the card a period, and a key with it, but not each time."""


@pytest.mark.parametrize("codec", ["opus", "g722"])
def test_a_code_as_tones_opens_where_that_is_wanted(house: House, codec: str) -> None:
    """In the midst of words, each key once.

    Not by G.711: this phone's own way from 16 to 8 kHz takes 20 dB off the higher tones.
    """
    with (
        stopping(house.phone(voice=np.tile(SAYS, TIMES), codecs=(codec,))) as phone,
        house.door(edit=IN_BAND, codecs=(codec,)) as door,
    ):
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        released = door.await_record("door-released", TIMES * SAYS_S)
        door.pins.await_level(STRIKE, 1)
        wrong = door.await_record("code-wrong", TIMES * SAYS_S)
        phone.hang_up()

        assert door.await_visit().outcome == "talked"
        assert (released["INTERCOM_METHOD"], wrong["INTERCOM_METHOD"]) == ("in-band", "in-band")


def test_a_code_as_tones_is_sound_and_nothing_else_where_that_is_not_wanted(house: House) -> None:
    """Unless told, only RFC 4733 and SIP INFO count; and with both, each key counts once."""
    with stopping(house.phone(voice=SAYS)) as phone, house.door() as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered")
        phone.press_key("9999")
        door.await_record("code-wrong")
        time.sleep(4.5)  # what he says takes time
        phone.hang_up()
        door.await_visit()

        assert [record["INTERCOM_METHOD"] for record in door.records("code-wrong")] == ["RFC 4733"]
        assert not door.records("door-released")


def test_a_visitor_who_plays_the_code_does_not_get_in(house: House) -> None:
    """His tones go to a phone that sends everything back: what the door itself has sent is no key."""
    odd = house.odd_phone("echo", "uas_echo", args=["-rtp_echo"])
    with stopping(odd), house.door(target="echo", edit=IN_BAND) as door:
        door.press()
        door.await_record("call-answered")
        house.room.say(np.concatenate([silence(500), keyed(CODE * 2 + "#", 120, 120), silence(200)]), loop=True)
        time.sleep(7.0)  # so does playing it twice, and the way back
        ask(door.socket, {"do": "hangup"})
        door.await_visit()

        assert not door.records("door-released") + door.records("code-wrong")
