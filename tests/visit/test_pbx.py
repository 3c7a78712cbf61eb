"""The door as an extension of a real PBX (Asterisk): whom it reaches there, and who is heard."""

import time
from collections.abc import Iterator

import interop_table
import pytest

from intercom.core.transitions import Outcome
from lab.asterisk import MUSIC_HZ, PBX_IP
from lab.baresip import Phone
from lab.buttons import Buttons, account
from lab.house import VISITOR_HZ, Door, stopping
from lab.pbx import EXTENSIONS, Pbx, Ring
from lab.sipp import Sipp
from lab.tones import find_tone, read_wav, speech_tone

PART = "hosted PBX"
PHONES = interop_table.peer("baresip")
TALKED = Outcome.TALKED
BUTTONS = Buttons(
    {
        "phone": "201",
        "group": "300",
        "queue": "310",
        "odd": "204",
        "mail": "6201",
        "careful": '6201", "202',
        "office": "office",
        "keys": "keys",
        "away": "611",
        "moved": "612",
    },
    more={"careful": "confirm = true"},
    edit=lambda text: (
        account('redirects = ["203"]')(text)
        + '[contacts.office]\ncall = "400"\nthen = "w201"\n[contacts.keys]\ncall = "602"\nthen = "w11*90w2"\n'
    ),
)


@pytest.fixture(scope="module")
def door(pbx_of_the_session: Pbx) -> Iterator[Door]:
    """One door for all, with a button for each number that is called."""
    with pbx_of_the_session.door(edit=BUTTONS) as door:
        yield door


def works(pbx: Pbx, case: str, *peers: str) -> None:
    """Note what was seen."""
    interop_table.add(PART, case, pbx.asterisk.version, PHONES, *peers)


def visitor_speaks(pbx: Pbx) -> None:
    """Somebody stands at the door."""
    pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)


def pick_up(phone: Phone, since: float, seconds: float = 15) -> None:
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


def test_an_extension_rings_and_both_hear_each_other(pbx: Pbx, door: Door) -> None:
    """The plain case: 201 at the door's own PBX."""
    phone = pbx.phone("201")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    pick_up(phone, ring.at)

    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    assert "invalid number of samples" not in (pbx.asterisk.folder / "log/full").read_text(errors="replace")
    works(pbx, "extension dialling")


def test_a_ring_group_rings_all_and_the_first_one_talks(pbx: Pbx, door: Door) -> None:
    """One call of the door, and every phone of the house rings; the others stop when one answers."""
    phones = [pbx.phone(number) for number in EXTENSIONS]
    visitor_speaks(pbx)
    ring = Ring(door, "group")
    for phone in phones:
        phone.await_event("CALL_INCOMING", since=ring.at)
    pick_up(phones[1], ring.at)
    for phone in (phones[0], phones[2]):
        phone.await_event("CALL_CLOSED", since=ring.at)

    assert both_hear(pbx, phones[1])
    assert ring.outcome() == TALKED
    works(pbx, "ring group")


def test_a_queue_plays_its_music_until_somebody_is_free(pbx: Pbx, door: Door) -> None:
    """The queue itself answers, so the visitor hears its music first, and then a voice."""
    phone, other = pbx.phone("202"), pbx.phone("201")
    visitor_speaks(pbx)
    ring = Ring(door, "queue")
    phone.await_event("CALL_INCOMING", since=ring.at)
    ring.record("call-answered")
    music = pbx.heard_at_the_door(MUSIC_HZ, 1.5)
    phone.answer()
    other.await_event("CALL_CLOSED", since=ring.at)

    assert music
    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    works(pbx, "queue")


def test_a_phone_that_the_pbx_forwards_is_reached_where_it_is(pbx: Pbx, door: Door) -> None:
    """The forwarding is the PBX's; the door calls 201 as ever."""
    away, phone = pbx.phone("201"), pbx.phone("202")
    pbx.key(away, "*72202")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    pick_up(phone, ring.at)

    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    works(pbx, "call forwarding by the PBX")


def test_a_phone_that_forwards_by_302_is_followed_by_the_pbx(pbx: Pbx, door: Door) -> None:
    """A desk phone's own forwarding answers 302; the PBX goes there, and the door sees one call."""
    phone = pbx.phone("202")
    moved = Sipp("uas_redirect", pbx.folder, port=5090, user="204", TARGET=f"sip:202@{PBX_IP}")
    with stopping(moved):
        visitor_speaks(pbx)
        ring = Ring(door, "odd")
        pick_up(phone, ring.at)

        assert both_hear(pbx, phone)
        assert ring.outcome() == TALKED
        assert len(ring.records("call-placed")) == 1
    works(pbx, "call forwarding by the phone (302)", interop_table.peer("sipp"))


def test_a_302_of_the_pbx_is_followed_by_the_door(pbx: Pbx, door: Door) -> None:
    """The PBX sends the door on, before it has answered, to one of its own extensions."""
    phone = pbx.phone("203")
    visitor_speaks(pbx)
    ring = Ring(door, "moved")
    pick_up(phone, ring.at)

    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    assert f"sip:203@{PBX_IP}" in str(ring.record("call-redirected")["INTERCOM_CONTACT"])
    interop_table.add("redirect", "302 of a PBX followed", pbx.asterisk.version, PHONES)


def test_a_caller_whom_a_phone_forwards_to_the_door_is_told_with_it(pbx: Pbx, door: Door) -> None:
    """201 calls 204, who has his calls go to the door: the PBX says so (Diversion)."""
    phone = pbx.phone("201")
    moved = Sipp("uas_redirect", pbx.folder, port=5090, user="204", TARGET=f"sip:door@{PBX_IP}")
    with stopping(moved):
        phone.call("204")
        arrived = door.await_record("call-arrived", caller="201")
        door.await_record("call-answered", leg=str(arrived["INTERCOM_LEG"]))
        phone.hang_up()

        assert arrived["INTERCOM_SHOWN"] == "Kitchen (201), sent on by Odd (204)"
    interop_table.add("headers", "Diversion of a PBX shown", pbx.asterisk.version, PHONES, interop_table.peer("sipp"))


def test_a_voicemail_does_not_swallow_a_visit(pbx: Pbx, door: Door) -> None:
    """It answers and keys nothing: the other phone of the stage rings on, and a person there takes the visit."""
    phone, silent = pbx.phone("202"), pbx.phone("201")
    visitor_speaks(pbx)
    ring = Ring(door, "careful")
    silent.await_event("CALL_INCOMING", since=ring.at)
    ring.record("call-unconfirmed", target="6201")
    unheard = not ring.records("call-answered")
    pick_up(phone, ring.at)
    ring.record("call-unconfirmed", target="202")
    phone.press_key("1")
    answered = ring.record("call-answered")

    assert unheard
    assert answered["INTERCOM_TARGET"] == "202"
    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    assert pbx.asterisk.messages("201") == []
    works(pbx, "voicemail detected by answer confirmation")


def test_a_visitor_can_leave_a_message_where_that_is_wanted(pbx: Pbx, door: Door) -> None:
    """Without `confirm` a voicemail is an answer like any other: the visitor speaks, and a lamp tells of it."""
    phone = pbx.phone("201")
    visitor_speaks(pbx)
    ring = Ring(door, "mail")
    phone.await_event("CALL_INCOMING", since=ring.at)
    ring.record("call-answered")
    time.sleep(3)  # what a visitor has to say
    pbx.asterisk.command("channel request hangup all")
    lamp = pbx.desk.await_lamp("Messages-Waiting: yes", 10, since=ring.at)

    assert "Voice-Message: 1/0" in lamp.body
    assert ring.outcome() == TALKED
    assert [message.heard for message in pbx.asterisk.messages("201", VISITOR_HZ)] == [True]
    works(pbx, "voicemail takes a message")
    interop_table.add("unified communications", "message lamp (MWI) after a visitor's message", pbx.asterisk.version)


def test_do_not_disturb_is_told_as_busy(pbx: Pbx, door: Door) -> None:
    """The PBX says 486 for a phone that wants no calls, and the visitor hears that somebody is busy."""
    pbx.key(pbx.phone("201"), "*78")
    ring = Ring(door, "phone")

    assert ring.outcome() == Outcome.BUSY
    works(pbx, "do not disturb")


def test_a_colleague_picks_the_call_up(pbx: Pbx, door: Door) -> None:
    """201 rings, 202 dials *8 and talks; the door notices nothing of it."""
    rings, phone = pbx.phone("201"), pbx.phone("202")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    rings.await_event("CALL_INCOMING", since=ring.at)
    phone.call("*8")
    ring.record("call-answered")
    rings.await_event("CALL_CLOSED", since=ring.at)

    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    works(pbx, "call pick-up")


def test_a_blind_transfer_takes_the_visitor_along(pbx: Pbx, door: Door) -> None:
    """The phone's REFER goes to the PBX, which joins the door with the other phone: the same call, another voice."""
    first, second = pbx.phone("201"), pbx.phone("202")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    pick_up(first, ring.at)
    ring.record("call-answered")
    first.command("transfer", f"sip:202@{PBX_IP}")
    pick_up(second, ring.at)
    first.await_event("CALL_CLOSED", since=ring.at)

    assert both_hear(pbx, second)
    assert ring.outcome() == TALKED
    assert len(ring.records("call-placed")) == 1
    works(pbx, "blind transfer by the phone")


def test_an_attended_transfer_takes_the_visitor_along(pbx: Pbx, door: Door) -> None:
    """The phone asks the other one first (the PBX's *2), while the visitor hears music; then it hangs up."""
    first, second = pbx.phone("201"), pbx.phone("202")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    pick_up(first, ring.at)
    ring.record("call-answered")
    first.press_key("*2")
    time.sleep(1.5)  # the PBX says "transfer", and listens
    first.press_key("202")
    pick_up(second, ring.at, 10)
    music = pbx.heard_at_the_door(MUSIC_HZ, 1.5)
    first.hang_up()
    pbx.asterisk.await_event("AttendedTransfer", since=ring.at)
    time.sleep(0.5)  # what was on its way of the music

    assert music
    assert both_hear(pbx, second)
    assert ring.outcome() == TALKED
    assert len(ring.records("call-placed")) == 1
    works(pbx, "attended transfer by the phone")


def test_an_attendant_is_told_the_extension(pbx: Pbx, door: Door) -> None:
    """A machine answers and asks; the door keys what the contact says, and a person rings."""
    phone = pbx.phone("201")
    visitor_speaks(pbx)
    ring = Ring(door, "office")
    pick_up(phone, ring.at, 10)

    assert both_hear(pbx, phone)
    assert ring.outcome() == TALKED
    assert "w201" not in repr(door.records())
    works(pbx, "auto-attendant (keys after the answer)")


def test_keys_after_the_answer_arrive_as_they_were_written(pbx: Pbx, door: Door) -> None:
    """None twice, none lost, in their order."""
    ring = Ring(door, "keys")
    got = pbx.asterisk.await_event("UserEvent", 12, since=ring.at)

    assert got.fields["Keys"] == "11*902"
    assert ring.outcome() == TALKED


def test_a_transfer_never_makes_the_door_dial(pbx: Pbx, door: Door) -> None:
    """A REFER to the door itself would have it call whom the far end names, at the house's cost: it is declined."""
    ring = Ring(door, "away")
    refused = pbx.asterisk.await_event(
        "VarSet", 10, since=ring.at, where=lambda fields: fields["Variable"] == "TRANSFERSTATUS"
    )
    still = pbx.asterisk.channels()
    pbx.asterisk.command("channel request hangup all")

    assert refused.fields["Value"] == "FAILURE"
    assert still == 1
    assert ring.outcome() == TALKED
    assert len(ring.records("call-placed")) == 1
    works(pbx, "REFER to the door is declined")


def test_a_parked_visitor_is_fetched_by_another_phone(pbx: Pbx, door: Door) -> None:
    """Music at the door meanwhile, and whoever dials the place talks."""
    first, second = pbx.phone("201"), pbx.phone("202")
    visitor_speaks(pbx)
    ring = Ring(door, "phone")
    pick_up(first, ring.at)
    ring.record("call-answered")
    first.command("transfer", f"sip:700@{PBX_IP}")
    parked = pbx.asterisk.await_event("ParkedCall", 10, since=ring.at)
    music = pbx.heard_at_the_door(MUSIC_HZ, 2)
    second.call(parked.fields["ParkingSpace"])
    second.await_event("CALL_ESTABLISHED", since=ring.at)

    assert music
    assert both_hear(pbx, second)
    assert ring.outcome() == TALKED
    works(pbx, "park and fetch")
