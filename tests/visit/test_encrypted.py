"""Encrypted: signalling by TLS, sound by SRTP, and no way back when it is required."""

from __future__ import annotations

import time
from collections.abc import Iterator

import interop_table
import pytest

from lab.baresip import Phone
from lab.house import CODE, STRIKE, VISITOR_HZ, House, heard_by, stopping
from lab.kamailio import Kamailio
from lab.tones import speech_tone

IP = "127.0.0.23"
PEERS = interop_table.peer("kamailio"), interop_table.peer("baresip")


@pytest.fixture(scope="module")
def secure(house: House) -> Iterator[Kamailio]:
    """A service with a certificate of an authority of its own."""
    with stopping(Kamailio(house.folder, ip=IP, users={"door": "secret", "201": "p201"}, tls=True)) as service:
        yield service


def over_tls(service: Kamailio, srtp: str) -> str:
    """The account's keys."""
    assert service.certificates
    return f'user = "door"\ntransport = "tls"\nca_file = "{service.certificates.authority}"\nsrtp = "{srtp}"\n'


def phone(house: House, service: Kamailio, mediaenc: str | None) -> Phone:
    """Extension 201, which encrypts its sound so, or not at all."""
    number = Phone("201", house.folder, service, "p201", tone_hz=440.0, mediaenc=mediaenc)
    number.wait_registered()
    return number


@pytest.mark.parametrize(
    ("srtp", "mediaenc"),
    [("required", "srtp-mand"), ("optional", "srtp"), ("optional", None), ("required", "dtls_srtp")],
)
def test_a_visit_over_tls(house: House, secure: Kamailio, srtp: str, mediaenc: str | None) -> None:
    """Rung, heard and opened, with the sound as encrypted as both want it."""
    keys = over_tls(secure, srtp) + ('srtp_keys = "dtls"\n' if mediaenc == "dtls_srtp" else "")
    edit = lambda text: text.replace('user = "door"\n', keys)  # noqa: E731
    with stopping(phone(house, secure, mediaenc)) as inside, house.door(edit=edit, registrar=IP) as door:
        house.room.say(speech_tone(VISITOR_HZ, 3), loop=True)
        door.press()
        inside.await_event("CALL_INCOMING")
        inside.answer()
        door.await_record("call-answered")
        time.sleep(1.5)  # a sentence takes time
        inside.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
        inside.hang_up()

        assert door.await_visit().outcome == "talked"
        assert heard_by(inside).heard


@pytest.mark.parametrize("mediaenc", ["srtp-mand", "dtls_srtp"])
def test_a_phone_may_offer_its_keys_as_it_likes(house: House, secure: Kamailio, mediaenc: str) -> None:
    """In a call to the door: keys in the SDP, or agreed on by DTLS; the door answers either, and is heard."""
    edit = lambda text: text.replace('user = "door"\n', over_tls(secure, "required"))  # noqa: E731
    with stopping(phone(house, secure, mediaenc)) as inside, house.door(edit=edit, registrar=IP) as door:
        house.room.say(speech_tone(VISITOR_HZ, 3), loop=True)
        inside.call("door")
        door.await_record("call-answered")
        time.sleep(1.5)  # a sentence takes time
        inside.hang_up()

        assert door.await_visit(by="201").outcome == "talked"
        assert heard_by(inside).heard
    offered = "DTLS (RFC 5763)" if mediaenc == "dtls_srtp" else "SDES (RFC 4568)"
    interop_table.add("SDP", f"{offered} offered by a caller", *PEERS)


def test_no_call_without_encryption_where_it_is_required(house: House, secure: Kamailio) -> None:
    """A phone that answers in the clear is hung up on before a word is heard, and the journal says why."""
    edit = lambda text: text.replace('user = "door"\n', over_tls(secure, "required"))  # noqa: E731
    with stopping(phone(house, secure, None)) as inside, house.door(edit=edit, registrar=IP) as door:
        house.room.say(speech_tone(VISITOR_HZ, 3), loop=True)
        door.press()
        ended = door.await_record("call-ended")
        visit = door.await_visit()

        assert "the sound would not be encrypted" in ended["INTERCOM_REASON"]
        assert visit.outcome == "unreachable"
        assert not door.records("call-answered")
        assert inside.recordings() == []


def test_a_caller_in_the_clear_is_refused_where_encryption_is_required(house: House, secure: Kamailio) -> None:
    """PJSIP refuses it before any account hears of it; the journal tells who it was, and why."""
    edit = lambda text: text.replace('user = "door"\n', over_tls(secure, "required"))  # noqa: E731
    with stopping(phone(house, secure, None)) as inside, house.door(edit=edit, registrar=IP) as door:
        inside.call("door")
        refused = door.await_record("call-refused")
        closed = inside.await_event("CALL_CLOSED")

        assert "488" in closed.param
        assert refused["INTERCOM_REASON"] == "the sound would not be encrypted"
        assert (refused["INTERCOM_CALLER"], refused["INTERCOM_ACCOUNT"]) == ("201", "home")
        assert not door.records("call-arrived")
        assert inside.recordings() == []
