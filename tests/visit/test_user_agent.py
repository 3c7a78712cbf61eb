"""User agents: what phones do within a call, and when both sides do something at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import interop_table
import pytest

from lab import script
from lab.baresip import Phone
from lab.buttons import Buttons
from lab.house import REGISTRAR_IP, Door, House, stopping
from lab.kamailio import Kamailio
from lab.script import answer, ask, expect, receive, wait
from lab.sipp import Sipp

KAMAILIO, SIPP, BARESIP = map(interop_table.peer, ("kamailio", "sipp", "baresip"))
AUDIO = script.audio()
HELD = script.audio(more=["a=sendonly"])
ANSWERED = (receive("INVITE"), answer(180), answer(200, sdp=AUDIO), receive("ACK"))
HUNG_UP = (wait(0.2), ask("BYE"), expect(200))


def works(case: str, *peers: str) -> None:
    """Note what was seen."""
    interop_table.add("user agent", case, *(peers or (KAMAILIO, SIPP)))


@pytest.fixture(scope="module")
def door(house: House) -> Iterator[Door]:
    """A door that rings a phone out of a script for three seconds, and talks for two."""
    with house.door(
        target="script", ring_s=3, talk_s=2, warn_s=1, codecs=("pcma",), edit=Buttons({"a": "201"})
    ) as door:
        yield door


def play(house: House, door: Door, *steps: script.Step) -> tuple[str, str]:
    """Have the door call a phone that does this; return the outcome, and all that was said."""
    with stopping(house.odd_phone("script", "uas_script", script=script.phone(*steps))) as phone:
        door.press()
        door.await_record("press-accepted")
        visit = door.await_visit(20, visit=door.current_visit())
        phone.require(10)
        return visit.outcome, phone.conversation()


def last_sdp(conversation: str) -> str:
    """Return the last session description of the door's in a conversation of sipp's."""
    return re.findall(r"(?ms)message received.*?^v=0\r?\n(.*?)(?:^-----|\Z)", conversation)[-1]


WITHIN_A_CALL = {
    "re-INVITE": (ask("INVITE", sdp=AUDIO), expect(200), ask("ACK")),
    "UPDATE": (ask("UPDATE", sdp=AUDIO), expect(200)),
    "re-INVITE without an offer": (ask("INVITE"), expect(200), ask("ACK", sdp=AUDIO)),
    "hold and resume": (
        *(ask("INVITE", sdp=HELD), expect(200), ask("ACK"), wait(0.3)),
        *(ask("INVITE", sdp=AUDIO), expect(200), ask("ACK")),
    ),
    "session timer: the phone refreshes": (
        ask("UPDATE", "Supported: timer", "Session-Expires: 90;refresher=uac"),
        expect(200),
    ),
    "OPTIONS within the call": (ask("OPTIONS"), expect(200)),
}


@pytest.mark.parametrize("case", WITHIN_A_CALL)
def test_what_phones_do_within_a_call_is_answered(house: House, door: Door, case: str) -> None:
    """The call goes on, and ends when the phone hangs up."""
    outcome, said = play(house, door, *ANSWERED, wait(0.3), *WITHIN_A_CALL[case], *HUNG_UP)

    assert outcome == "talked"
    if case.startswith("hold"):
        assert "a=recvonly" in said
        assert "a=sendrecv" in last_sdp(said)
    if "without" in case:
        assert "m=audio" in last_sdp(said)
    if "timer" in case:
        assert "Session-Expires: 90;refresher=uac" in said
    works(case)


def test_a_reliable_183_is_acknowledged(house: House, door: Door) -> None:
    """PRACK (RFC 3262): some providers send their announcements so."""
    early = answer(183, "Require: 100rel", "RSeq: 1", sdp=AUDIO)
    steps = (
        receive("INVITE"),
        early,
        receive("PRACK"),
        answer(200),
        wait(0.3),
        answer(200, of="INVITE"),
        receive("ACK"),
    )
    outcome, said = play(house, door, *steps, *HUNG_UP)

    assert outcome == "talked"
    assert re.search(r"RAck: 1 \d+ INVITE", said)
    works("PRACK")


def test_a_session_timer_that_is_too_short_is_made_longer(house: House, door: Door) -> None:
    """422 with Min-SE (RFC 4028 section 8.1): the door calls again with what the phone wants."""
    refusal = (receive("INVITE"), answer(422, "Min-SE: 2400"), receive("ACK"), receive("INVITE"))
    answered = (answer(200, "Require: timer", "Session-Expires: 2400;refresher=uac", sdp=AUDIO), receive("ACK"))
    outcome, said = play(house, door, *refusal, *answered, *HUNG_UP)

    assert outcome == "talked"
    assert "Session-Expires: 2400" in said
    works("session timer: 422 with Min-SE")


def test_an_answer_that_crosses_the_cancel_is_hung_up(house: House, door: Door) -> None:
    """The phone was picked up in the very moment in which the door gave up: it must not listen to nobody."""
    crossing = (receive("CANCEL"), answer(200), answer(200, sdp=AUDIO, of="INVITE"), receive("ACK"), receive("BYE"))
    outcome, _ = play(house, door, receive("INVITE"), answer(180), *crossing, answer(200))

    assert outcome == "no answer"
    works("CANCEL crossing a 200")


def test_both_may_hang_up_at_once(house: House, door: Door) -> None:
    """A BYE that meets another one is answered, and the visit ends once."""
    outcome, _ = play(house, door, *ANSWERED, receive("BYE", seconds=10), ask("BYE"), expect(200))

    assert outcome == "talked"
    works("BYE crossing a BYE")


def test_a_phone_may_call_without_an_offer(house: House, door: Door) -> None:
    """The door offers in its 200, and the phone answers in the ACK."""
    calls = script.caller(expect(200), ask("ACK", sdp=AUDIO), *HUNG_UP, password="p201")
    with stopping(Sipp("uac_late", house.folder, "127.0.0.45", to=REGISTRAR_IP, user="door", script=calls)) as phone:
        leg = door.await_record("call-arrived")["INTERCOM_LEG"]
        ended = door.await_record("call-ended", leg=str(leg))
        phone.require(5)

        assert ended["INTERCOM_CODE"] == "200"
        assert "m=audio" in last_sdp(phone.conversation())
    works("late offer, incoming")


def test_a_caller_who_gives_up_at_once_has_not_listened(house: House, door: Door, phone: Phone) -> None:
    """A CANCEL before the door has answered: no conversation, and the card is closed."""
    since = time.time()
    phone.call("door")
    arrived = door.await_record("call-arrived", caller="201", source=f"{REGISTRAR_IP}:5060")
    phone.hang_up()
    door.await_record("call-ended", leg=str(door.records("call-arrived")[-1]["INTERCOM_LEG"]))
    house.room.await_ports(open=False, seconds=10)

    late = [record for record in door.records("call-answered") if record["__REALTIME_TIMESTAMP"].timestamp() > since]
    assert arrived
    assert late == []
    works("CANCEL of an incoming call", KAMAILIO, BARESIP)


def test_the_account_s_server_may_ask_whether_the_door_is_there(house: House) -> None:
    """Many services qualify their phones with OPTIONS, and take one that is silent for dead."""
    users = {"door": "secret"}
    with (
        stopping(Kamailio(house.folder, "127.0.0.23", users, ask_phones=True)) as server,
        house.door(registrar="127.0.0.23"),
    ):
        server.running().await_line(r"REPLY 200 cseq=OPTIONS source=127\.0\.0\.9:", 10)
    works("OPTIONS answered to the account's server", KAMAILIO)
