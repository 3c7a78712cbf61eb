"""Several at once: the door in a conference of a real PBX, and with clients that speak more than a telephone does."""

import time

import interop_table
import numpy as np

from intercom.core.transitions import Outcome
from lab.baresip import Phone
from lab.house import VISITOR_HZ, stopping
from lab.pbx import EXTENSIONS, Pbx
from lab.sipp import Sipp
from lab.tones import Samples, read_wav, speech_tone

PART = "collaboration"
ROOM, PIN = "500", "2468#"
CLIENT_HZ = 800.0
CONTACT = f'[contacts.room]\ncall = "{ROOM}"\nthen = "ww{PIN}"\n'


def share(samples: Samples, rate: int, hz: float) -> float:
    """Return which share of all sound is at a pitch: of several voices at once each has its own."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    grid = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(power[np.abs(grid - hz) < 30].sum() / power[grid > 60].sum())


def at_the_door(pbx: Pbx, seconds: float = 2) -> Samples:
    """Listen at the door for a while."""
    since = time.monotonic()
    time.sleep(seconds)  # a conversation takes time
    return pbx.house.room.heard(since, since + seconds)


def at(phone: Phone, seconds: float = 1.6) -> tuple[Samples, int]:
    """Return what a phone heard last, after it has hung up."""
    samples, rate = read_wav(phone.recordings()[-1])
    return samples[-round(seconds * rate) :], rate


def enter(pbx: Pbx, phone: Phone, since: float) -> None:
    """Have a phone call the room and key its PIN."""
    phone.call(ROOM)
    phone.await_event("CALL_ESTABLISHED", since=since)
    time.sleep(0.8)  # "please enter"
    phone.press_key(PIN)
    pbx.asterisk.await_event("ConfbridgeJoin", 10, since, lambda fields: fields["CallerIDNum"] == phone.number)


def test_a_press_joins_a_conference_and_several_phones_talk_with_the_door(pbx: Pbx) -> None:
    """The room asks for a PIN, the door keys it; everybody hears everybody, and the visitor is one of them."""
    kitchen, study = pbx.phone("201"), pbx.phone("202")
    with pbx.door("room", edit=lambda text: text + CONTACT) as door:
        began = time.monotonic()
        for phone in (kitchen, study):
            enter(pbx, phone, began)
        pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        pbx.asterisk.await_event("ConfbridgeJoin", 15, began, lambda fields: fields["CallerIDNum"] == "door")
        time.sleep(0.5)  # the room says that somebody came
        here, rate = at_the_door(pbx), pbx.house.room.rate
        for phone in (kitchen, study):
            phone.hang_up()
        pbx.asterisk.command(f"confbridge kick {ROOM} all")

        assert door.await_visit().outcome == Outcome.TALKED
        assert PIN not in repr(door.records())
        heard = {number: share(here, rate, EXTENSIONS[number]) for number in ("201", "202")}
        assert min(heard.values()) > 0.1, heard
        for phone, other in ((kitchen, "202"), (study, "201")):
            got = {hz: share(*at(phone), hz) for hz in (VISITOR_HZ, EXTENSIONS[other])}
            assert min(got.values()) > 0.1, got
    peers = pbx.asterisk.version, interop_table.peer("baresip")
    interop_table.add(PART, "a press joins a conference with PIN", *peers)
    interop_table.add(PART, "several phones talk with the door", *peers)


def test_a_browser_s_kind_of_client_hears_and_is_heard(pbx: Pbx) -> None:
    """DTLS keys, feedback profile and Opus on its side, a plain call on the door's: the PBX stands between."""
    client = Phone(
        "205",
        pbx.folder,
        pbx.asterisk,
        "p205",
        ip="127.0.0.35",
        tone_hz=CLIENT_HZ,
        codecs=("opus",),
        mediaenc="dtls_srtp",
        one_port=True,
    )
    with stopping(client), pbx.door("205") as door:
        client.wait_registered()
        pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        client.await_event("CALL_INCOMING", since=door.press())
        time.sleep(0.8)  # a hand on its way
        client.answer()
        door.await_record("call-answered")
        time.sleep(0.8)  # keys are agreed on
        here = share(at_the_door(pbx), pbx.house.room.rate, CLIENT_HZ)
        client.hang_up()
        there = share(*at(client), VISITOR_HZ)

        assert door.await_visit().outcome == Outcome.TALKED
        assert (here > 0.5, there > 0.5) == (True, True), (here, there)
        assert client.codec() == "opus"
    interop_table.add(
        PART,
        "client with DTLS-SRTP, AVPF and one port, as browsers have (without ICE: there is only a loopback)",
        pbx.asterisk.version,
        interop_table.peer("baresip"),
    )


def test_video_is_declined_and_the_voice_goes_on(pbx: Pbx) -> None:
    """A video client calls the door through the PBX: the answer takes the sound and sets the picture's port to 0."""
    with pbx.door(edit=lambda text: text.replace('callers = ["201"]', 'callers = ["204"]')) as door:
        pbx.asterisk.command("pjsip set logger on")
        client = Sipp("uac_video", pbx.folder, "127.0.0.44", 5090, to="127.0.0.10", user="door")
        door.await_record("call-answered")
        client.require()
        visit = door.await_visit()
        pbx.asterisk.command("pjsip set logger off")
        said = (pbx.asterisk.folder / "log/full").read_text(errors="replace")
        to_door = said.partition("INVITE sip:door@127.0.0.9")[2].partition("SIP/2.0 200 OK")

        assert visit.outcome == Outcome.TALKED
        assert "m=video 40000" in client.conversation()
        assert "m=video" in to_door[0]
        assert "m=video 0" in to_door[2].partition("ACK sip:")[0]
    interop_table.add(PART, "video is declined, the voice goes on", pbx.asterisk.version, interop_table.peer("sipp"))
