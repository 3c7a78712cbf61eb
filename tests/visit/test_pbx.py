"""The door as an extension of a real PBX (Asterisk): whom it reaches there, and who is heard."""

import time

import interop_table

from intercom.core.state import Outcome
from lab.asterisk import MUSIC_HZ, PBX_IP
from lab.baresip import Phone
from lab.house import VISITOR_HZ, stopping
from lab.pbx import EXTENSIONS, Pbx
from lab.sipp import Sipp
from lab.tones import find_tone, read_wav, speech_tone

PART = "hosted PBX"
PHONES = interop_table.peer("baresip")
TALKED = Outcome.TALKED


def works(pbx: Pbx, case: str, *peers: str) -> None:
    """Note what was seen."""
    interop_table.add(PART, case, pbx.asterisk.version, PHONES, *peers)


def visitor_speaks(pbx: Pbx) -> None:
    """Somebody stands at the door."""
    pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)


def pick_up(phone: Phone, since: float, seconds: float = 5) -> None:
    """Have a phone ring for as long as a hand needs, and answer it."""
    phone.await_event("CALL_INCOMING", seconds, since=since)
    time.sleep(0.8)  # a hand on its way
    phone.answer()


def both_hear(pbx: Pbx, phone: Phone) -> bool:
    """Have the visitor and a phone talk for a moment, and hang the phone up; return whether both were heard."""
    here = pbx.heard_at_the_door(EXTENSIONS[phone.number], 1.6)
    phone.hang_up()
    samples, rate = read_wav(phone.recordings()[-1])
    there = find_tone(samples[-round(1.2 * rate) :], rate, VISITOR_HZ)
    assert there.heard, there
    return here


def test_an_extension_rings_and_both_hear_each_other(pbx: Pbx) -> None:
    """The plain case: 201 at the door's own PBX."""
    phone = pbx.phone("201")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pick_up(phone, door.press())

        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
    works(pbx, "extension dialling")


def test_a_ring_group_rings_all_and_the_first_one_talks(pbx: Pbx) -> None:
    """One call of the door, and every phone of the house rings; the others stop when one answers."""
    phones = [pbx.phone(number) for number in EXTENSIONS]
    with pbx.door("300") as door:
        visitor_speaks(pbx)
        pressed = door.press()
        for phone in phones:
            phone.await_event("CALL_INCOMING", since=pressed)
        pick_up(phones[1], pressed)
        for phone in (phones[0], phones[2]):
            phone.await_event("CALL_CLOSED", since=pressed)

        assert both_hear(pbx, phones[1])
        assert door.await_visit().outcome == TALKED
    works(pbx, "ring group")


def test_a_queue_plays_its_music_until_somebody_is_free(pbx: Pbx) -> None:
    """The queue itself answers, so the visitor hears its music first, and then a voice."""
    phone, other = pbx.phone("202"), pbx.phone("201")
    with pbx.door("310") as door:
        visitor_speaks(pbx)
        pressed = door.press()
        phone.await_event("CALL_INCOMING", since=pressed)
        door.await_record("call-answered")
        music = pbx.heard_at_the_door(MUSIC_HZ, 1.5)
        phone.answer()
        other.await_event("CALL_CLOSED", since=pressed)

        assert music
        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
    works(pbx, "queue")


def test_a_phone_that_the_pbx_forwards_is_reached_where_it_is(pbx: Pbx) -> None:
    """The forwarding is the PBX's; the door calls 201 as ever."""
    away, phone = pbx.phone("201"), pbx.phone("202")
    pbx.key(away, "*72202")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pick_up(phone, door.press())

        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
    works(pbx, "call forwarding by the PBX")


def test_a_phone_that_forwards_by_302_is_followed_by_the_pbx(pbx: Pbx) -> None:
    """A desk phone's own forwarding answers 302; the PBX goes there, and the door sees one call."""
    phone = pbx.phone("202")
    moved = Sipp("uas_redirect", pbx.folder, port=5090, user="204", TARGET=f"sip:202@{PBX_IP}")
    with stopping(moved), pbx.door("204") as door:
        visitor_speaks(pbx)
        pick_up(phone, door.press())

        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
        assert len(door.records("call-placed")) == 1
    works(pbx, "call forwarding by the phone (302)", interop_table.peer("sipp"))


def test_a_voicemail_does_not_swallow_a_visit(pbx: Pbx) -> None:
    """It answers and keys nothing: the other phone of the stage rings on, and a person there takes the visit."""
    phone, silent = pbx.phone("202"), pbx.phone("201")
    with pbx.door(
        edit=lambda text: text.replace('targets = ["201"]', 'targets = ["6201", "202"]\nconfirm = true')
    ) as door:
        visitor_speaks(pbx)
        pressed = door.press()
        silent.await_event("CALL_INCOMING", since=pressed)
        door.await_record("call-unconfirmed", target="6201")
        unheard = not door.records("call-answered")
        pick_up(phone, pressed)
        door.await_record("call-unconfirmed", target="202")
        phone.press_key("1")
        answered = door.await_record("call-answered")

        assert unheard
        assert answered["INTERCOM_TARGET"] == "202"
        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
        assert pbx.asterisk.messages("201") == []
    works(pbx, "voicemail detected by answer confirmation")


def test_a_visitor_can_leave_a_message_where_that_is_wanted(pbx: Pbx) -> None:
    """Without `confirm` a voicemail is an answer like any other: the visitor speaks, and it is kept."""
    phone = pbx.phone("201")
    with pbx.door("6201", talk_s=4, warn_s=1) as door:
        visitor_speaks(pbx)
        phone.await_event("CALL_INCOMING", since=door.press())
        left = pbx.asterisk.await_event("MessageWaiting", 25, where=lambda fields: fields.get("New") == "1")

        pbx.desk.await_lamp("Messages-Waiting: yes", since=left.at - 1)

        assert left.fields["Mailbox"] == "201@default"
        assert door.await_visit().outcome == TALKED
        assert [message.heard for message in pbx.asterisk.messages("201", VISITOR_HZ)] == [True]
    works(pbx, "voicemail takes a message")
    interop_table.add("unified communications", "message lamp (MWI) after a visitor's message", pbx.asterisk.version)


def test_do_not_disturb_is_told_as_busy(pbx: Pbx) -> None:
    """The PBX says 486 for a phone that wants no calls, and the visitor hears that somebody is busy."""
    pbx.key(pbx.phone("201"), "*78")
    with pbx.door() as door:
        door.press()

        assert door.await_visit().outcome == Outcome.BUSY
    works(pbx, "do not disturb")


def test_a_colleague_picks_the_call_up(pbx: Pbx) -> None:
    """201 rings, 202 dials *8 and talks; the door notices nothing of it."""
    rings, phone = pbx.phone("201"), pbx.phone("202")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pressed = door.press()
        rings.await_event("CALL_INCOMING", since=pressed)
        phone.call("*8")
        door.await_record("call-answered")
        rings.await_event("CALL_CLOSED", since=pressed)

        assert both_hear(pbx, phone)
        assert door.await_visit().outcome == TALKED
    works(pbx, "call pick-up")


def test_a_blind_transfer_takes_the_visitor_along(pbx: Pbx) -> None:
    """The phone's REFER goes to the PBX, which joins the door with the other phone: the same call, another voice."""
    first, second = pbx.phone("201"), pbx.phone("202")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pressed = door.press()
        pick_up(first, pressed)
        door.await_record("call-answered")
        first.command("transfer", f"sip:202@{PBX_IP}")
        pick_up(second, pressed)
        first.await_event("CALL_CLOSED", since=pressed)

        assert both_hear(pbx, second)
        assert door.await_visit().outcome == TALKED
        assert len(door.records("call-placed")) == 1
    works(pbx, "blind transfer by the phone")


def test_an_attended_transfer_takes_the_visitor_along(pbx: Pbx) -> None:
    """The phone asks the other one first (the PBX's *2), while the visitor hears music; then it hangs up."""
    first, second = pbx.phone("201"), pbx.phone("202")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pressed = door.press()
        pick_up(first, pressed)
        door.await_record("call-answered")
        first.press_key("*2")
        time.sleep(1.5)  # the PBX says "transfer", and listens
        first.press_key("202")
        pick_up(second, pressed, 10)
        music = pbx.heard_at_the_door(MUSIC_HZ, 1.5)
        first.hang_up()
        pbx.asterisk.await_event("AttendedTransfer", since=pressed)
        time.sleep(0.5)  # what was on its way of the music

        assert music
        assert both_hear(pbx, second)
        assert door.await_visit().outcome == TALKED
        assert len(door.records("call-placed")) == 1
    works(pbx, "attended transfer by the phone")


def test_an_attendant_is_told_the_extension(pbx: Pbx) -> None:
    """A machine answers and asks; the door keys what the contact says, and a person rings."""
    phone = pbx.phone("201")
    with pbx.door("office", edit=lambda text: text + '[contacts.office]\ncall = "400"\nthen = "w201"\n') as door:
        visitor_speaks(pbx)
        pick_up(phone, door.press(), 10)

        assert both_hear(pbx, phone)
        assert door.await_visit(target="office").outcome == TALKED
        assert "w201" not in repr(door.records())
    works(pbx, "auto-attendant (keys after the answer)")


def test_keys_after_the_answer_arrive_as_they_were_written(pbx: Pbx) -> None:
    """None twice, none lost, in their order."""
    with pbx.door("bank", edit=lambda text: text + '[contacts.bank]\ncall = "602"\nthen = "w11*90w2"\n') as door:
        pressed = door.press()
        got = pbx.asterisk.await_event("UserEvent", 12, since=pressed)

        assert got.fields["Keys"] == "11*902"
        assert door.await_visit().outcome == TALKED


def test_a_transfer_never_makes_the_door_dial(pbx: Pbx) -> None:
    """A REFER to the door itself would have it call whom the far end names, at the house's cost: it is declined."""
    with pbx.door("611") as door:
        pressed = door.press()
        refused = pbx.asterisk.await_event(
            "VarSet", 10, since=pressed, where=lambda fields: fields["Variable"] == "TRANSFERSTATUS"
        )
        still = pbx.asterisk.channels()
        pbx.asterisk.command("channel request hangup all")

        assert refused.fields["Value"] == "FAILURE"
        assert still == 1
        assert door.await_visit().outcome == TALKED
        assert len(door.records("call-placed")) == 1
    works(pbx, "REFER to the door is declined")


def test_a_parked_visitor_is_fetched_by_another_phone(pbx: Pbx) -> None:
    """Music at the door meanwhile, and whoever dials the place talks."""
    first, second = pbx.phone("201"), pbx.phone("202")
    with pbx.door() as door:
        visitor_speaks(pbx)
        pressed = door.press()
        pick_up(first, pressed)
        door.await_record("call-answered")
        first.command("transfer", f"sip:700@{PBX_IP}")
        parked = pbx.asterisk.await_event("ParkedCall", 10, since=pressed)
        music = pbx.heard_at_the_door(MUSIC_HZ, 2)
        second.call(parked.fields["ParkingSpace"])
        second.await_event("CALL_ESTABLISHED", since=pressed)

        assert music
        assert both_hear(pbx, second)
        assert door.await_visit().outcome == TALKED
    works(pbx, "park and fetch")
