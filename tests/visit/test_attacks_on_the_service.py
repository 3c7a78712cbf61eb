"""Attacks on the SIP service beside the door, with the real door and a real phone at it.

contract/test_own_service.py has the same by the piece: every method, header and Route, and from each side of a call.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
import select
import socket
from collections.abc import Iterator

import attack_table
import pytest
from healing import asks_often
from test_attacks_in_a_call import forged, sip_port, still_talking, talking  # noqa: F401  (a fixture)

from lab.attackers import Attacker, sdp
from lab.baresip import Phone
from lab.buttons import account
from lab.extension import Extension
from lab.house import CODE, DOOR_IP, PHONE_IP, Door, House, stopping
from lab.own_registrar import OwnRegistrar

STRANGER, ELSEWHERE, OWN = "127.0.0.66", "127.0.0.77", "127.0.0.28"
USERS = {"door": "secret", "201": "p201", "202": "p202"}
CONNECTIONS = 2100
"""More than Kamailio has."""
BY_TCP = account('transport = "tcp"')


@pytest.fixture
def service(house: House) -> Iterator[OwnRegistrar]:
    """The service, guarded by the kernel as its unit has it."""
    with stopping(OwnRegistrar(house.folder / "attacked", OWN, USERS)) as own, own.guarded():
        yield own


@pytest.fixture
def phone(house: House, service: OwnRegistrar) -> Iterator[Phone]:
    """Extension 201 of it."""
    with stopping(Phone("201", house.folder, service, "p201")) as phone:
        phone.wait_registered()
        yield phone


@pytest.fixture
def door(house: House, service: OwnRegistrar) -> Iterator[Door]:
    """The door, as `install --with-registrar` sets it up; it asks its server often."""
    with house.door(registrar=OWN, edit=lambda text: asks_often(BY_TCP(text))) as door:
        yield door


class Ears:
    """Where a relay would lead: UDP and TCP on one port of somebody else's, and where a stranger wants the sound."""

    def __init__(self) -> None:
        self.udp, self.tcp, self.sound = socket.socket(type=socket.SOCK_DGRAM), socket.socket(), socket.socket(type=2)
        self.udp.bind((ELSEWHERE, 0))
        self.port = self.udp.getsockname()[1]
        self.tcp.bind((ELSEWHERE, self.port))
        self.tcp.listen()
        self.sound.bind((STRANGER, 40000))

    def heard(self) -> int:
        """How many of them have heard anything."""
        return len(select.select([self.udp, self.tcp, self.sound], [], [], 0)[0])

    def close(self) -> None:
        for one in (self.udp, self.tcp, self.sound):
            one.close()


def test_nobody_is_led_into_a_call_by_the_service(
    service: OwnRegistrar,
    door: Door,
    phone: Phone,
    talking: dict[str, str],  # noqa: F811
) -> None:
    """Call-ID and tags were overheard. BYE ended the call that way, and a re-INVITE turned its sound away."""
    del service
    own = f"<sip:{OWN};lr>"
    with contextlib.closing(Ears()) as ears, contextlib.closing(Attacker(STRANGER, (OWN, 5060))) as eve:
        there = f"{ELSEWHERE}:{ears.port}"
        contact = talking["Contact"].split("<")[1].split(">")[0]
        uris = [contact, f"sip:door@{OWN}", f"sip:x@{there}", f"sip:x@127.0.0.1;alias={ELSEWHERE}~{ears.port}~2",
                f"sip:x@{OWN};maddr={ELSEWHERE}", f"{contact};alias={ELSEWHERE}~{ears.port}~1"]  # fmt: skip
        routes = ["", f"Route: {own}\r\n", f"Route: {own},<sip:{there};lr>\r\n", f"Route: <sip:{there};lr>\r\n"]
        asked = itertools.product(("BYE", "INVITE", "UPDATE", "INFO", "REFER", "MESSAGE"), uris, routes)
        for number, (method, uri, route) in enumerate(asked):
            more, body = route, ""
            if method in ("INVITE", "UPDATE"):
                body = sdp(STRANGER)
            elif method == "INFO":
                more, body = f"{route}Content-Type: application/dtmf-relay\r\n", f"Signal={CODE[0]}\r\nDuration=100\r\n"
            elif method == "REFER":
                more = f"{route}Refer-To: <sip:900@premium.test>\r\n"
            eve.send(forged(method, {**talking, "Contact": f"<{uri}>"}, eve, number, more=more, body=body))
            eve.await_heard(0.02)  # else the service takes it for a flood, and reads none of it
        got_in = ears.heard() + sum(b"SIP/2.0 200" in answer for answer in eve.heard())
        got_in += len(door.records("door-released") + door.records("code-wrong"))
        still_talking(door, phone)
        rang = attack_table.rings(door, phone)
        got_in += ears.heard()

        what = "BYE, re-INVITE, keys of an overheard call by way of the service beside the door; Route, alias, maddr"
        attack_table.add(what, eve.sent, door, rang, got_in=got_in)


def test_a_call_through_the_service_is_not_ended_at_the_door_either(
    door: Door,
    phone: Phone,
    talking: dict[str, str],  # noqa: F811
) -> None:
    """A neighbour who has overheard one half of a call's names sends to the door itself, which listens on TCP alone."""
    with contextlib.closing(Attacker(STRANGER, sip_port(talking))) as eve:
        for number in range(50):
            eve.send(forged("BYE", {**talking, "tag": talking["tag"] + "0"}, eve, 2 * number))
            eve.send(forged("INVITE", talking, eve, 2 * number + 1, body=sdp(STRANGER)))
        got_in = len(eve.heard())
        still_talking(door, phone)
        rang = attack_table.rings(door, phone)
        attack_table.add(
            "forged BYE and re-INVITE from a neighbour, past the service", eve.sent, door, rang, got_in=got_in
        )


def test_guessed_passwords_lock_neither_the_door_nor_a_phone_out(
    service: OwnRegistrar, door: Door, phone: Phone
) -> None:
    """From their own addresses, in their own names, and in those of nobody: each is soon unanswered, and both go on."""
    sent, answered, mark = 0, 0, service.mark()
    for user, ip in (("door", DOOR_IP), ("201", PHONE_IP), ("door", PHONE_IP), ("999", DOOR_IP), ("201", STRANGER)):
        with contextlib.closing(Extension(user, "guess", ip, (OWN, 5060))) as thief:
            for number in range(40):
                uri = f"sip:{OWN}"
                thief.send(thief.request("REGISTER", uri, f"guess{ip}{user}{number}", 1))
                challenge = thief.await_heard(0.3)
                if b"WWW-Authenticate" in challenge:  # else he is not heard for a while
                    proof = thief.proof("REGISTER", uri, challenge)
                    thief.send(thief.request("REGISTER", uri, f"guess{ip}{user}{number}", 2, more=proof))
                    answered += b" 200 " in thief.await_heard(0.1)
            sent += thief.sent
    rang = attack_table.rings(door, phone)  # each call bears a password, too

    assert not door.records("line-lost")
    assert "ERROR" not in "\n".join(service.running().lines(mark))
    what = "passwords guessed at the service, from the door's, a phone's and a stranger's address"
    attack_table.add(what, sent, door, rang, got_in=answered)


def test_one_host_takes_no_phones_connection(house: House, service: OwnRegistrar) -> None:
    """2100 requests over TCP that are begun and never ended; door and phone come later, and by TCP."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, limit[1]), limit[1]))
    taken = 0
    try:
        with contextlib.ExitStack() as holding:
            for _ in range(CONNECTIONS):
                link = holding.enter_context(contextlib.closing(socket.socket()))
                link.bind((STRANGER, 0))
                link.settimeout(5)
                with contextlib.suppress(OSError):
                    link.connect((OWN, 5060))
                    link.sendall(b"OPTIONS ")
                    taken += 1
            with (
                house.door(registrar=OWN, edit=BY_TCP) as door,
                stopping(Phone("201", house.folder, service, "p201", transport="tcp")) as phone,
            ):
                phone.wait_registered()
                rang = attack_table.rings(door, phone)
                attack_table.add("half-open TCP connections of one host to the service", CONNECTIONS, door, rang)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert 1 <= taken <= 20
