"""A guest at the registrar: what the engine tells of a server that wants to be left alone."""

from __future__ import annotations

import contextlib

import pytest
from sip_peers import Peer, Request, account, running

from intercom.core.commands import Register
from intercom.core.events import LineLost, LineUp


class Saying(Peer):
    """Has one header more in its answers to REGISTER."""

    said = ""

    def _answer(self, request: Request, code: int) -> bytes:
        said = f"{self.said}\r\n" if request.method == "REGISTER" else ""
        if code == 200:
            said += f"Contact: {request.header('Contact')};expires=300\r\n"
        return request.answer(code, said)


@pytest.mark.parametrize("code", [403, 480, 500, 503])
@pytest.mark.parametrize(
    ("said", "asked_s"),
    [
        ("Retry-After: 120", 120.0),
        ("retry-after:600", 600.0),
        ("Retry-After: 18000;duration=3600", 18000.0),
        ("Retry-After: 120 (I'm in a meeting)", 120.0),
        ("Retry-After:\r\n 30", 30.0),
        ("Retry-After: soon", 0.0),
        ("Retry-After: -5", 0.0),
        ("X-Retry-After: 7", 0.0),
        ("Subject: x\r\nServer: Retry-After: 9", 0.0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone_is_told(code: int, said: str, asked_s: float) -> None:
    """RFC 3261 section 20.33, with its parameters, comments and folding; what is no number of seconds says nothing."""
    with contextlib.closing(Saying(REGISTER=code)) as server:
        server.said = said
        with running(account(server)) as engine:
            engine.send(Register("house"))
            told = engine.wait(LineLost)

            assert (told.code, told.retry_after_s) == (code, asked_s)


@pytest.mark.parametrize(
    "said",
    [
        "Retry-After: soon",
        "Min-Expires: ",
        "Min-SE: never",
        "Session-Expires: 90;refresher",
        "Expires: x",
        "WWW-Authenticate: Bearer",
        "Authentication-Info: ,",
        "Supported: ;",
        "Allow: @",
        "Event: ",
        "Refer-To: <",
        'P-Asserted-Identity: "',
    ],
)
def test_a_broken_header_that_nothing_needs_costs_no_answer(said: str) -> None:
    """Each of them would have been 32 s of repetitions, as if nobody had answered."""
    with contextlib.closing(Saying(REGISTER=200)) as server:
        server.said = said
        with running(account(server)) as engine:
            engine.send(Register("house"))
            engine.wait(LineUp, 3)

            assert len(server.got("REGISTER")) == 1


@pytest.mark.parametrize(
    "beside", ['Bearer realm="house"', "Negotiate", "NTLM", 'Bearer authz_server="https://x", scope="sip"']
)
@pytest.mark.parametrize("first", [True, False])
def test_digest_is_answered_beside_schemes_that_we_do_not_know(beside: str, first: bool) -> None:
    """RFC 8898, Lync-like servers: each challenge stands in a header of its own."""
    both = [f"WWW-Authenticate: {beside}", 'WWW-Authenticate: Digest realm="house", nonce="abc", algorithm=MD5']
    with contextlib.closing(Saying(REGISTER=(401, 200))) as server:
        server.said = "\r\n".join(both if first else both[::-1])
        with running(account(server)) as engine:
            engine.send(Register("house"))
            engine.wait(LineUp, 3)

            assert "Digest" in server.got("REGISTER")[1].header("Authorization")
