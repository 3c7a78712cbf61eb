"""A door behind a real NAT: it registers, calls, is called, and sound finds its way, each by the means there are."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import interop_table
import pytest

from lab import script
from lab.baresip import Phone
from lab.buttons import account
from lab.coturn import Coturn
from lab.house import DOOR_IP, PHONE_HZ, REGISTRAR_IP, VISITOR_HZ, Door, House, stopping
from lab.kamailio import Kamailio
from lab.linphone import Linphone
from lab.router import OUTER_IP, PHONE_IP, RELAY_IP, SERVER_IP, SIPP_IP, Router
from lab.rtp import Rtp
from lab.sipp import Sipp
from lab.tones import find_tone, read_wav, speech_tone

KAMAILIO, SIPP, BARESIP, LINPHONE, COTURN = map(
    interop_table.peer, ("kamailio", "sipp", "baresip", "linphone", "coturn")
)
EARS = 33000


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    """The router, and a world outside."""
    router = Router()
    yield router
    router.close()


@pytest.fixture(scope="module")
def server(house: House, router: Router) -> Iterator[Kamailio]:
    """A SIP service out there."""
    users = {"door": "secret", "201": "p201"}
    with stopping(Kamailio(house.folder, SERVER_IP, users, static={"204": f"sip:204@{SIPP_IP}:5060"})) as server:
        yield server


def at_home(house: House, *lines: str, target: str = "201") -> Door:
    """Start the door in the home, with lines of its account."""
    put = account(*lines)

    def edit(text: str) -> str:
        return put(text).replace(f'"{REGISTRAR_IP}"', f'"{SERVER_IP}"').replace(f'bind = "{DOOR_IP}"', 'bind = ""')

    return house.door(prefix=Router.prefix, edit=edit, target=target)


def phone_outside(house: House) -> Phone:
    """Return a phone out there, registered."""
    phone = Phone("201", house.folder, SERVER_IP, "p201", ip=PHONE_IP, tone_hz=PHONE_HZ, inside=Router.afar)
    phone.wait_registered()
    return phone


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_door_behind_nat_is_called_where_its_server_sees_it(house: House, server: Kamailio, transport: str) -> None:
    """It learns its outer address from the answers (received, rport), and gives that one as its Contact."""
    seen = server.mark()
    with at_home(house, f'transport = "{transport}"') as door, stopping(phone_outside(house)) as phone:
        server.running().await_line(rf"REGISTERED user=door .*contact=.*@{re.escape(OUTER_IP)}:", after=seen)
        phone.call("door")
        door.await_record("call-answered")
        phone.hang_up()

        assert door.await_visit(by="201").outcome == "talked"
    interop_table.add("SDP", f"a door behind NAT (rport, received), over {transport.upper()}", KAMAILIO, BARESIP)


@pytest.mark.parametrize("at_random", [False, True])
def test_sound_comes_back_the_way_that_it_went(house: House, server: Kamailio, router: Router, at_random: bool) -> None:
    """Symmetric RTP: the far end sends to where the door's packets come from, from the first early media on."""
    router.translate(at_random=at_random)
    sdp = script.audio("8 PCMA/8000", ip=SIPP_IP, port=EARS)
    early = (script.receive("INVITE"), script.answer(183, sdp=sdp), script.wait(2.5), script.answer(200, sdp=sdp))
    scenario = script.phone(*early, script.receive("ACK"), script.wait(2.5), script.ask("BYE"), script.expect(200))
    with (
        at_home(house, target="204") as door,
        stopping(Rtp(SIPP_IP, EARS)) as ears,
        stopping(Sipp("uas_early", house.folder, SIPP_IP, script=scenario)) as phone,
    ):
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        heard = []
        for answered in (False, True):
            if answered:
                door.await_record("call-answered")
            at = time.monotonic()
            ears.speak(PHONE_HZ, 1.5, 20)
            heard.append(find_tone(house.room.heard(at, at + 1.5), house.room.rate, PHONE_HZ).heard)
        phone.require(10)

        assert door.await_visit().outcome == "talked"
        assert heard == [True, True]
        assert {address for address, _ in ears.sources} == {OUTER_IP}
    kind = "symmetric NAT" if at_random else "NAT"
    interop_table.add("SDP", f"sound through {kind} (symmetric RTP), early media too", KAMAILIO, SIPP)


@pytest.mark.parametrize("ways", ["ICE", "TURN"])
def test_a_phone_that_does_ice_and_a_door_behind_nat_hear_each_other(
    house: House, server: Kamailio, router: Router, ways: str
) -> None:
    """Behind the worst kind of NAT: by what the phone sees of the door, or by a relay where that is all there is."""
    router.translate(at_random=True)
    lines = ["ice = true"]
    if ways == "TURN":
        router.translate(at_random=True, shut_off=PHONE_IP)
        lines = [f'turn = "{RELAY_IP}:3478"', 'turn_user = "door"', 'turn_password = "turn"']
    with (
        stopping(Coturn(house.folder, RELAY_IP)) as turn,
        at_home(house, *lines) as door,
        stopping(phone_with_ice(house)) as phone,
    ):
        phone.wait_registered()
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        phone.await_news("incoming call")
        phone.tell("answer")
        door.await_record("call-answered")
        time.sleep(1)  # both try the ways between them
        at = time.monotonic()
        time.sleep(2)  # a sentence
        heard = find_tone(house.room.heard(at, at + 2), house.room.rate, PHONE_HZ)
        phone.tell("terminate")

        assert door.await_visit().outcome == "talked"
        assert heard.heard, heard
        assert find_tone(*read_wav(phone.heard), VISITOR_HZ).heard
        if ways == "TURN":
            turn.process.await_line("user <door>.*ALLOCATE processed, success", 5)
    interop_table.add("SDP", f"{ways} behind NAT", KAMAILIO, LINPHONE, COTURN)


def phone_with_ice(house: House) -> Linphone:
    """Return a phone out there that tries every way."""
    return Linphone(
        *("201", house.folder, SERVER_IP, "p201"),
        ip=PHONE_IP,
        tone_hz=PHONE_HZ,
        ice_by=RELAY_IP,
        inside=Router.afar,
    )
