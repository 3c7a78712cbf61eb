# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door says over UDP stays below 1,300 bytes where that can be had (RFC 3261 section 18.1.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from links import route
from sip_peers import Engine, Peer, Request, account

from intercom.cli.doctor_checks import account as account_checks
from intercom.cli.doctor_checks.finding import Health
from intercom.config.model import Account
from intercom.core.commands import PlaceCall, Register
from intercom.core.events import CallAnswered, LineUp
from intercom.ipc.protocol import AccountSettings, ButtonSettings

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

LARGEST = 1299
CODECS = ("opus", "g722", "pcma", "pcmu")
HERE, OURS = "10.20.0.1", "10.20.0.9"
CHALLENGE = (
    'Digest realm="asterisk.home.example", nonce="1732991234/0123456789abcdef0123456789abcdef", '
    'opaque="0123456789abcdef", algorithm={}, qop="auth"'
)
SOUND: dict[str, dict[str, Any]] = {
    "plain": {},
    "SDES": {"srtp": "optional"},
    "SDES alone": {"srtp": "required"},
    "DTLS": {"srtp": "optional", "srtp_keys": "dtls"},
}
"""What is switched on of an account -> its settings."""
LARGER: dict[str, dict[str, Any]] = {
    "ICE": {"ice": True},
    "ICE, SDES": {"srtp": "optional", "ice": True},
    "ICE, DTLS": {"srtp": "optional", "srtp_keys": "dtls", "ice": True},
}
"""The same, of what does not fit: each address of the machine takes two lines more. `intercom check` warns of it."""


class Server(Peer):
    """It wants a login for each call, as long as such a thing gets, and keeps the answer that a test gives it."""

    algorithm, number = "MD5", 8

    def _answer(self, request: Request, code: int) -> bytes:
        if request.method != "INVITE":
            return super()._answer(request, code)
        if not request.header("Authorization"):
            return request.answer(401, f"WWW-Authenticate: {CHALLENGE.format(self.algorithm)}\r\n")
        names = {96: "opus/48000/2", 9: "G722/8000", 8: "PCMA/8000", 0: "PCMU/8000"}
        keys = re.findall(r"(?m)^(a=crypto:1 .*?)\r?$", request.body)
        sdp = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio 34000 "
        sdp += f"{'RTP/SAVP' if keys else 'RTP/AVP'} {self.number}\r\na=rtpmap:{self.number} {names[self.number]}\r\n"
        return request.answer(200, f"Contact: <sip:201@{self.address}>\r\n", sdp + "".join(f"{k}\r\n" for k in keys))


def invites(
    home: tuple[str, ...], button: ButtonSettings | None = None, algorithm: str = "MD5", number: int = 8, **changes: Any
) -> list[Request]:
    """Have the door call somebody through a server; return its INVITEs, with and without a login."""
    route(home, "default via 10.20.0.1")
    peer = Server(HERE, REGISTER=200, INVITE=200, BYE=200)
    peer.algorithm, peer.number = algorithm, number
    engine = Engine(_at(peer, **changes), argv=home, bind="", codecs=CODECS, buttons=(button,) if button else ())
    try:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201", button=button.button if button else ""))
        engine.wait(CallAnswered)
        return peer.got("INVITE")
    finally:
        engine.close()
        peer.close()


def _at(peer: Peer, **changes: Any) -> AccountSettings:
    return account(peer, **{"user": "front-door-of-the-house", **changes})


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("sound", SOUND)
def test_a_call_fits_into_one_packet(home: tuple[str, ...], sound: str, algorithm: str) -> None:
    """With a long login, all codecs, and what the account has switched on; and it is answered."""
    sizes = [len(request.text.encode()) for request in invites(home, algorithm=algorithm, **SOUND[sound])]
    print(f"{sound}, {algorithm}: INVITE of {', '.join(map(str, sizes))} bytes")

    assert max(sizes) <= LARGEST


@pytest.mark.parametrize("sound", LARGER)
def test_what_does_not_fit_is_as_short_as_it_gets(home: tuple[str, ...], sound: str) -> None:
    """And goes out all the same, and is answered."""
    called = invites(home, **LARGER[sound])
    print(f"{sound}: INVITE of {', '.join(str(len(request.text.encode())) for request in called)} bytes")

    last = called[-1]
    assert len(last.text.encode()) > LARGEST
    assert not any(last.header(name) for name in ("Allow", "User-Agent", "Min-SE"))
    assert not re.search(r"(?m)^a=(sendrecv|rtpmap:\d\b|fmtp:12|crypto:2)", last.body)


def test_what_fits_says_everything(home: tuple[str, ...]) -> None:
    """Some phone may want what it could do without: nothing is left out that need not be."""
    asked, _ = invites(home, srtp="optional")

    assert "\r\nVia: " in asked.text
    assert re.findall(r"(?m)^a=rtpmap:(\d+)", asked.body) == ["96", "9", "8", "0", "120", "121"]
    assert asked.header("Allow") and asked.header("User-Agent")
    assert len(re.findall(r"(?m)^a=crypto:", asked.body)) == 2


@pytest.mark.parametrize("number", [96, 9, 8, 0])
def test_each_codec_of_a_short_offer_may_be_answered(home: tuple[str, ...], number: int) -> None:
    """A number that RFC 3551 has given is a codec's without its rtpmap."""
    called = invites(home, number=number, user="f" * 120, **SOUND["SDES"])[-1]

    assert re.findall(r"(?m)^a=rtpmap:(\d+)", called.body) == ["96", "120", "121"]
    assert not re.search(r"(?m)^Allow:", called.head)


def test_nothing_is_promised_that_is_refused(home: tuple[str, ...]) -> None:
    """No transfer, no taking over, no subscription (RFC 3261 section 20.5)."""
    asked, _ = invites(home)

    assert not {"REFER", "SUBSCRIBE", "NOTIFY"} & set(asked.header("Allow").split(", "))
    assert set(asked.header("Supported").split(", ")) == {"100rel", "timer"}


class Narrow(Peer):
    """Behind a router that drops what comes in fragments."""

    def _serve(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:  # closed
                return
            if len(data) <= 1500:
                self.socket.sendto(Request(data, source[:2]).answer(200), source)


@pytest.mark.parametrize(
    ("kind", "more", "health"),
    [
        (Narrow, {"ice": True}, Health.UNWISE),
        (Narrow, {"turn": "192.0.2.7:3478"}, Health.UNWISE),
        (Narrow, {}, Health.WELL),
        (Peer, {"ice": True}, Health.WELL),
    ],
)
def test_the_doctor_sees_whether_large_messages_get_there(
    kind: type[Peer], more: dict[str, Any], health: Health
) -> None:
    """Where calls may be large; a small question is answered all the same."""
    peer = kind(OPTIONS=200, REGISTER=200)
    try:
        account = Account("home", server=peer.address, user="door", **more)
        found = {finding.what: finding for finding in account_checks.checks(account, "")}
    finally:
        peer.close()

    assert found["server home"].health is health, found
    assert (health is Health.WELL) or "1800 bytes" in found["server home"].seen
