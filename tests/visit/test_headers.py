"""What phones and servers are told of a call beside its address, and what the door tells of a caller."""

from __future__ import annotations

import re
import subprocess
import sys

import interop_table
import pytest

from lab import script
from lab.baresip import Phone
from lab.buttons import Buttons, account
from lab.house import REGISTRAR_IP, House, stopping
from lab.sipp import Sipp

KAMAILIO, SIPP = interop_table.peer("kamailio"), interop_table.peer("sipp")
RING = "<http://127.0.0.1/Bellcore-dr4>;info=door"
RINGING = script.phone(
    script.receive("INVITE"),
    script.answer(180),
    script.receive("CANCEL"),
    script.answer(200),
    script.answer(487, of="INVITE"),
    script.receive("ACK"),
)
BUSY = script.phone(script.receive("INVITE"), script.answer(486), script.receive("ACK"))


def works(case: str, *peers: str) -> None:
    """Note what was seen."""
    interop_table.add("headers", case, *peers)


def header(conversation: str, method: str, name: str) -> str:
    """Return a header of the last request of a method in a conversation of sipp's."""
    request = re.findall(rf"(?ms)^{method} sip:.*?^\r?$", conversation)[-1]
    found = re.search(rf"(?im)^{name}: *(.*?)\r?$", request)
    return found[1] if found else ""


def test_phones_see_which_button_was_pressed_and_hear_it(house: House, phone: Phone) -> None:
    """Name, subject and ring of the button; who calls, for the server; and to the losers, that somebody answered."""
    lines = {"yard": f'name = "Yard door"\nring = "{RING}"', "plain": ""}
    buttons = Buttons({"yard": '201", "script', "plain": "script"}, lines, account('identity = "preferred"'))
    with house.door(edit=buttons) as door:
        with stopping(house.odd_phone("script", "uas_loser", script=RINGING)) as other:
            buttons.press(door, "yard")
            phone.await_event("CALL_INCOMING")
            door.await_record("call-ringing", target="script")
            phone.answer()
            other.require(10)
            phone.hang_up()
            told = other.conversation()
        door.await_visit(button="yard")
        with stopping(house.odd_phone("script", "uas_busy", script=BUSY)) as other:
            buttons.visit(door, "plain")
            other.require(5)
            plain = other.conversation()

    shown = f'"Yard door" <sip:door@{REGISTRAR_IP}>'
    assert header(told, "INVITE", "From").startswith(shown)
    assert header(told, "INVITE", "Subject") == "Yard door"
    assert header(told, "INVITE", "Alert-Info") == RING
    assert header(told, "INVITE", "P-Preferred-Identity") == shown
    assert header(told, "INVITE", "User-Agent").startswith("intercom/")
    assert "Call completed elsewhere" in header(told, "CANCEL", "Reason")
    assert header(plain, "INVITE", "From").startswith(f'"Front door" <sip:door@{REGISTRAR_IP}>')
    assert header(plain, "INVITE", "Alert-Info") == ""
    for case in ("name of the button in From, Subject", "Alert-Info", "P-Preferred-Identity", "User-Agent"):
        works(case, KAMAILIO, SIPP)
    works("Reason: call completed elsewhere", KAMAILIO, SIPP, interop_table.peer("baresip"))


def test_a_trunk_gets_the_asserted_identity(house: House) -> None:
    """Some go by that header alone."""
    with (
        stopping(house.odd_phone("script", "uas_busy", script=BUSY)) as phone,
        house.door(target="script", edit=account('identity = "asserted"')) as door,
    ):
        door.press()
        door.await_visit()
        phone.require(5)

        asserted = header(phone.conversation(), "INVITE", "P-Asserted-Identity")
        assert asserted == f'"Front door" <sip:door@{REGISTRAR_IP}>'
    works("P-Asserted-Identity", KAMAILIO, SIPP)


WAYS = {
    "Diversion": f'Diversion: "Hall" <sip:300@{REGISTRAR_IP}>;reason=no-answer',
    "History-Info": f'History-Info: "Hall" <sip:300@{REGISTRAR_IP}>;index=1,<sip:door@{REGISTRAR_IP}>;index=1.1',
}


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_is_shown_by_name_with_the_way_that_the_call_came(house: House, way: str) -> None:
    """In the journal and in `intercom visits`: whom the server vouches for, and who sent the call on.

    Whom the header asserts has to be allowed as well: this one was put there by the phone, and the proxy left it.
    """
    asserted = f'P-Asserted-Identity: "Reception" <sip:200@{REGISTRAR_IP}>'
    calls = script.caller(
        script.expect(200),
        script.ask("ACK"),
        script.wait(0.5),
        script.ask("BYE"),
        script.expect(200),
        password="p201",
        sdp=script.audio(),
        headers=[asserted, WAYS[way]],
    )
    both = lambda text: text.replace('callers = ["201"]', 'callers = ["201", "200"]')  # noqa: E731
    with house.door(edit=both) as door:
        with stopping(
            Sipp("uac_named", house.folder, "127.0.0.45", to=REGISTRAR_IP, user="door", script=calls)
        ) as phone:
            arrived = door.await_record("call-arrived")
            visit = door.await_visit()
            phone.require(5)
        argv = [sys.executable, "-m", "intercom", "visits", "--socket", door.socket]
        listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert arrived["INTERCOM_CALLER"] == "201", "what decides is what the server checked"
    assert arrived["INTERCOM_SHOWN"] == "Reception (200), sent on by Hall (300)"
    assert visit.outcome == "talked"
    assert "Reception (200), sent on by Hall (300)" in listed
    works("a caller's asserted identity shown in `intercom visits`", KAMAILIO, SIPP)
    works(f"{way} shown", KAMAILIO, SIPP)
