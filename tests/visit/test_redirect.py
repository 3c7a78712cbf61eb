"""Redirect servers: a call that is sent on rings there, the best address first, and nobody can send it anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import interop_table
import pytest

from lab.baresip import Phone
from lab.buttons import Buttons, account
from lab.house import PHONE_IP, Door, House
from lab.kamailio import Kamailio

IP = "127.0.0.23"
ELSEWHERE = {
    "moved": [f"<sip:201@{IP}>"],
    "choice": [f"<sip:201@{IP}>;q=0.1", f"<sip:busy@{IP}>;q=0.9"],
    "phone": [f"<sip:201@{PHONE_IP}:5060>"],
    "loop": [f"<sip:circle@{IP}>"],
    "circle": [f"<sip:loop@{IP}>"],
    "itself": [f"<sip:door@{IP}>"],
    "chain1": [f"<sip:chain2@{IP}>"],
    "chain2": [f"<sip:201@{IP}:5060;transport=udp>"],
    "police": [f"<sip:112@{IP}>"],
    "abroad": ["<sip:+8821234567@198.51.100.7>"],
    "secret": [f"<sips:201@{IP}>"],
    "web": ["<http://127.0.0.44/>"],
}
"""Whom the server names instead."""


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[Kamailio]:
    """A redirect server that is a registrar as well."""
    server = Kamailio(house.folder, IP, {"door": "secret", "yard": "secret", "201": "p201"}, redirects=ELSEWHERE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def phone(house: House, server: Kamailio) -> Iterator[Phone]:
    """Extension 201 of that server."""
    phone = Phone("201", house.folder, server, "p201")
    phone.wait_registered()
    yield phone
    phone.stop()


@pytest.fixture(scope="module")
def buttons() -> Buttons:
    """A button for each of them."""
    return Buttons({name: name for name in ELSEWHERE}, edit=account('redirects = ["own", "112", "20?"]'))


@pytest.fixture(scope="module")
def door(house: House, server: Kamailio, buttons: Buttons) -> Iterator[Door]:
    """A door that follows what its own server says of its own users."""
    with house.door(registrar=IP, edit=buttons) as door:
        yield door


@pytest.mark.parametrize("name", ["moved", "choice", "chain1"])
def test_a_call_that_is_sent_on_rings_there(door: Door, phone: Phone, buttons: Buttons, name: str) -> None:
    """302 is followed; of a 300 the best address first, and the next one when it is busy; and so is a chain of them."""
    since = phone.mark()
    buttons.press(door, name)
    phone.await_event("CALL_INCOMING", since=since)
    phone.answer()
    door.await_record("call-answered", target="201", visit=door.current_visit())
    phone.hang_up()
    visit = door.await_visit(button=name)
    told = [str(record["INTERCOM_CONTACT"]) for record in door.records("call-redirected", visit=visit.id)]

    assert visit.outcome == "talked"
    assert {
        "moved": [f"sip:201@{IP}"],
        "choice": [f"sip:busy@{IP}", f"sip:201@{IP}"],
        "chain1": [f"sip:chain2@{IP}", f"sip:201@{IP}"],
    }[name] == [contact.partition(";")[0].removesuffix(":5060") for contact in told]
    what = {"moved": "302 followed", "choice": "300 followed, by q", "chain1": "a chain of 302 followed"}[name]
    interop_table.add("redirect", what, interop_table.peer("kamailio"), interop_table.peer("baresip"))


REFUSED = {
    "loop": "called already: a loop",
    "itself": "that is the door itself",
    "police": "it looks like an emergency number",
    "abroad": "it leads to another host",
    "phone": "it leads to another host",
    "secret": "it asks for TLS, which the account does not use",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_a_redirection_that_is_not_wanted_calls_nobody(door: Door, buttons: Buttons, name: str, reason: str) -> None:
    """It is told who wanted whom called and why not, and the visitor hears that nobody can be reached."""
    visit = buttons.visit(door, name)
    refused = door.await_record("redirect-refused", visit=visit.id)

    assert refused["INTERCOM_REASON"] == reason
    assert visit.outcome == "unreachable"
    assert len(door.records("call-placed", visit=visit.id)) == (2 if name == "loop" else 1)
    what = {"loop": "loops", "itself": "loops", "secret": "forbidden schemes"}.get(name, "foreign hosts and numbers")
    interop_table.add("redirect", f"{what} refused", interop_table.peer("kamailio"))


def test_an_address_that_is_no_telephone_calls_nobody(door: Door, buttons: Buttons) -> None:
    """PJSIP passes http: and the like over by itself: the visit ends, and that is told."""
    visit = buttons.visit(door, "web")

    assert visit.outcome == "unreachable"
    assert door.await_record("call-ended", visit=visit.id)["INTERCOM_CODE"] == "302"


def test_the_phones_themselves_may_be_named_where_the_configuration_says_so(
    house: House, server: Kamailio, phone: Phone
) -> None:
    """A pure redirect server answers with the phone's own address: a network of one's own can be allowed."""
    edit = account('redirects = ["127.0.0.30/31"]')
    buttons = Buttons({"phone": "phone", "moved": "moved"}, edit=lambda text: edit(text).replace('"door"', '"yard"'))
    with house.door(registrar=IP, edit=buttons) as door:
        since = phone.mark()
        buttons.press(door, "phone")
        phone.await_event("CALL_INCOMING", since=since)
        phone.reject()

        assert door.await_visit(button="phone").outcome == "busy"
        assert buttons.visit(door, "moved").outcome == "unreachable"
        told = door.await_record("redirect-refused")
        assert told["INTERCOM_REASON"] == "the account follows no redirection there"
    peers = interop_table.peer("kamailio"), interop_table.peer("baresip")
    interop_table.add("redirect", "302 to the phone's own address, where allowed", *peers)
