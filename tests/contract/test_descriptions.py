# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a far end says of its sound: the engine lives, and where there is a voice there is a call."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conversations import play
from sip_peers import Engine, running
from test_far_ends import called, described, has_sound, trunk

from intercom.core.commands import AnswerCall, Audio, HangUp, PlaceCall, Register, SetAudio
from intercom.core.events import CallAnswered, CallArrived, CallEnded, LineUp, StreamMeasured
from intercom.engine.sip.user_agent import library
from lab.descriptions import CODECS, Writer
from lab.far_end import ANY, FarEnd

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

SEED = 8866
NOT_NEEDED = {
    "ssrc of nothing": "a=ssrc:",
    "ssrc without a colon": "a=ssrc",
    "ssrc that is no number": "a=ssrc:abc cname:x",
    "ssrc without a name": "a=ssrc:900323067",
    "ssrc, a blank behind it": "a=ssrc:123 ",
    "ssrc, an empty name": "a=ssrc:123 cname:",
    "ssrc below zero": "a=ssrc:-1 cname:x",
    "ssrc of somebody else": "a=ssrc:1 label:x\r\na=ssrc:2",
    "rtcp of nothing": "a=rtcp:",
    "rtcp that is no number": "a=rtcp:abc",
    "rtcp at no address": "a=rtcp:33001 IN IP4 999.1.1.1",
    "rtcp, the address left out": "a=rtcp:33001 IN IP4",
    "rtcp over IPv6": "a=rtcp:33001 IN IP6 ::1",
    "rtcp below zero": "a=rtcp:-1",
    "rtcp beyond all ports": "a=rtcp:99999",
    "rtcp at a name": "a=rtcp:33001 IN IP4 phone.invalid",
    "a candidate with a name": "a=candidate:1 1 UDP 2130706431 phone.local 33000 typ host",
    "a candidate of nothing": "a=candidate:",
    "a key that is none": "a=crypto:1 ROT13 inline:x",
    "a key of nothing": "a=crypto:",
    "a fingerprint of nothing": "a=fingerprint:",
    "half of ICE": "a=ice-ufrag:abcd",
    "ICE of nothing": "a=ice-ufrag:\r\na=ice-pwd:",
    "nothing at all": "a=",
    "no attribute": "x",
    "a line that is empty": "\r\n",
    "a bandwidth of nothing": "b=",
    "a bandwidth below zero": "b=AS:-1",
    "letters nobody knows": "q=1\r\nV=2",
    "an rtpmap of nothing": "a=rtpmap:",
    "an rtpmap of what is not spoken": "a=rtpmap:97",
    "a length of nothing": "a=ptime:",
    "hundreds of them": "\r\n".join(f"a=x{n}:y" for n in range(300)),
}
"""What the sound does not need, however it is said."""


@pytest.fixture
def far() -> Iterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()


@pytest.mark.parametrize(("srtp", "times"), [("off", 2400), ("optional", 1600), ("required", 1000)])
def test_five_thousand_descriptions_out_of_a_grammar(srtp: str, times: int) -> None:
    """Offers and answers by RFC 8866's grammar, plausible and damaged."""
    outcome = play(Writer(SEED + times, srtp), srtp, times)

    print(srtp, dict(sorted(outcome.counts.items())))
    assert not outcome.wrong, f"{len(outcome.wrong)}: {outcome.wrong[0][0]}\n{outcome.wrong[0][1]}"


@pytest.mark.parametrize("srtp", ["off", "optional"])
def test_what_the_sound_does_not_need_costs_no_call(far: FarEnd, srtp: str) -> None:
    """In an answer, in early media, in an offer, and in a second offer: the call stands, and its sound goes on."""
    with running(trunk(far, srtp=srtp), bind="127.0.0.1") as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind(("127.0.0.1", 33000))
            rtp.settimeout(15)
            for name, line in NOT_NEEDED.items():
                sdp = described(far, *line.split("\r\n"))
                leg = f"v.{name}"
                engine.send(PlaceCall(leg, "house", f"sip:201@{far.address}"))
                invite = far.wait("INVITE")
                far.answer(invite, 183, sdp)
                far.answer(invite, 200, sdp)
                told = engine.wait((CallAnswered, CallEnded), where=lambda event, leg=leg: event.leg == leg)
                assert isinstance(told, CallAnswered), (name, told)
                engine.send(SetAudio(Audio(card=True, speak=leg, hear=leg)))
                call = far.dialog(invite)
                far.ask(call, "INVITE", invite.source, described(far, *line.split("\r\n"), version=2))
                assert has_sound(far.final(call, invite.source)), name
                _empty(rtp)
                assert rtp.recv(2048), name
                engine.send(HangUp(leg))
                ended = engine.wait(CallEnded, where=lambda event, leg=leg: event.leg == leg)
                assert ended.code == 200, (name, ended)

                call = far.ring(invite.source, sdp, name.replace(" ", "-").replace(",", ""))
                leg = engine.wait(CallArrived).leg
                engine.send(AnswerCall(leg))
                assert has_sound(far.final(call, invite.source)), name
                engine.wait(CallAnswered)
                engine.send(HangUp(leg))
                assert engine.wait(CallEnded, where=lambda event, leg=leg: event.leg == leg).code == 200, name


def _empty(rtp: socket.socket) -> None:
    """Forget what has come so far."""
    rtp.setblocking(False)
    try:
        while True:
            rtp.recv(2048)
    except BlockingIOError:
        rtp.settimeout(15)


KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
OTHER_KEY = KEY.replace("A" * 40, "B" * 40)
PRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
STREAMS = {
    "plain, then encrypted": (("RTP/AVP 8",), ("RTP/SAVP 8", KEY)),
    "encrypted, then plain": (("RTP/SAVP 8", KEY), ("RTP/AVP 8",)),
    "two in the clear": (("RTP/AVP 8",), ("RTP/AVP 0",)),
    "two encrypted": (("RTP/SAVP 8", KEY), ("RTP/SAVP 0", OTHER_KEY)),
    "a codec that nobody speaks, then one": (("RTP/AVP 18",), ("RTP/AVP 8",)),
    "encrypted without a key, then with one": (("RTP/SAVP 8",), ("RTP/SAVP 8", KEY)),
    "encrypted without a key, then plain": (("RTP/SAVP 8",), ("RTP/AVP 8",)),
    "a key that nobody knows, then plain": (("RTP/SAVP 8", KEY.replace("AES", "ROT")), ("RTP/AVP 8",)),
    "DTLS without a fingerprint, then a key": (("UDP/TLS/RTP/SAVP 8",), ("RTP/SAVP 8", KEY)),
    "DTLS, then a key": (("UDP/TLS/RTP/SAVP 8", PRINT, "a=setup:actpass"), ("RTP/SAVP 8", KEY)),
    "a fingerprint that nobody begins with, then a key": (("RTP/SAVP 8", PRINT), ("RTP/SAVP 8", KEY)),
    "a fingerprint on hold, then a key": (("RTP/SAVP 8", PRINT, "a=setup:holdconn"), ("RTP/SAVP 8", KEY)),
    "both ways to the keys": (("RTP/SAVP 8", PRINT, "a=setup:actpass", KEY), ("RTP/AVP 8",)),
    "two keys with one tag": (("RTP/SAVP 8", KEY, OTHER_KEY), ("RTP/AVP 8",)),
    "an address of the other kind, then ours": (("RTP/AVP 8", "c=IN IP6 ::1"), ("RTP/AVP 8",)),
    "a codec that is not configured, then one": (("RTP/AVP 9",), ("RTP/AVP 8",)),
    "a picture, sound, and more sound": (("video", "RTP/AVP 96"), ("RTP/SAVP 8", KEY), ("RTP/AVP 8",)),
    "none, then one": (("RTP/AVP 0", "port 0"), ("RTP/AVP 8",)),
}
"""Streams of an offer: protocol and numbers, and the lines of each."""
SPOKEN = {
    "off": (0, 1, 0, None, 1, None, 1, 1, None, None, None, None, 1, 1, 1, 1, 2, 1),
    "optional": (1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1),
    "required": (1, 0, None, 0, None, 1, None, None, 1, 0, 1, 1, 0, 0, None, None, 1, None),
}
"""Which of them is spoken; None: there is no call."""


def offered(streams: tuple[tuple[str, ...], ...]) -> str:
    """An offer of these streams."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    for number, (first, *more) in enumerate(streams):
        kind, what = ("video", more.pop(0)) if first == "video" else ("audio", first)
        port = 0 if "port 0" in more else 33000 + 2 * number
        addresses = [line for line in more if line.startswith("c=")]
        others = [line for line in more if not line.startswith("c=") and line != "port 0"]
        lines += [f"m={kind} {port} {what}", *addresses, *others]
    return "\r\n".join([*lines, ""])


@pytest.mark.parametrize("srtp", SPOKEN)
def test_of_several_streams_the_first_that_can_be_spoken_is(far: FarEnd, srtp: str) -> None:
    """The others keep their places, with port 0 (RFC 3264 section 6)."""
    with running(trunk(far, srtp=srtp), bind="127.0.0.1", codecs=("pcma", "pcmu")) as engine:
        engine.send(Register("house"), PlaceCall("first", "house", f"sip:201@{far.address}"))
        door = (invite := far.wait("INVITE")).source
        far.answer(invite, 486)
        engine.wait(CallEnded)
        for (name, streams), spoken in zip(STREAMS.items(), SPOKEN[srtp], strict=True):
            call = far.ring(door, offered(streams))
            first = far.wait("INVITE", ANY, call.call_id)
            if spoken is None:
                assert first.code in (415, 488), (name, first.head)
                far.acknowledge(call, first, door)
                continue
            assert first.code == 100, (name, first.head)
            leg = engine.wait(CallArrived).leg
            engine.send(AnswerCall(leg))
            ports = re.findall(r"(?m)^m=\w+ (\d+)", far.final(call, door).body)
            assert [number for number, port in enumerate(ports) if int(port)] == [spoken], name
            assert len(ports) == len(streams), name
            engine.wait(CallAnswered)
            engine.send(HangUp(leg))
            engine.wait(CallEnded)


RENUMBERED = {
    "13 PCMU/8000": "pcmu", "97 PCMU/8000": "pcmu", "96 PCMA/8000": "pcma", "12 PCMA/8000": "pcma",
    "98 G722/8000": "g722", "19 G722/8000": "g722", "0 PCMA/8000": "pcma", "8 PCMU/8000/1": "pcmu",
    "35 opus/48000/2": "opus", "9 opus/48000/2": "opus", "127 OPUS/48000/2": "opus",
}  # fmt: skip


@pytest.mark.parametrize("rtpmap", RENUMBERED)
def test_a_codec_is_known_by_its_name_under_any_number(far: FarEnd, rtpmap: str) -> None:
    """RFC 8866 section 6.6: the rtpmap says what a number stands for. The answer has the offer's number."""
    number = rtpmap.split(maxsplit=1)[0]
    sdp = described(far).replace("RTP/AVP 8\r\na=rtpmap:8 PCMA/8000", f"RTP/AVP 3 {number}\r\na=rtpmap:{rtpmap}")
    with running(trunk(far), bind="127.0.0.1", codecs=tuple(CODECS)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        leg, _ = called(engine, far, described(far))
        door = far.seen[-1].source
        engine.send(HangUp(leg))
        engine.wait(CallEnded)
        call = far.ring(door, sdp)
        leg = engine.wait(CallArrived).leg
        engine.send(AnswerCall(leg))
        answer = far.final(call, door)

        assert has_sound(answer)
        assert f"RTP/AVP {number}" in answer.body
        engine.send(SetAudio(Audio(card=True, speak=leg, hear=leg)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind(("127.0.0.1", 33000))
            rtp.settimeout(15)
            assert rtp.recv(2048)[1] & 0x7F == int(number)
        engine.wait(CallAnswered)
        engine.send(HangUp(leg))
        assert engine.wait(CallEnded).code == 200


def test_several_codecs_in_an_answer_are_left_at_that(far: FarEnd) -> None:
    """RFC 3264 section 5.1: no second offer is called for, and many a phone never answers one."""
    with running(trunk(far), bind="127.0.0.1", codecs=tuple(CODECS)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("v.1", "house", f"sip:201@{far.address}"))
        invite = far.wait("INVITE")
        far.answer(invite, 200, described(far).replace("AVP 8", "AVP 9 8 0"), "Allow: INVITE, ACK, BYE, UPDATE")
        engine.wait(CallAnswered)
        far.wait("ACK")
        engine.send(HangUp("v.1"))
        message = far.next()

        assert message is not None
        assert message.method == "BYE"


# ---- names ----


def test_pjsip_cannot_look_a_name_up() -> None:
    """No call site of its C code is left: what it links with resolves nothing."""
    code = Path(library()).read_bytes()

    assert not [
        name
        for name in (b"getaddrinfo", b"gethostbyname", b"gethostbyname_r", b"res_query")
        if b"\0" + name + b"\0" in code
    ]


PATIENCE_S = 2.5
"""Half of what a resolver waits for one answer (resolv.conf(5))."""
NAMED = {
    "where the sound is to go": ("c", "IN IP4 phone.invalid"),
    "of that over IPv6": ("c", "IN IP6 phone.invalid"),
    "of the home": ("c", "IN IP4 phone.local"),
    "of RTCP": ("a", "a=rtcp:33001 IN IP4 phone.invalid"),
    "of a candidate": ("a", "a=candidate:1 1 UDP 2130706431 phone.invalid 33000 typ host"),
    "of a contact": ("h", "Contact: <sip:far@phone.invalid>"),
    "of a route": ("h", "Record-Route: <sip:phone.invalid;lr>"),
}


def test_a_silent_name_server_holds_up_no_call_whatever_is_named(far: FarEnd, tmp_path: Path) -> None:
    """Each call with a name in it ends with a reason or goes on, and no other is held up."""
    files = {
        "resolv.conf": "nameserver 127.0.0.99\n",
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    script = "".join(f"mount --bind {tmp_path}/{name} /etc/{name} && " for name in files) + 'exec "$@"'
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.99", 53))
        with running(trunk(far), argv=("unshare", "-m", "sh", "-c", script, "sh"), bind="127.0.0.1") as engine:
            engine.send(Register("house"))
            engine.wait(LineUp)
            good, _ = called(engine, far, described(far))
            for name, (place, value) in NAMED.items():
                began = time.monotonic()
                _with_a_name(engine, far, name, place, value)
                assert time.monotonic() - began < PATIENCE_S, name
            began = time.monotonic()
            engine.send(HangUp(good))
            assert engine.wait(CallEnded, where=lambda event: event.leg == good).code == 200
            assert time.monotonic() - began < PATIENCE_S


def _with_a_name(engine: Engine, far: FarEnd, name: str, place: str, value: str) -> None:
    sdp = described(far, *([value] if place == "a" else []), **({"c": value} if place == "c" else {}))
    leg = f"v.{name}"
    engine.send(PlaceCall(leg, "house", f"sip:201@{far.address}"))
    invite = far.wait("INVITE")
    far.answer(invite, 200, sdp, *([value] if place == "h" else []))
    told = engine.wait((CallAnswered, CallEnded), seconds=3, where=lambda event: event.leg == leg)
    if place == "c":
        far.answer(far.wait("BYE"), 200)
        ended = told if isinstance(told, CallEnded) else engine.wait(CallEnded, where=lambda event: event.leg == leg)
        assert ended.code == 488
        assert value.rsplit(maxsplit=1)[-1] in ended.reason
    else:
        assert isinstance(told, CallAnswered)
        engine.send(HangUp(leg))


@pytest.mark.parametrize(("first", "sent"), [(8, 0), (0, 8)])
def test_a_far_end_that_agreed_on_both_laws_is_heard_in_either(far: FarEnd, first: int, sent: int) -> None:
    """RFC 3264 section 5.1: it may change between what was agreed on without a word."""
    with running(trunk(far), bind="127.0.0.1", codecs=tuple(CODECS)) as engine, contextlib.ExitStack() as closing:
        rtp = closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        rtp.bind(("127.0.0.1", 33000))
        rtp.settimeout(15)
        engine.send(Register("house"))
        engine.wait(LineUp)
        leg, _ = called(engine, far, described(far).replace("AVP 8", f"AVP {first} {sent}"))
        engine.send(SetAudio(Audio(card=True, speak=leg, hear=leg)))
        _, door = rtp.recvfrom(2048)
        loud = bytes([0x00, 0x80] * 80)
        for number in range(300):
            header = bytes([0x80, sent]) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + b"door"
            rtp.sendto(header + loud, door)
            rtp.recv(2048)
        told = engine.wait(StreamMeasured, where=lambda event: event.received >= 100)
        assert told.buffer_ms > 0, "what is thrown away never comes to the jitter buffer"
