"""Registrars: each way of proving who one is, each length of time, and what a registration is for."""

from __future__ import annotations

import interop_table
import pytest

from lab.baresip import Phone
from lab.buttons import account
from lab.house import House, stopping
from lab.kamailio import Kamailio

IP = "127.0.0.23"
USERS = {"door": "secret", "201": "p201"}
KAMAILIO = interop_table.peer("kamailio")


def works(case: str, *others: str) -> None:
    """Note what was seen."""
    interop_table.add("registrar", case, KAMAILIO, *others)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_every_digest_that_servers_ask_for_is_answered(house: House, algorithm: str) -> None:
    """RFC 8760: a server that has put MD5 aside gets SHA-256, for the registration and for the call."""
    with (
        stopping(Kamailio(house.folder, IP, USERS, algorithm=algorithm)) as server,
        house.door(registrar=IP, target="busy") as door,
    ):
        seen = server.mark()
        door.press()

        assert door.await_visit().outcome == "busy", "the server took the answer to its challenge"
        door.stop()
        server.await_unregistered("door", after=seen)
    works(f"digest {algorithm}, registration and call")
    works("unregistered at stop")


def test_a_wrong_password_is_told(house: House) -> None:
    """And tried again for ever, because an administrator may be about to put it right."""
    with (
        stopping(Kamailio(house.folder, IP, USERS | {"door": "another"}, algorithm="SHA-256")),
        house.door(registrar=IP, wait=False) as door,
    ):
        told = door.await_record("condition-began", 15, condition="line home")

        assert "401" in str(told["INTERCOM_DETAIL"])
    works("a wrong password is told")


def test_a_registration_that_is_too_short_for_the_server_is_asked_for_anew(house: House) -> None:
    """423 with Min-Expires (RFC 3261 section 10.2.8); what is granted counts, not what was asked for."""
    with (
        stopping(Kamailio(house.folder, IP, USERS, expires=(600, 3600))),
        house.door(registrar=IP) as door,
    ):
        assert door.await_record("line-up")["INTERCOM_EXPIRES_S"] == "600"
    works("423: asked for longer")


def test_a_registration_that_is_granted_for_seconds_is_renewed_in_time(house: House) -> None:
    """Behind some providers' NAT a minute is long."""
    with (
        stopping(Kamailio(house.folder, IP, USERS, expires=(5, 10), service_route=True)) as server,
        house.door(registrar=IP, target="busy", edit=account("expires_s = 3600")) as door,
    ):
        assert door.await_record("line-up")["INTERCOM_EXPIRES_S"] == "10"
        renewed = server.mark()
        server.await_registered("door", 12, after=renewed)
        door.press()
        invite = server.await_request("INVITE", "door", after=renewed)

        assert door.await_visit().outcome == "busy"
        assert "condition-began" not in {record["INTERCOM_KIND"] for record in door.records(condition="line home")}
        assert f"route=<sip:{IP};lr;service=yes>" in invite
    works("a registration of 10 s renewed")
    works("Service-Route obeyed")


def test_a_long_registration_is_asked_for_where_that_is_wanted(house: House) -> None:
    """An hour, as some providers want it."""
    with house.door(edit=account("expires_s = 3600")) as door:
        assert int(door.await_record("line-up")["INTERCOM_EXPIRES_S"]) > 3500
    works("a registration of an hour")


def test_two_devices_may_share_the_extension(house: House) -> None:
    """A second contact in the registrar's answer is not taken for the door's own, and is left alone at the end."""
    server = Kamailio(house.folder, IP, USERS, contacts=4)
    with stopping(server), stopping(Phone("door", house.folder, server, "secret", ip="127.0.0.32")) as other:
        other.wait_registered()
        with house.door(registrar=IP) as door:
            assert 290 <= int(door.await_record("line-up")["INTERCOM_EXPIRES_S"]) <= 300
            gone = server.mark()
        server.await_unregistered("door", after=gone)
        with stopping(Phone("201", house.folder, server, "p201")) as phone:
            phone.wait_registered()
            phone.call("door")
            other.await_event("CALL_INCOMING")
    works("several contacts", interop_table.peer("baresip"))


def test_a_server_that_was_restarted_is_told_where_the_door_is(house: House) -> None:
    """It has forgotten everybody; over a connection that is seen at once, not at the next renewal."""
    server = Kamailio(house.folder, IP, USERS)
    with stopping(server), house.door(registrar=IP, edit=account('transport = "tcp"')):
        server.stop()
        server.start()
        server.await_registered("door", 20)
    works("a restarted server knows the door again at once, over TCP")


def test_over_a_connection_the_door_is_reached_by_the_flow_that_it_made(house: House) -> None:
    """RFC 5626: an instance, a flow, and no port open to anybody but the server."""
    server = Kamailio(house.folder, IP, USERS, outbound=True)
    with stopping(server), stopping(Phone("201", house.folder, server, "p201")) as phone:
        phone.wait_registered()
        with house.door(registrar=IP, edit=account('transport = "tcp"')) as door:
            registered = server.running().await_line(r"REGISTERED user=door .*").group()
            phone.call("door")
            door.await_record("call-answered")
            phone.hang_up()

            assert door.await_visit().outcome == "talked"
            assert "+sip.instance=" in registered
            assert "reg-id=1" in registered
    works("outbound (RFC 5626) over TCP", interop_table.peer("baresip"))
    interop_table.add("registrar", "GRUU (RFC 5627)", KAMAILIO, result="not offered: PJSIP 2.17 does not ask for one")
