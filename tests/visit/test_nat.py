"""Addresses behind NAT: sound finds its way by ICE, through a TURN server, or to where it comes from."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import interop_table
import pytest

from lab import script
from lab.baresip import Phone
from lab.buttons import account
from lab.coturn import Coturn
from lab.house import DOOR_IP, PHONE_HZ, REGISTRAR_IP, SIPP_IP, VISITOR_HZ, Door, House, heard_by, stopping
from lab.kamailio import Kamailio
from lab.rtp import Rtp
from lab.tones import find_tone, speech_tone

KAMAILIO, SIPP, BARESIP = map(interop_table.peer, ("kamailio", "sipp", "baresip"))
NOWHERE = "203.0.113.9"
"""An address that nobody here has (RFC 5737), as a phone behind NAT gives one."""


HERE, SERVER, PHONE, TURN = "10.9.0.1", "10.9.0.20", "10.9.0.31", "10.9.0.60"
"""Addresses of a network; nobody offers one of 127/8 to the world."""


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[Kamailio]:
    """A SIP service in a network of its own, whose phone is another machine."""
    for words in (
        "netns add phone",
        "link add near type veth peer name far netns phone",
        *(f"addr add {address}/24 dev near" for address in (HERE, SERVER, TURN)),
        # Without IPv6: its own addresses take a second to be usable, and a phone offers them meanwhile.
        "link set near addrgenmode none",
        "-n phone link set far addrgenmode none",
        "link set near up",
        f"-n phone addr add {PHONE}/24 dev far",
        "-n phone link set lo up",
        "-n phone link set far up",
        f"route add default dev near src {HERE}",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    server = Kamailio(house.folder, SERVER, {"door": "secret", "201": "p201"})
    yield server
    server.stop()
    subprocess.run(["ip", "link", "del", "near"], check=True)
    subprocess.run(["ip", "netns", "del", "phone"], check=True)


def there(*lines: str) -> Callable[[str], str]:
    """Return an edit that moves the door into that network, with lines of its account."""
    edit = account(*lines)
    return lambda text: edit(text).replace(f'"{REGISTRAR_IP}"', f'"{SERVER}"').replace(f'"{DOOR_IP}"', f'"{HERE}"')


def talk(house: House, door: Door) -> None:
    """Play a visit with a phone that does ICE, in which both are heard."""
    phone = Phone(
        "201", house.folder, SERVER, "p201", ip=PHONE, medianat="ice", inside=("ip", "netns", "exec", "phone")
    )
    with stopping(phone):
        phone.wait_registered()
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered", visit=door.current_visit())
        at = time.monotonic()
        time.sleep(2.5)  # a sentence
        heard = find_tone(house.room.heard(at, at + 2.5), house.room.rate, PHONE_HZ)
        phone.hang_up()

        assert door.await_visit(visit=door.current_visit()).outcome == "talked"
        assert heard.heard, "\n".join(r["MESSAGE"] for r in door.records()) + repr(heard_by(phone))
        assert heard_by(phone).heard


def test_a_phone_and_a_door_that_both_do_ice_hear_each_other(house: House, server: Kamailio) -> None:
    """Candidates of both sides, and a way between them that was tried before sound goes there."""
    with house.door(edit=there("ice = true")) as door:
        talk(house, door)
    interop_table.add("SDP", "ICE", KAMAILIO, BARESIP)


def test_a_turn_server_is_one_of_the_ways(house: House, server: Kamailio) -> None:
    """The door asks it for an address before it calls, and offers that one too."""
    lines = (f'turn = "{TURN}:3478"', 'turn_user = "door"', 'turn_password = "turn"')
    with stopping(Coturn(house.folder, TURN)) as turn, house.door(edit=there(*lines)) as door:
        talk(house, door)
        turn.process.await_line("user <door>.*ALLOCATE processed, success", 5)
    interop_table.add("SDP", "TURN", KAMAILIO, BARESIP, interop_table.peer("coturn"))


def test_sound_goes_to_where_it_comes_from(house: House) -> None:
    """Symmetric RTP: a phone behind NAT names an address that leads nowhere, and is heard and hears all the same."""
    offer = script.audio("8 PCMA/8000", ip=NOWHERE, port=34567)
    steps = (script.receive("INVITE"), script.answer(200, sdp=offer), script.receive("ACK"), script.wait(4))
    scenario = script.phone(*steps, script.ask("BYE"), script.expect(200))
    with (
        house.door(target="script") as door,
        stopping(Rtp(SIPP_IP, 33000)) as ears,
        stopping(house.odd_phone("script", "uas_nat", script=scenario)) as phone,
    ):
        door.press()
        door.await_record("call-answered")
        at = time.monotonic()
        port = re.findall(r"(?m)^m=audio (\d+)", phone.conversation())[0]
        ears.speak(PHONE_HZ, 2.0, 20, ("127.0.0.9", int(port)))
        heard = find_tone(house.room.heard(at, at + 2.0), house.room.rate, PHONE_HZ)
        phone.require(10)

        assert door.await_visit().outcome == "talked"
        assert heard.heard
        assert ears.packets() > 50
    interop_table.add("SDP", "symmetric RTP", KAMAILIO, SIPP)
    why = (
        "not offered: PJSIP 2.17 does not start before its STUN server answers, and with one that died every call "
        "fails after 8 s (measured); what it is for, ICE, symmetric RTP and TURN do, behind a real NAT too"
    )
    interop_table.add("SDP", "STUN", KAMAILIO, result=why)
