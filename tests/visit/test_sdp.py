"""Session descriptions: each codec alone, pieces of sound of any length, and what a door has not, declined politely."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import interop_table
import pytest

from lab import script
from lab.house import PHONE_HZ, REGISTRAR_IP, SIPP_IP, VISITOR_HZ, Door, House, heard_by, stopping
from lab.rtp import Rtp
from lab.sipp import Sipp
from lab.tones import find_tone, speech_tone

KAMAILIO, SIPP, BARESIP = map(interop_table.peer, ("kamailio", "sipp", "baresip"))
RTP_PORT = 33000
EVERYTHING = [
    *("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"),
    *("m=video 33100 RTP/AVP 97", "a=rtpmap:97 VP8/90000", "a=content:slides"),
    *("m=text 33200 RTP/AVP 98", "a=rtpmap:98 t140/1000"),
    *("m=application 33300 UDP/BFCP *", "a=floorctrl:c-s"),
    *("m=message 33400 TCP/MSRP *", "a=accept-types:text/plain"),
]
"""A camera, a shared screen and its control, real-time text and messages."""


def works(case: str, *peers: str) -> None:
    """Note what was seen."""
    interop_table.add("SDP", case, KAMAILIO, *peers)


@pytest.fixture(scope="module")
def door(house: House) -> Iterator[Door]:
    """A door that offers all its codecs, and rings a phone out of a script."""
    with house.door(target="script") as door:
        yield door


@pytest.mark.parametrize("codec", ["opus", "g722", "pcma", "pcmu"])
def test_each_codec_may_be_the_only_one_that_a_phone_has(house: House, codec: str) -> None:
    """What the door offers first is not what everybody has."""
    phone = house.phone(codecs=(codec,))
    with stopping(phone), house.door() as door:
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered")
        time.sleep(1.5)  # a sentence
        phone.hang_up()

        assert door.await_visit().outcome == "talked"
        assert phone.codec() == codec
        assert heard_by(phone).heard
    works(f"{codec} alone", BARESIP)


@pytest.mark.parametrize("ptime", [0, 10, 20, 30, 40])
def test_sound_comes_in_pieces_of_the_length_that_a_phone_wants(house: House, door: Door, ptime: int) -> None:
    """Both ways: the door sends such pieces, and understands them; 20 ms where the phone says nothing."""
    offer = script.audio("8 PCMA/8000", ip=SIPP_IP, port=RTP_PORT, more=[f"a=ptime:{ptime}"] if ptime else [])
    steps = (script.receive("INVITE"), script.answer(200, sdp=offer), script.receive("ACK"), script.wait(2.5))
    scenario = script.phone(*steps, script.ask("BYE"), script.expect(200))
    with (
        stopping(Rtp(SIPP_IP, RTP_PORT)) as ears,
        stopping(house.odd_phone("script", "uas_ptime", script=scenario)) as phone,
    ):
        door.press()
        visit = str(door.await_record("call-answered", target="script", visit=_begun(door))["INTERCOM_VISIT"])
        at = time.monotonic()
        ears.speak(PHONE_HZ, 2.0, ptime or 20)
        heard = find_tone(house.room.heard(at, at + 2.0), house.room.rate, PHONE_HZ)
        ended = door.await_visit(visit=visit)
        phone.require(5)

    assert ended.outcome == "talked"
    assert ears.length() == 8 * (ptime or 20)
    assert heard.heard
    works(f"ptime {ptime}" if ptime else "no ptime: 20", SIPP)


def _begun(door: Door) -> str:
    door.await_record("press-accepted")
    return door.current_visit()


def test_what_a_door_has_not_is_declined_while_the_sound_goes_on(house: House, door: Door) -> None:
    """In a call to the door: every other stream gets port 0 (RFC 3264 section 6), in its place."""
    offer = script.audio(more=EVERYTHING)
    calls = script.caller(
        *(script.expect(200), script.ask("ACK"), script.wait(0.5), script.ask("BYE"), script.expect(200)),
        password="p201",
        sdp=offer,
    )
    with stopping(Sipp("uac_video", house.folder, "127.0.0.45", to=REGISTRAR_IP, user="door", script=calls)) as phone:
        leg = str(door.await_record("call-arrived")["INTERCOM_LEG"])
        ended = door.await_record("call-ended", leg=leg)
        phone.require(5)

    assert ended["INTERCOM_CODE"] == "200"
    assert _streams(phone.conversation()) == [("audio", True)] + [
        (kind, False) for kind in ("video", "video", "text", "application", "message")
    ]
    for case in ("video declined", "screen sharing declined", "text media declined"):
        works(case, SIPP)


def test_a_phone_that_turns_its_camera_on_in_a_call_is_answered_with_sound(house: House, door: Door) -> None:
    """A re-INVITE with video and a shared screen changes nothing but that it was asked."""
    more = script.audio(more=EVERYTHING[:4])
    steps = (script.receive("INVITE"), script.answer(200, sdp=script.audio()), script.receive("ACK"), script.wait(0.3))
    asks = (script.ask("INVITE", sdp=more), script.expect(200), script.ask("ACK"), script.wait(0.3))
    scenario = script.phone(*steps, *asks, script.ask("BYE"), script.expect(200))
    with stopping(house.odd_phone("script", "uas_video", script=scenario)) as phone:
        door.press()
        visit = _begun(door)
        ended = door.await_visit(visit=visit)
        phone.require(5)

    assert ended.outcome == "talked"
    assert _streams(phone.conversation()) == [("audio", True), ("video", False), ("video", False)]
    works("video added in a call declined", SIPP)


def _streams(conversation: str) -> list[tuple[str, bool]]:
    """Return the streams of the door's last answer: kind, and whether it takes part."""
    said = [part for part in re.split(r"(?m)^-{20,}", conversation) if "message received" in part and "\nv=0" in part]
    return [(kind, port != "0") for kind, port in re.findall(r"(?m)^m=(\w+) (\d+)", said[-1])]
