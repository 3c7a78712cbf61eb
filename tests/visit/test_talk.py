"""Visits that are answered: who hears whom, who ends it, and what the journal says of it."""

import time

from lab.baresip import Phone
from lab.house import BUTTON, LAMP, PHONE_HZ, VISITOR_HZ, Door, House, heard_by, stopping
from lab.tones import find_tone, read_wav, speech_tone

RINGS_S = 1.5
"""People take this long to answer. The echo canceller uses it to learn the room."""
MOMENTS = ["accepted", "sent", "ringing", "answered", "ended"]


def test_both_hear_each_other_and_the_journal_tells_the_visit(house: House, door: Door, phone: Phone) -> None:
    """The whole road, through every real process."""
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    door.press()
    phone.await_event("CALL_INCOMING")
    time.sleep(RINGS_S)
    phone.answer()
    door.await_record("call-answered")
    since = time.monotonic()
    time.sleep(2.5)  # a conversation takes time
    phone.hang_up()
    visit = door.await_visit()
    heard = find_tone(house.room.heard(since, since + 2.5), house.room.rate, PHONE_HZ)

    assert visit.outcome == "talked"
    assert sorted(MOMENTS, key=visit.timeline.__getitem__) == MOMENTS
    assert {"audio_in", "audio_out"} <= visit.timeline.keys()
    assert heard.heard, heard
    assert heard_by(phone).heard
    house.room.await_ports(open=False)
    door.await_record("card-closed")


def test_ring_back_is_heard_until_the_answer(house: House, door: Door, phone: Phone) -> None:
    """The visitor knows that it rings, and no tone stays behind when somebody speaks."""
    pressed = door.press()
    phone.await_event("CALL_INCOMING")
    time.sleep(2.0)  # the chime, and the first second of ring-back
    ringing = find_tone(house.room.heard(pressed + 1.0, pressed + 2.0), house.room.rate, 425)
    phone.answer()
    door.await_record("call-answered")
    phone.hang_up()
    door.await_visit()

    assert ringing.heard, ringing


def test_a_second_press_while_it_rings_makes_no_second_call(door: Door, phone: Phone) -> None:
    """Impatience is answered, and rings nobody twice."""
    door.press()
    phone.await_event("CALL_INCOMING")
    door.press()
    again = door.await_record("press-answered")
    phone.answer()
    door.await_record("call-answered")
    phone.hang_up()
    visit = door.await_visit()

    assert again["INTERCOM_GOT"] == "still ringing"
    assert again["INTERCOM_VISIT"] == visit.id
    assert len([event for event in phone.events if event.type == "CALL_INCOMING"]) == 1
    assert len(door.records("call-placed")) == 1


def test_talk_time_ends_with_a_warning_before_it(house: House, phone: Phone) -> None:
    """A phone left off the hook does not keep the microphone open, and nobody is cut off unwarned."""
    with house.door(talk_s=5, warn_s=1) as door:
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered")
        answered = time.monotonic()
        phone.await_event("CALL_CLOSED", 15)
        visit = door.await_visit()
        beep = find_tone(house.room.heard(answered + 4.5, answered + 6), house.room.rate, 1000)

        assert visit.outcome == "talked"
        assert 6000 <= visit.timeline["ended"] - visit.timeline["answered"] < 7000
        assert beep.level_dbfs > -30, beep


def test_the_phone_may_hold_and_come_back(house: House, door: Door, phone: Phone) -> None:
    """Hold is no hang-up, and the visitor hears the phone again afterwards (baresip's recorder does not come back)."""
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    door.press()
    phone.await_event("CALL_INCOMING")
    time.sleep(RINGS_S)
    phone.answer()
    door.await_record("call-answered")
    time.sleep(1.2)  # baresip names its recordings by the second
    phone.hold()
    time.sleep(1.2)
    phone.resume()
    resumed = time.monotonic()
    time.sleep(2.5)  # a conversation takes time
    heard = find_tone(house.room.heard(resumed + 0.5, resumed + 2.5), house.room.rate, PHONE_HZ)
    phone.hang_up()

    assert door.await_visit().outcome == "talked"
    assert heard.heard, heard


def test_early_media_is_heard_instead_of_our_own_ring_back(house: House) -> None:
    """A PBX's announcement ("the number has changed") reaches the visitor."""
    with stopping(house.odd_phone("early", "uas_early_media")), house.door(target="early", talk_s=5, warn_s=1) as door:
        door.press()
        visit = door.await_visit()
        own = find_tone(house.room.heard(time.monotonic() - 5), house.room.rate, 425)

        assert "early_media" in visit.timeline
        assert visit.timeline["early_media"] < visit.timeline["answered"]
        assert not own.heard


def test_the_lamp_answers_a_press_when_there_is_no_line(house: House) -> None:
    """A visitor is never left in doubt whether the button works, least of all when nothing else does."""
    with house.door(wait=False, registrar="127.0.0.99") as door:
        door.pins.await_claimed(BUTTON, "input")
        door.await_record("started")
        before = door.pins.press(BUTTON)
        door.await_record("press-accepted")

        assert door.pins.await_level(LAMP, 1, since=before)


def test_every_codec_carries_both_voices_at_their_level(house: House, phone: Phone) -> None:
    """Whatever a phone speaks, both sides hear it, as loud as it was said: PJSIP's G.722 was 6 dB wrong both ways."""
    heard, wrong = {}, {}
    for codec in ("opus", "g722", "pcma", "pcmu"):
        with house.door(codecs=(codec,)) as door:
            house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
            door.press()
            phone.await_event("CALL_INCOMING", since=time.monotonic() - 2)
            time.sleep(RINGS_S)
            phone.answer()
            door.await_record("call-answered")
            since = time.monotonic()
            time.sleep(2)  # a conversation takes time
            here = find_tone(house.room.heard(since, since + 2), house.room.rate, PHONE_HZ)
            phone.hang_up()
            door.await_visit()
            there = find_tone(*read_wav(phone.recordings()[-1]), VISITOR_HZ)
            print(f"{codec}: the phone's -15 dBFS arrive as {here.level_dbfs}, the visitor's as {there.level_dbfs}")
            heard[codec] = (phone.codec(), here.heard, there.heard)
            # Noise suppression takes one or two, baresip's stereo Opus comes out three too loud.
            wrong |= {
                (codec, side): report.level_dbfs
                for side, report in (("here", here), ("there", there))
                if abs(report.level_dbfs + 15) > 4.5
            }

    assert heard == {codec: (codec, True, True) for codec in heard}
    assert wrong == {}
