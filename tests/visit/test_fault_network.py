"""The network fails under a visit: the cable is pulled, the address changes, packets and name servers are lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import fault_table
import pytest
from healing import asks_often, rings

from lab.baresip import Phone
from lab.cable import OTHER_DOOR_IP, PHONE_IP, SERVICE_IP, Cable, instead_of
from lab.house import CODE, REGISTRAR_IP, STRIKE, Door, House, stopping
from lab.kamailio import Kamailio


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """The cable between the door and the house."""
    cable = Cable()
    yield cable
    cable.close()


@pytest.fixture(scope="module")
def service(house: House, cable: Cable) -> Iterator[Kamailio]:
    """A SIP service at the house's end of it."""
    users = {"door": "secret", "201": "p201"}
    with stopping(Kamailio(house.folder, ip=SERVICE_IP, users=users)) as service:
        yield service


@pytest.fixture
def phone(house: House, service: Kamailio) -> Iterator[Phone]:
    """A phone there."""
    with stopping(Phone("201", house.folder / "far", service, "p201", ip=PHONE_IP)) as phone:
        phone.wait_registered()
        yield phone


@pytest.fixture
def door(house: House, cable: Cable, service: Kamailio) -> Iterator[Door]:
    """A door at the other end."""
    with house.door(prefix=cable.prefix, registrar=SERVICE_IP, bind="", edit=asks_often) as door:
        yield door


def test_a_cable_pulled_at_the_press_is_waited_for(cable: Cable, door: Door, phone: Phone) -> None:
    """Nobody knows yet that the network is gone; the call is placed by itself when it is back."""
    cable.pull()
    pulled, pressed = time.time(), time.monotonic()
    try:
        door.press()
        began = door.await_record("condition-began", 30, condition="line home")
    finally:
        cable.plug()
    plugged = time.time()
    up = door.await_records("line-up", 2, 30)[-1]
    door.await_record("call-ringing", 30)
    phone.await_event("CALL_INCOMING", 20, since=pressed)
    phone.reject()
    visit = door.await_visit()
    rings(door, phone)

    assert visit.outcome == "busy"
    assert door.records("condition-began", condition="network")
    assert door.records("condition-ended", condition="network")
    fault_table.add(
        "the network is down at the press",
        door,
        fault_table.at(began) - pulled,
        began["INTERCOM_DETAIL"],
        fault_table.at(up) - plugged,
    )


def test_a_cable_pulled_while_it_rings_costs_nothing_when_it_is_back_in_time(
    cable: Cable, door: Door, phone: Phone
) -> None:
    """The phone rings on; whoever takes it off the hook talks as soon as the network carries it."""
    door.press()
    phone.await_event("CALL_INCOMING")
    cable.pull()
    pulled = time.time()
    try:
        began = door.await_record("condition-began", 30, condition="network")
        phone.answer()
    finally:
        cable.plug()
    plugged = time.time()
    ended = door.await_record("condition-ended", 30, condition="network")
    door.await_record("call-answered", 20)
    phone.press_key(CODE)
    door.pins.await_level(STRIKE, 1)
    phone.hang_up()
    visit = door.await_visit()
    rings(door, phone)

    assert visit.outcome == "talked"
    fault_table.add(
        "the network is down while it rings",
        door,
        fault_table.at(began) - pulled,
        began["INTERCOM_DETAIL"],
        fault_table.at(ended) - plugged,
    )


def test_a_cable_pulled_in_a_conversation_does_not_end_it(cable: Cable, door: Door, phone: Phone) -> None:
    """A switch that restarts is gone for seconds: both wait for it, and the code works afterwards."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    cable.pull()
    pulled = time.time()
    try:
        began = door.await_record("condition-began", 30, condition="network")
        time.sleep(2)  # what a switch takes at least
    finally:
        cable.plug()
    plugged = time.time()
    ended = door.await_record("condition-ended", 30, condition="network")
    door.await_records("line-up", 1, 30)
    phone.press_key(CODE)
    door.pins.await_level(STRIKE, 1)
    phone.hang_up()
    visit = door.await_visit()
    rings(door, phone)

    assert (visit.outcome, len(door.records("call-placed"))) == ("talked", 2)
    fault_table.add(
        "the network is down in a conversation",
        door,
        fault_table.at(began) - pulled,
        began["INTERCOM_DETAIL"],
        fault_table.at(ended) - plugged,
    )


def test_another_address_in_a_conversation_moves_it(cable: Cable, door: Door, phone: Phone) -> None:
    """The phone is told where the door is now (re-INVITE), and what it keys still arrives."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    changed = time.time()
    cable.renumber(OTHER_DOOR_IP)
    try:
        moved = phone.await_event("CALL_REMOTE_SDP", 15, since=time.monotonic() - (time.time() - changed))
        time.sleep(0.5)  # until the way of the sound has followed
        phone.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
        phone.hang_up()
        visit = door.await_visit()
        rings(door, phone)
    finally:
        cable.renumber("10.77.0.2")

    assert visit.outcome == "talked"
    moved_s = moved.at - (time.monotonic() - (time.time() - changed))
    fault_table.add("the address changes in a conversation", door, None, "moved by re-INVITE", moved_s)


def test_another_address_while_it_rings_rings_anew(cable: Cable, door: Door, phone: Phone) -> None:
    """PJSIP gives up what was not answered; the visitor has not gone away."""
    door.press()
    phone.await_event("CALL_INCOMING")
    changed, since = time.time(), time.monotonic()
    cable.renumber(OTHER_DOOR_IP)
    try:
        again = phone.await_event("CALL_INCOMING", 20, since=since)
        phone.reject()
        visit = door.await_visit()
        rings(door, phone)
    finally:
        cable.renumber("10.77.0.2")

    resumed = door.records("visit-resumed")
    assert len(door.records("press-accepted")) == 2
    assert visit.outcome == "busy"
    told = f"the visit goes on: {resumed[0]['INTERCOM_REASON']}" if resumed else "called anew"
    assert fault_table.at(door.records("call-placed")[1]) > changed
    fault_table.add("the address changes while it rings", door, None, told, again.at - since)


def test_a_server_that_lost_its_power_is_found_again_over_tcp(house: House, cable: Cable, service: Kamailio) -> None:
    """Nobody has closed the connection: whatever is sent through it waits, for longer each time, for who has gone."""

    def over_tcp(text: str) -> str:
        return asks_often(text).replace('user = "door"', 'user = "door"\ntransport = "tcp"')

    with house.door(prefix=cable.prefix, registrar=SERVICE_IP, bind="", edit=over_tcp) as door:
        cable.lose(100)
        left = time.time()
        service.kill()
        try:
            began = door.await_record("condition-began", 30, condition="line home")
            service.start()
            time.sleep(max(left + 25 - time.time(), 0))  # the length of an outage is what is tried
        finally:
            cable.lose(0)
        back = time.time()
        up = door.await_records("line-up", 2, 60)[-1]
        with stopping(Phone("201", house.folder / "tcp", service, "p201", ip=PHONE_IP)) as other:
            other.wait_registered()
            rings(door, other)

        fault_table.add(
            "the registrar's machine loses its power, with a connection open",
            door,
            fault_table.at(began) - left,
            began["INTERCOM_DETAIL"],
            fault_table.at(up) - back,
        )


def test_every_third_packet_lost_loses_no_press(cable: Cable, door: Door, phone: Phone) -> None:
    """SIP sends again what is not answered (RFC 3261 section 17.1.1.2); each press has its outcome."""
    cable.lose(30)
    outcomes = []
    try:
        for number in range(5):
            since = time.monotonic()
            door.press()
            phone.await_event("CALL_INCOMING", 30, since=since)
            phone.reject()
            outcomes.append(door.await_records("visit-ended", number + 1, 40)[-1]["INTERCOM_OUTCOME"])
    finally:
        cable.lose(0)
    door.await_record("line-up", 40)
    rings(door, phone)

    print(f"outcomes with every third packet lost: {outcomes}")
    slowest = max(float(record["INTERCOM_TOTAL_MS"]) for record in door.records("visit-ended")) / 1000
    told = f"{len(outcomes)} presses: {', '.join(dict.fromkeys(outcomes))}; the slowest {slowest:.1f} s"
    fault_table.add("30 % of the packets are lost, both ways", door, None, told, None)


def test_a_dead_name_server_holds_up_no_call_on_another_account(house: House, phone: Phone) -> None:
    """The name's account is down and told; the other one, given by address, calls as if nothing were."""
    named = (
        '[accounts.named]\nserver = "pbx.example"\nuser = "door"\npassword = "secret"\n\n'
        f'[accounts.home]\nserver = "{REGISTRAR_IP}"'
    )
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.53", 53))
    text = "nameserver 127.0.0.53\n"
    with (
        deaf,
        instead_of("/etc/resolv.conf", text, house.folder),
        stopping(house.phone()) as near,
        house.door(edit=lambda text: text.replace(f'[accounts.home]\nserver = "{REGISTRAR_IP}"', named)) as door,
    ):
        began = door.await_record("condition-began", 30, condition="names named")
        since = time.monotonic()
        door.press()
        ringing = near.await_event("CALL_INCOMING", 10, since=since)
        near.reject()
        visit = door.await_visit()
        rings(door, near)

        assert visit.outcome == "busy"
        assert visit.timeline["sent"] < 1000
        fault_table.add(
            "the name server is dead",
            door,
            fault_table.at(began) - door.began,
            began["INTERCOM_DETAIL"],
            ringing.at - since,
        )
