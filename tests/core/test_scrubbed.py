# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trace shows of SIP: everything but what opens a door, an account or somebody's conversation."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.core.events import SipMessageTraced
from intercom.engine.sip.log import Log
from intercom.engine.sip.trace import MOST, Trace, scrubbed

SECRET = "Zx9Q"
"""Nothing else in these messages holds it."""
INVITE = """\
INVITE sip:201@192.0.2.1 SIP/2.0
Via: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bK1
From: "Front door" <sip:door@192.0.2.1>;tag=1
To: <sip:201@192.0.2.1>
Call-ID: abc
CSeq: 2 INVITE
Proxy-Authorization: Digest username="door", realm="pbx, of the house", nonce="Zx9Q", uri="sip:201@192.0.2.1",
 response="Zx9Q", cnonce="Zx9Q", qop=auth, nc=00000001, opaque="Zx9Q", algorithm=SHA-256
Content-Type: application/sdp
Content-Length: 9

v=0
o=- 1 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
k=clear:Zx9Q
m=audio 4000 RTP/SAVP 96 0
a=rtpmap:96 opus/48000/2
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:Zx9Q|2^31
a=ice-ufrag:ab
a=ice-pwd:Zx9Q
a=fingerprint:sha-256 AA:BB
a=key-mgmt:mikey Zx9Q
a=x-own:Zx9Q
a=sendrecv
""".replace("\n", "\r\n")


def test_the_whole_of_an_invite() -> None:
    """What finds a fault is there; what can be used is not; and the length is that of what is left."""
    head, _, body = scrubbed(INVITE).partition("\r\n\r\n")

    assert head.split("\r\n")[:6] == INVITE.split("\r\n")[:6]
    assert head.split("\r\n")[6:] == [
        (
            'Proxy-Authorization: Digest username="door", realm="pbx, of the house", nonce=***, '
            'uri="sip:201@192.0.2.1", response=***, cnonce=***, qop=auth, nc=00000001, opaque=***, algorithm=SHA-256'
        ),
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    assert body.split("\r\n")[5:] == [
        "k=***", "m=audio 4000 RTP/SAVP 96 0", "a=rtpmap:96 opus/48000/2",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***", "a=ice-ufrag:ab", "a=ice-pwd:***",
        "a=fingerprint:sha-256 AA:BB", "a=key-mgmt:***", "a=x-own:***", "a=sendrecv", "",
    ]  # fmt: skip


SECRETS_IN = (
    'Authorization: Digest username="a", response="{}"',
    "authorization:Digest response={},username=a",
    'AUTHORIZATION : Digest\r\n nonce = "{}"\r\n\t, response="{}"',
    "Proxy-Authorization: Basic {}",
    "Proxy-Authorization: Bearer {}",
    "Authorization: Basic {}=",
    "authorization :\tBASIC  {}==",
    "Proxy-Authorization: NTLM {}=, x={}",
    "X-Api-Token: {}",
    "Authorisation: Digest username={}",
    "P-Own-\xe4: \udcff{}",
    "{} a line without a colon",
    'WWW-Authenticate: Digest realm="a\\" b", nonce="{}", qop="auth,auth-int"',
    'Proxy-Authenticate: Digest nonce="{}"\r\nAuthentication-Info: rspauth="{}", nextnonce="{}"',
    "Contact: <sip:door:{}@192.0.2.9>;expires=300",
    "Content-Type: application/dtmf-relay\r\n\r\nSignal={}\r\nDuration=160",
    "c: text/plain;charset=UTF-8\r\nl: 4\r\n\r\n{}",
    "Content-Type: application/sdp\r\nContent-Type: text/plain\r\n\r\nv=0\r\ni={}",
    "Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nContent-Type: application/sdp\r\n\r\nk={}",
    "Content-Type: application/SDP; x=y\r\n\r\nv=0\r\n A=crypto:1 S inline:{}\r\na = crypto: 1 {}\r\nk ={}\r\n{}",
    "X: y\r\n\r\n{}",
)
plain = st.sampled_from(
    ["Via: SIP/2.0/UDP 192.0.2.9", "Call-ID: a@b", "Subject:", "Subject: \xe4 \udcff", "Allow: INFO,\r\n BYE"]
)


ends = st.sampled_from(["\r\n", "\n", "\r"])


@given(st.lists(plain, max_size=4), st.sampled_from(SECRETS_IN), st.lists(plain, max_size=4), ends, st.booleans())
def test_no_secret_is_left_wherever_it_stands(
    before: list[str], secret: str, after: list[str], end: str, longer: bool
) -> None:
    """In any spelling of a header, with any end of a line that PJSIP takes, and among any other headers."""
    rest = [] if "\r\n\r\n" in secret else after
    lines = ["MESSAGE sip:201@192.0.2.1 SIP/2.0", *before, secret.replace("{}", SECRET), *rest]
    message = "\r\n".join(lines).replace("\r\n", end) + end * (2 if longer else 0)
    told = scrubbed(message)

    assert SECRET not in told
    assert told.startswith("MESSAGE sip:201@192.0.2.1 SIP/2.0\r\n")
    for line in before:
        assert line.replace(",\r\n ", ", ") in told


@given(st.text(st.characters(max_codepoint=0x2FF)) | st.text(st.sampled_from('a=: \r\n"\\,;@<>Digest')))
def test_any_rubbish_is_told_as_a_message_with_its_length(rubbish: str) -> None:
    """The engine lives on, whatever comes."""
    told = scrubbed(f"INFO sip:a SIP/2.0\r\nContent-Length: 77\r\n{rubbish}", ["secret"], ["cut off"])
    head, _, body = told.partition("\r\n\r\n")

    assert "X-Trace: cut off" in head
    for length in re.findall(r"(?m)^Content-Length: (\d+)", head):
        assert int(length) == len(body.encode())


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6))
def test_a_password_is_left_out_wherever_it_stands(password: str) -> None:
    """Also one that looks like a part of the protocol: then there is little left to see, and no digest either."""
    told = scrubbed(INVITE + password, [password])

    assert password not in told or set(password) <= set("*")
    assert SECRET not in told


def test_messages_are_found_in_the_log_of_pjsip() -> None:
    """Its own words around it (pjsua_core.c), other entries, and a message too long for its log."""
    heard: list[SipMessageTraced] = []
    trace = Trace(["hidden"], "127.0.0.9", 5070, heard.append)
    text = "OPTIONS sip:hidden@127.0.0.20 SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"
    told = "{} 52 bytes Request msg OPTIONS/cseq=1 (tdta0x55) {} {}:\n"
    trace.read(f"12:00:00.000   pjsua_core.c  .{told.format('TX', 'to UDP', '127.0.0.20:5060')}{text}\n--end msg--\n")
    trace.read(f"12:00:00.000   pjsua_core.c  .{told.format('RX', 'from TLS6', '[::1]:5061')}{text}")
    trace.read("12:00:00.000   sip_endpoint.c  Module registered\nTX 52 bytes to UDP 127.0.0.20:5060:\nx\n--end msg--")

    assert [(seen.sent, seen.transport, seen.local, seen.remote) for seen in heard] == [
        (True, "UDP", "127.0.0.9:5070", "127.0.0.20:5060"),
        (False, "TLS", "127.0.0.9:5070", "[::1]:5061"),
    ]
    assert heard[0].text == text.replace("hidden", "***")
    assert "X-Trace: cut off, it had 52 bytes\r\n" in heard[1].text


def test_a_flood_is_told_of_and_not_passed_on() -> None:
    """Whoever floods the door while somebody traces holds up nothing."""
    heard: list[SipMessageTraced] = []
    trace = Trace([], "127.0.0.9", 5070, heard.append)
    entry = (
        "pjsua_core.c  .RX 1 bytes Request msg X/cseq=1 (rdata0x5) from UDP 127.0.0.20:5060:\nX a SIP/2.0\n--end msg--"
    )
    for _ in range(3 * MOST):
        trace.read(entry, 1000.5)
    trace.read(entry, 1001.0)

    assert len(heard) == MOST + 1
    assert f"X-Trace: {2 * MOST} before it were left out" in heard[-1].text


@pytest.mark.parametrize("level", [4, 5])
def test_no_code_and_no_text_is_in_the_log_at_any_level(level: int) -> None:
    """What PJSIP says at the levels for developers: whole messages, and keys that it sends."""
    log = Log(["hidden"])
    message = (
        "MESSAGE sip:door@192.0.2.9 SIP/2.0\r\nFrom: <sip:201@pbx>\r\nAuthorization: Basic aGlkZGVuOjQ3MTE=\r\n"
        "X-Token: aGlkZGVu\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nopen 471147"
    )
    entry = (
        "12:00:00.000   pjsua_core.c  .RX 211 bytes Request msg MESSAGE/cseq=1 (rdata0x5) from UDP 192.0.2.1:5060:\n"
        f"{message}\n--end msg--\n"
    )
    told = log.fit(entry, level) + log.fit("12:00:00.000  pjsua_call.c  Call 0 sending DTMF 4711 using RFC2833", level)

    for secret in ("4711", "aGlkZGVu", "open"):
        assert secret not in told
    assert "RX 211 bytes Request msg MESSAGE/cseq=1" in told
    assert "From: <sip:201@pbx>" in told
    assert "sending DTMF *** using RFC2833" in told
