"""How a conversation sounds, and that it is noticed when it does not."""

import json
import time
from collections.abc import Iterator

import pytest

from lab.baresip import Phone
from lab.cable import silenced
from lab.house import House, Visit, stopping
from lab.tones import babble


@pytest.fixture
def usual_room(house: House) -> Iterator[None]:
    """Have the room as it was, for the tests after."""
    yield
    house.room.echo(delay_ms=20, gain_db=-12)


def figures(visit: Visit) -> dict[str, float]:
    """Return what the final record says of the sound."""
    told: dict[str, float] = json.loads(visit.record["INTERCOM_SOUND"])
    return told


def test_the_final_record_tells_how_the_conversation_sounded(house: House) -> None:
    """Codec, jitter buffer, losses and the echo score, of a visit in an ordinary room."""
    with stopping(house.phone(answer="auto", voice=babble(60))) as phone, house.door() as door:
        door.press()
        door.await_record("call-answered")
        time.sleep(6.3)  # a conversation takes time
        phone.hang_up()
        visit = door.await_visit()

        print(visit.record["INTERCOM_CODEC"], figures(visit))
        assert visit.record["INTERCOM_CODEC"] == "opus"
        assert {"buffer_ms", "jitter_ms", "lost_pct", "lost_there_pct", "echo_db"} <= figures(visit).keys()
        assert figures(visit)["echo_db"] > 10
        assert "INTERCOM_ONE_WAY" not in visit.record
        assert "INTERCOM_DUPLEX" not in visit.record
        assert not door.records("half-duplex")


def test_a_room_whose_echo_stays_falls_back_to_one_voice_at_a_time(house: House, usual_room: None) -> None:
    """A radio loudspeaker, 0.7 s late: nothing can take that out, so the door switches, and says so."""
    house.room.echo(delay_ms=700, gain_db=-6)
    with stopping(house.phone(answer="auto", voice=babble(60))) as phone, house.door() as door:
        door.press()
        told = door.await_record("half-duplex", 20)
        since = time.monotonic()
        time.sleep(2.5)  # a conversation takes time
        house_heard = house.room.heard(since)
        phone.hang_up()
        visit = door.await_visit()

        print(told["MESSAGE"], figures(visit))
        assert visit.record["INTERCOM_DUPLEX"] == "half"
        assert float(told["INTERCOM_ECHO_DB"]) < 12
        assert house_heard.any(), "the house is still heard at the door"


def test_a_phone_that_sends_no_sound_is_noticed(house: House) -> None:
    """Two seconds after the answer the journal says which way nobody is heard, and why."""
    silent = house.odd_phone("vanish", "uas_vanish", SECONDS="60")
    with stopping(silent), house.door(target="vanish", talk_s=5, warn_s=1) as door:
        door.press()
        told = door.await_record("one-way", 15, direction="in")
        visit = door.await_visit(20)

        assert told["INTERCOM_HEARER"] == "the visitor"
        assert "no packets come from 127.0.0.44:" in told["INTERCOM_CAUSE"]
        assert "in: no packets" in visit.record["INTERCOM_ONE_WAY"]
        assert len(door.records("one-way", direction="in")) == 1


def test_packets_that_stop_in_mid_call_are_noticed(house: House) -> None:
    """The phone's way into the network breaks: told as that, and not as a phone that is muted."""
    with stopping(house.phone(answer="auto")), house.door() as door:
        door.press()
        door.await_record("call-answered")
        time.sleep(3)  # a conversation takes time
        assert not door.records("one-way")
        with silenced():
            told = door.await_record("one-way", 20, direction="in")

        assert told["INTERCOM_HEARER"] == "the visitor"
        assert "stopped coming" in told["INTERCOM_CAUSE"]


def test_a_microphone_that_gives_digital_silence_is_noticed(house: House, phone: Phone, usual_room: None) -> None:
    """Unplugged or muted in the mixer: the card runs, and there is nothing in it."""
    house.room.echo(gain_db=None)
    with house.door() as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        told = door.await_record("one-way", 10, direction="out")
        phone.hang_up()
        door.await_visit()

        assert told["INTERCOM_HEARER"] == "the house"
        assert told["INTERCOM_CAUSE"] == "the microphone gives digital silence"


def test_packets_from_elsewhere_are_heard_and_told_in_the_record(house: House) -> None:
    """A phone behind NAT whose SDP is wrong: its packets are taken from where they come, and ours go back there."""
    odd = house.odd_phone("elsewhere", "uas_elsewhere")
    with stopping(odd), house.door(target="elsewhere", talk_s=4, warn_s=1) as door:
        door.press()
        visit = door.await_visit(20)

        assert "audio_in" in visit.timeline
        assert visit.record["INTERCOM_RTP_SOURCE"].startswith("127.0.0.44:")
        assert not door.records("one-way", direction="in")
