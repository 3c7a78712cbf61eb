"""A house without a PBX: the phones register with the service beside the door, and nobody else does."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import interop_table
import pytest
from healing import asks_often

from intercom.control.client import ask
from lab.attackers import Attacker
from lab.baresip import Phone
from lab.house import DOOR_IP, REGISTRAR_IP, VISITOR_HZ, House, heard_by, stopping
from lab.own_registrar import HERE, OUTSIDE, PHONE, OwnRegistrar, network_of_the_house
from lab.processes import wait_until
from lab.tones import speech_tone

PEERS = (interop_table.peer("kamailio"), interop_table.peer("baresip"))


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """Addresses in the network of a house."""
    with network_of_the_house():
        yield


@pytest.fixture(scope="module")
def service(house: House, network: None) -> Iterator[OwnRegistrar]:
    """The service with the phones that `intercom phones` made."""
    service = OwnRegistrar(house.folder / "own", HERE, {}, [OUTSIDE])
    service.stop()
    intercom_phones(service, "add", "door", "201")
    service.users.update(passwords(service))
    service.start()
    yield service
    service.stop()


def intercom_phones(service: OwnRegistrar, *words: str) -> str:
    """Run the command on the service's file; return what it printed."""
    argv = [sys.executable, "-m", "intercom", "phones", *words, "--file", service.folder / "phones.cfg"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def passwords(service: OwnRegistrar) -> dict[str, str]:
    """Return what the service goes by."""
    text = (service.folder / "phones.cfg").read_text()
    return dict(re.findall(r'=>(\w+)\) = "(\w+)"', text))


def ours(service: OwnRegistrar) -> dict[str, object]:
    """Return how a door is set up that `install --with-registrar` has made."""
    password = service.users["door"]

    def edit(text: str) -> str:
        text = text.replace(f'"{REGISTRAR_IP}"', f'"{HERE}"\ntransport = "tcp"').replace('"secret"', f'"{password}"')
        return text.replace(f'bind = "{DOOR_IP}"', 'bind = ""')

    return {"edit": edit}


def test_a_phone_of_the_house_rings_talks_and_calls_back(house: House, service: OwnRegistrar) -> None:
    """The door is on 127.0.0.1, the phone in the network: the service brings them together, also their sound."""
    shown = intercom_phones(service)
    assert "201" in shown
    assert service.users["201"] in shown
    assert service.users["door"] not in shown, "nobody needs that one"
    with (
        stopping(Phone("201", house.folder, OUTSIDE, service.users["201"], ip=PHONE)) as phone,
        house.door(**ours(service)) as door,
    ):
        phone.wait_registered()
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        door.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        door.await_record("call-answered")
        time.sleep(1.5)  # a sentence
        phone.hang_up()
        assert door.await_visit().outcome == "talked"
        assert heard_by(phone).heard
        phone.call("door")
        door.await_record("call-arrived")
        phone.hang_up()
    interop_table.add("registrar", "the service of `install --with-registrar`", *PEERS)


def test_that_the_door_asks_by_registering_is_no_news(house: House, service: OwnRegistrar) -> None:
    """Three times a minute, for ever: the service's journal is on a memory card, too."""
    usual = ours(service)["edit"]
    with house.door(edit=lambda text: asks_often(usual(text))) as door:  # type: ignore[operator]
        mark = service.mark()
        asked = lambda: ask(door.socket, {"do": "status"})["status"]["lines"][0]["round_trip_ms"]  # noqa: E731
        wait_until(asked, 15, "the door has asked its server", door.process)
        door.stop()

        told = "\n".join(service.running().lines(mark))
        assert re.findall(r"REGISTERED user=door expires=(\d+)", told) == ["0"]


def test_who_guesses_passwords_is_soon_not_heard_any_more(house: House, service: OwnRegistrar, tmp_path: Path) -> None:
    """A wrong password is told in the service's journal, ten times; the right one counts all the same."""
    with stopping(Phone("201", tmp_path, OUTSIDE, "guess", ip="127.0.0.33")) as thief:
        service.running().await_line(r"WRONG PASSWORD user=201 source=127\.0\.0\.33 tries=10$", 20)
        assert "OK" not in thief.command("reginfo")
    for ip in ("127.0.0.33", "127.0.0.34"):
        with stopping(Phone("201", tmp_path, OUTSIDE, service.users["201"], ip=ip)) as honest:
            honest.wait_registered()


def test_who_guesses_at_users_is_soon_not_heard_either(service: OwnRegistrar) -> None:
    """An unknown user with a right challenge is a try like a wrong password is; without an answer there is none."""
    with contextlib.closing(Attacker("127.0.0.36", (OUTSIDE, 5060))) as thief:
        answered = 0
        for number in range(14):
            thief.send(register(thief, number))
            challenge = thief.await_heard(1.0)
            if not challenge:
                break
            nonce = re.findall(rb'nonce="([^"]+)"', challenge)[0].decode()
            response = hashlib.md5(f"guess:{nonce}:00000001:c:auth:guess".encode()).hexdigest()
            thief.send(
                register(
                    thief,
                    100 + number,
                    f'Authorization: Digest username="30{number}", realm="intercom", nonce="{nonce}", uri="sip:x", '
                    f'response="{response}", cnonce="c", nc=00000001, qop=auth\r\n',
                )
            )
            answered += b" 401 " in thief.await_heard(1.0)

        assert answered == 10
        service.running().await_line(r"WRONG PASSWORD user=309 source=127\.0\.0\.36 tries=10$", 5)


def register(thief: Attacker, number: int, more: str = "") -> bytes:
    """A REGISTER of somebody who may or may not exist."""
    return (
        f"REGISTER sip:{OUTSIDE} SIP/2.0\r\nVia: SIP/2.0/UDP {thief.ip}:{thief.port};branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:300@{OUTSIDE}>;tag=1\r\nTo: <sip:300@{OUTSIDE}>\r\nCall-ID: {number}\r\nCSeq: 1 REGISTER\r\n"
        f"Contact: <sip:300@{thief.ip}>\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


def test_a_phone_that_is_taken_out_is_out(house: House, service: OwnRegistrar) -> None:
    """Its password is gone with it, and another phone's stays."""
    before = passwords(service)
    intercom_phones(service, "add", "299")
    intercom_phones(service, "remove", "299")

    assert passwords(service) == before
