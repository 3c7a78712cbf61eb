"""Linphone, a phone of another family than baresip: rung, hears, opens, calls the door, encrypts, and texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import interop_table
import pytest

from lab.buttons import account
from lab.house import (
    CODE,
    PHONE_HZ,
    REGISTRAR_IP,
    STRIKE,
    VISITOR_HZ,
    Door,
    House,
    stopping,
)
from lab.kamailio import Kamailio
from lab.linphone import Linphone
from lab.tones import find_tone, read_wav, speech_tone

KAMAILIO, LINPHONE = map(interop_table.peer, ("kamailio", "linphone"))
SECURE = "127.0.0.23"


def works(part: str, case: str) -> None:
    """Note what was seen."""
    interop_table.add(part, case, KAMAILIO, LINPHONE)


def converse(house: House, door: Door, phone: Linphone, code: str = "") -> None:
    """Play a visit: the phone rings, each hears the other, and the code, if any, opens the door."""
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    rung = phone.mark()
    door.press()
    phone.await_news("incoming call from .*Front door", after=rung)
    phone.tell("answer")
    door.await_record("call-answered", visit=door.current_visit())
    at = time.monotonic()
    time.sleep(2.5)  # a conversation takes time
    heard = find_tone(house.room.heard(at, at + 2.5), house.room.rate, PHONE_HZ)
    if code:
        phone.tell(code)
        door.pins.await_level(STRIKE, 1, 8)
    phone.tell("terminate")

    assert door.await_visit(visit=door.current_visit()).outcome == "talked"
    assert heard.heard, heard
    there = find_tone(*read_wav(phone.heard), VISITOR_HZ)
    assert there.heard, there


def test_linphone_is_rung_opens_and_calls_the_door(house: House) -> None:
    """Over UDP, in the clear: both directions of a call, keys by RFC 4733, and a call on hold in between."""
    with (
        stopping(Linphone("201", house.folder, REGISTRAR_IP, "p201", tone_hz=PHONE_HZ)) as phone,
        house.door() as door,
    ):
        phone.wait_registered()
        converse(house, door, phone, CODE)
        phone.tell(f"call sip:door@{REGISTRAR_IP}")
        leg = str(door.await_record("call-arrived", caller="201")["INTERCOM_LEG"])
        door.await_record("call-answered", leg=leg)
        phone.await_news("Media streams established .* call 2")
        phone.tell("pause")
        phone.await_news("Call 2 .* paused")
        paused = phone.mark()
        phone.tell("resume")
        phone.await_news("Media streams established .* call 2", after=paused)
        phone.tell("terminate")

        assert door.await_record("call-ended", leg=leg)["INTERCOM_CODE"] == "200"
    works("user agent", "Linphone is rung, hears, opens by a code")
    works("user agent", "Linphone calls the door, holds and resumes")


@pytest.fixture(scope="module")
def secure(house: House) -> Iterator[Kamailio]:
    """A service with a certificate of an authority of its own."""
    with stopping(Kamailio(house.folder, SECURE, {"door": "secret", "201": "p201"}, tls=True)) as server:
        yield server


@pytest.mark.parametrize(("encryption", "keys"), [("srtp", "sdes"), ("dtls", "dtls")])
def test_linphone_and_the_door_encrypt_everything(house: House, secure: Kamailio, encryption: str, keys: str) -> None:
    """TLS on both ways to the server, whose certificate both check, and SRTP that both insist on."""
    wanted = over_tls(secure, 'srtp = "required"', f'srtp_keys = "{keys}"')
    with stopping(securely(house, secure, encryption)) as phone, house.door(registrar=SECURE, edit=wanted) as door:
        phone.wait_registered()
        converse(house, door, phone)
    works("SDP", f"SRTP with keys by {keys.upper()}, over TLS")


def test_a_secure_address_is_called_over_tls(house: House, secure: Kamailio) -> None:
    """A target that begins with "sips:" (RFC 3261 section 26.2.2) is asked for as it stands."""
    target = f"sips:201@{SECURE}"
    with (
        stopping(securely(house, secure, "srtp")) as phone,
        house.door(registrar=SECURE, edit=over_tls(secure, 'srtp = "required"'), target=target) as door,
    ):
        phone.wait_registered()
        asked = secure.mark()
        door.press()
        assert f"uri={target} " in secure.await_request("INVITE", "door", after=asked)
        phone.await_news("incoming call")
        phone.tell("answer")
        door.await_record("call-answered")
        phone.tell("terminate")

        assert door.await_visit().outcome == "talked"
    works("URI", "`sips:`")


def over_tls(service: Kamailio, *lines: str) -> Callable[[str], str]:
    """Return an edit that has the door's account use TLS."""
    assert service.certificates
    return account(f'ca_file = "{service.certificates.authority}"', 'transport = "tls"', *lines)


def securely(house: House, service: Kamailio, encryption: str) -> Linphone:
    """Return a telephone that uses TLS."""
    assert service.certificates
    authority = service.certificates.authority
    return Linphone(
        *("201", house.folder, service.ip, "p201"),
        transport="tls",
        authority=authority,
        encryption=encryption,
        tone_hz=PHONE_HZ,
    )


def test_linphone_asks_the_door_how_it_is(house: House) -> None:
    """A text there, and a text back."""
    with (
        stopping(Linphone("201", house.folder, REGISTRAR_IP, "p201")) as phone,
        house.door(edit=account('texters = ["201"]')) as door,
    ):
        phone.wait_registered()
        phone.tell(f"chat sip:door@{REGISTRAR_IP} status")
        door.await_record("text-arrived", caller="201")
        phone.await_news("home registered")
    works("unified communications", "text from Linphone, and the answer to it")
