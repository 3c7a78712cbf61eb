"""Addresses: every way of writing one reaches the server as it should, star codes and all, also over IPv6."""

from __future__ import annotations

from collections.abc import Iterator

import interop_table
import pytest

from lab import script
from lab.baresip import Phone
from lab.buttons import Buttons
from lab.house import DOOR_IP, REGISTRAR_IP, Door, House, stopping
from lab.kamailio import Kamailio
from lab.sipp import Sipp

KAMAILIO = interop_table.peer("kamailio")
RINGS = {
    "plain": "201",
    "athost": f"201@{REGISTRAR_IP}",
    "uri": f"sip:201@{REGISTRAR_IP}:5060;transport=udp",
    "phone": f"sip:201@{REGISTRAR_IP};user=phone",
    "encoded": f"sip:%32%30%31@{REGISTRAR_IP}",
}
"""Ways to write the extension that is there."""
CALLED = {
    "star": ("**621", f"sip:**621@{REGISTRAR_IP}"),
    "hash": ("*21*201#", f"sip:*21*201%23@{REGISTRAR_IP}"),
    "number": ("+49301234567", f"sip:+49301234567@{REGISTRAR_IP}"),
    "tel": ("tel:+49-30-123.4567", f"sip:+49301234567@{REGISTRAR_IP};user=phone"),
    "plan": ("tel:201;phone-context=+49.30", f"sip:201;phone-context=+49.30@{REGISTRAR_IP};user=phone"),
}
"""What is written, and what the server is asked for."""
CASES = {
    "plain": "`201`",
    "athost": "`201@pbx`",
    "uri": "`sip:` with port and transport",
    "phone": "`user=phone`",
    "encoded": "percent-encoding",
    "star": "star codes unchanged (`**621`)",
    "hash": "`#` sent as `%23`",
    "number": "E.164 (`+49...`)",
    "tel": "`tel:` with separators",
    "plan": "`tel:` with the context of a dial plan",
}


@pytest.fixture(scope="module")
def buttons() -> Buttons:
    """A button for each of them."""
    return Buttons(RINGS | {name: target for name, (target, _) in CALLED.items()})


@pytest.fixture(scope="module")
def door(house: House, buttons: Buttons) -> Iterator[Door]:
    """One start of the daemon for all of them."""
    with house.door(edit=buttons) as door:
        yield door


@pytest.mark.parametrize("name", RINGS)
def test_every_way_to_write_an_extension_rings_it(door: Door, phone: Phone, buttons: Buttons, name: str) -> None:
    """People write an address as their telephone's manual does."""
    buttons.press(door, name)
    phone.await_event("CALL_INCOMING")
    phone.reject()

    assert door.await_visit(button=name).outcome == "busy"
    interop_table.add("URI", CASES[name], KAMAILIO, interop_table.peer("baresip"))


@pytest.mark.parametrize("name", CALLED)
def test_numbers_and_codes_reach_the_server_as_they_were_meant(
    house: House, door: Door, buttons: Buttons, name: str
) -> None:
    """A star code that loses its stars calls somebody else."""
    seen = house.registrar.mark()
    visit = buttons.visit(door, name)
    asked = house.registrar.await_request("INVITE", "door", after=seen)

    assert f"uri={CALLED[name][1]} " in asked
    # Kamailio leaves the dial plan aside, finds 201, and that one has no telephone.
    assert visit.outcome == ("unreachable" if name == "plan" else "not found")
    interop_table.add("URI", CASES[name], KAMAILIO)


def test_a_house_with_nothing_but_ipv6_is_called(house: House) -> None:
    """The server at [::1], the door at ::1, and a telephone there: requests, answers and sound."""
    users, six = {"door": "secret"}, {"six": "sip:six@[::1]:5090"}
    scenario = script.phone(
        script.receive("INVITE"),
        script.answer(180),
        script.answer(200, sdp=script.audio(ip="::1", port=34000)),
        script.receive("ACK"),
        script.wait(0.5),
        script.ask("BYE"),
        script.expect(200),
    )

    def edit(text: str) -> str:
        return text.replace(f'server = "{REGISTRAR_IP}"', 'server = "[::1]"').replace(f'"{DOOR_IP}"', '"::1"')

    with (
        stopping(Kamailio(house.folder, "::1", users, static=six)),
        stopping(Sipp("uas_six", house.folder, "::1", 5090, user="six", script=scenario)) as phone,
        house.door(target="six", edit=edit) as door,
    ):
        door.press()
        visit = door.await_visit()
        phone.require(5)

        assert visit.outcome == "talked"
        assert "c=IN IP6 ::1" in phone.conversation()
    interop_table.add("URI", "IPv6 (`[::1]`), with sound", KAMAILIO, interop_table.peer("sipp"))
