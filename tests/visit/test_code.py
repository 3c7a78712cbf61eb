"""The strike: only a right code, keyed in a visit, releases it, and time locks it again."""

import pytest

from lab import script
from lab.baresip import Phone
from lab.house import CODE, STRIKE, Door, House, stopping
from lab.script import answer, ask, expect, receive, wait


def test_the_strike_is_locked_from_the_first_moment(door: Door) -> None:
    """No blip at start: an active-high strike never saw a high level."""
    assert [level for _, level in door.pins.history(STRIKE)] == [0.0]


def test_a_right_code_releases_the_strike_for_its_pulse(door: Door, phone: Phone) -> None:
    """RFC 4733, as phones send it."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    phone.press_key(CODE)
    released = door.await_record("door-released")
    opened = door.pins.await_level(STRIKE, 1)
    locked = door.pins.await_level(STRIKE, 0, since=opened)
    phone.hang_up()

    assert released["INTERCOM_METHOD"] == "RFC 4733"
    assert released["INTERCOM_CODE_NAME"] == "family"
    assert 0.95 <= locked - opened < 1.5
    assert "released" in door.await_visit().timeline


def test_wrong_codes_open_nothing_and_deafen_the_visit(door: Door, phone: Phone) -> None:
    """Three guesses, then even the right code does nothing until the next visit."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    for left in (2, 1, 0):
        phone.press_key("9999")
        door.await_record("code-wrong", left=str(left))
    phone.press_key(CODE)
    phone.hang_up()
    door.await_visit()

    assert not door.records("door-released")
    assert [level for _, level in door.pins.history(STRIKE)] == [0.0]
    assert all(CODE not in str(record.get("MESSAGE")) for record in door.records())


def test_a_code_in_sip_info_counts_too(house: House) -> None:
    """Some phones key through the signalling (application/dtmf-relay)."""
    with stopping(house.odd_phone("info", "uas_info_digits", DIGITS=CODE)), house.door(target="info") as door:
        door.press()
        released = door.await_record("door-released")

        assert released["INTERCOM_METHOD"] == "SIP INFO"
        assert door.pins.await_level(STRIKE, 1)


WAYS = {
    "nothing but the key": ("application/dtmf", "{}"),
    "as most write it": ("application/dtmf-relay", "Signal={}\nDuration=160"),
    "spaces, small letters, another order": ("application/dtmf-relay", "duration = 160\nsignal= {} "),
}


@pytest.mark.parametrize("way", WAYS)
def test_keys_in_sip_info_count_however_they_are_written(house: House, way: str) -> None:
    """`*` and `#` as the events 10 and 11, too, as some PBXs send them; and an INFO about nothing is answered."""
    kind, body = WAYS[way]
    steps = [receive("INVITE"), answer(180), answer(200, sdp=script.audio("8 PCMA/8000")), receive("ACK"), wait(0.3)]
    for key in ("9", "10", *CODE, "4", "7", "11", *CODE):
        steps += [ask("INFO", f"Content-Type: {kind}", sdp=body.format(key)), expect(200), wait(0.1)]
    steps += [ask("INFO"), expect(200), wait(0.5), ask("BYE"), expect(200)]
    odd = house.odd_phone("script", "uas_script", script=script.phone(*steps))
    with stopping(odd), house.door(target="script") as door:
        door.press()
        door.await_visit(20)
        odd.require(10)

        assert [record["INTERCOM_METHOD"] for record in door.records("door-released")] == ["SIP INFO"] * 2
        # "*" took the 9 back, and "#" ended "47": neither was compared, so neither was a guess.
        assert not door.records("code-wrong")


def test_a_key_that_is_sent_in_two_ways_counts_once(house: House) -> None:
    """As an RTP event and as SIP INFO, each of them: the code is right twice, and nothing is wrong."""
    with stopping(house.odd_phone("both", "uas_both_digits", DIGITS=CODE * 2)), house.door(target="both") as door:
        door.press()
        released = door.await_records("door-released", 2)

        assert not door.records("code-wrong")
        assert {record["INTERCOM_METHOD"] for record in released} <= {"RFC 4733", "SIP INFO"}


@pytest.mark.parametrize("keys", [CODE[:3], f"{CODE[:2]}#{CODE[2:]}"])
def test_half_a_code_is_no_code(door: Door, phone: Phone, keys: str) -> None:
    """Neither too short nor in two pieces; and no guess either: the wrong one after it is the first."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    phone.press_key(keys + "#" + "9999")
    door.await_record("code-wrong", left="2")
    phone.hang_up()
    door.await_visit()

    assert not door.records("door-released")
