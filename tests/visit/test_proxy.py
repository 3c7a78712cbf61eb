"""Proxies: one or three of them before the registrar, calls both ways, several telephones of one number."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

import interop_table
import pytest

from lab.baresip import Phone
from lab.buttons import account
from lab.house import REGISTRAR_IP, VISITOR_HZ, Door, House, heard_by, stopping
from lab.kamailio import Kamailio
from lab.proxy import Proxy
from lab.tones import speech_tone

IP, USERS = "127.0.0.23", {"door": "secret", "201": "p201"}
CHAIN = ("127.0.0.24", "127.0.0.25", "127.0.0.26")
ENCRYPTED = ("127.0.0.27", "127.0.0.28", "127.0.0.29")
"""Three proxies, and three that speak TLS to each other."""
PEERS = (interop_table.peer("kamailio"), interop_table.peer("baresip"))


def works(case: str) -> None:
    """Note what was seen."""
    interop_table.add("proxy", case, *PEERS)


@pytest.fixture(scope="module")
def long_packets_in_pieces() -> Iterator[None]:
    """A network whose packets are no longer than Ethernet's."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500"], check=True)
    yield
    subprocess.run(["ip", "link", "set", "lo", "mtu", "65536"], check=True)


@pytest.fixture(scope="module")
def proxies(house: House, long_packets_in_pieces: None) -> Iterator[list[Proxy]]:
    """Three proxies in a row before the house's registrar."""
    onward = (*CHAIN[1:], REGISTRAR_IP)
    made = [Proxy(house.folder, ip, after) for ip, after in zip(CHAIN, onward, strict=True)]
    yield made
    for proxy in made:
        proxy.stop()


def talk(house: House, door: Door, phone: Phone) -> None:
    """Play a visit in which the visitor is heard."""
    since = phone.mark()
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    door.press()
    phone.await_event("CALL_INCOMING", since=since)
    phone.answer()
    door.await_record("call-answered")
    time.sleep(1.5)  # a sentence
    phone.hang_up()
    assert door.await_visit(button="front").outcome == "talked"
    assert heard_by(phone).heard


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_door_behind_three_proxies_calls_and_is_called(
    house: House, proxies: list[Proxy], phone: Phone, transport: str
) -> None:
    """Loose routes on the way out, Record-Route within the call, and Path on the way in."""
    edit = account(f'proxy = "{CHAIN[0]}"', f'transport = "{transport}"')
    with house.door(edit=edit) as door:
        there_and_back(house, door, phone, proxies, transport)
    if transport == "udp":
        works("requests over 1,300 bytes, in fragments")


def test_a_door_behind_three_proxies_is_encrypted_all_the_way(house: House, long_packets_in_pieces: None) -> None:
    """TLS from the door to the first proxy, from each to the next, to the registrar, and on to the telephone."""
    with contextlib.ExitStack() as row:
        server = row.enter_context(stopping(Kamailio(house.folder, IP, USERS, tls=True)))
        onward = (*ENCRYPTED[1:], IP)
        proxies = [
            row.enter_context(stopping(Proxy(house.folder, ip, after, tls=True)))
            for ip, after in zip(ENCRYPTED, onward, strict=True)
        ]
        first = proxies[0].certificates
        assert first
        assert server.certificates
        phone = row.enter_context(
            stopping(
                Phone(
                    *("201", house.folder, server, "p201"),
                    transport="tls",
                    authority=server.certificates.authority,
                )
            )
        )
        phone.wait_registered()
        edit = account(f'proxy = "{ENCRYPTED[0]}"', 'transport = "tls"', f'ca_file = "{first.authority}"')
        with house.door(registrar=IP, edit=edit) as door:
            there_and_back(house, door, phone, proxies, "tls")


def there_and_back(house: House, door: Door, phone: Phone, proxies: list[Proxy], transport: str) -> None:
    """Have the door call and be called; every request within the calls goes through every proxy."""
    seen = [proxy.mark() for proxy in proxies]
    talk(house, door, phone)
    requests = [proxy.await_request("INVITE", "door", after=mark) for proxy, mark in zip(proxies, seen, strict=True)]
    for proxy, mark in zip(proxies, seen, strict=True):
        proxy.running().await_line("REQUEST BYE from=201 ", after=mark)
    house.room.hush()
    phone.call("door")
    door.await_record("call-answered", target="201", leg=str(door.await_record("call-arrived")["INTERCOM_LEG"]))
    phone.hang_up()

    assert door.await_visit(by="201").outcome == "talked"
    assert f"proto={transport}" in requests[0]
    # UDP on from the second one, where the door itself comes by TCP.
    assert transport == "tcp" or all(f"proto={transport}" in line for line in requests)
    sizes = [int(line.split("size=")[1].split()[0]) for line in requests]
    assert max(sizes) > 1300, sizes
    works(f"outbound proxy (loose route, Path) and two more behind it, over {transport.upper()}")
    works("Record-Route within the call")
    if transport != "udp":
        works(f"requests over 1,300 bytes, over {transport.upper()}")


def test_the_second_challenge_of_a_long_request_is_answered_too(house: House, proxies: list[Proxy]) -> None:
    """A call that is refused behind three proxies ends with its own answer."""
    with house.door(target="busy", edit=account(f'proxy = "{CHAIN[0]}"')) as door:
        door.press()
        assert door.await_visit().outcome == "busy"


def test_a_number_with_several_telephones_rings_at_all_and_one_of_them_talks(house: House) -> None:
    """The server forks: early dialogs from each, one answer, and no visit for the others."""
    server = Kamailio(house.folder, IP, USERS, contacts=4)
    with stopping(server), stopping(Phone("201", house.folder, server, "p201")) as first:
        first.wait_registered()
        with stopping(Phone("201", house.folder / "second", server, "p201", ip="127.0.0.32")) as second:
            second.wait_registered()
            with house.door(registrar=IP) as door:
                door.press()
                first.await_event("CALL_INCOMING")
                second.await_event("CALL_INCOMING")
                second.answer()
                door.await_record("call-answered")
                first.await_event("CALL_CLOSED")
                second.hang_up()

                assert door.await_visit().outcome == "talked"
                assert len(door.records("call-ringing")) == 1
    works("forking, early dialogs from two telephones")
