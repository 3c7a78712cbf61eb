# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that a far end says ends the engine or another call: what fails ends its own leg, told."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sip_peers import Engine, account, running

from intercom.core.commands import (
    AnswerCall,
    Audio,
    HangUp,
    PlaceCall,
    Register,
    RequestConfirmation,
    SendDtmf,
    SetAudio,
)
from intercom.core.events import AudioDeviceLost, CallAnswered, CallArrived, CallEnded, LineUp
from intercom.engine.sip.call import Leg
from lab.far_end import ANY, Dialog, FarEnd, Message

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

LEGS = itertools.count(1)


def described(
    far: FarEnd, *lines: str, c: str = "IN IP4 127.0.0.1", version: int = 1, transport: str = "RTP/AVP"
) -> str:
    """A description of PCMA, with whatever is said besides."""
    head = ["v=0", f"o=- 1 {version} IN IP4 127.0.0.1", "s=-", f"c={c}", "t=0 0"]
    return "\r\n".join([*head, f"m=audio 33000 {transport} 8", "a=rtpmap:8 PCMA/8000", *lines, ""])


def trunk(far: FarEnd, **changes: object) -> object:
    """An account whose server is that far end, known by its address; it registers nowhere."""
    settings = {"domain": far.address, "registrar_uri": "", "trust": "address", **changes}
    return account(None, **settings)


def door_of(message: Message) -> tuple[str, int]:
    """Where the door's message came from."""
    return message.source


@pytest.fixture
def far() -> Iterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()


def called(engine: Engine, far: FarEnd, sdp: str, *, ready: bool = True) -> tuple[str, Dialog]:
    """Have the door call, and answer it so; return the leg and the call. Not `ready`: decline it."""
    leg = f"v.{next(LEGS)}"
    engine.send(PlaceCall(leg, "house", f"sip:201@{far.address}"))
    invite = far.wait("INVITE")
    far.answer(invite, 200 if ready else 486, sdp if ready else "")
    engine.wait(CallAnswered if ready else CallEnded, where=lambda event: event.leg == leg)
    return leg, far.dialog(invite)


def has_sound(answer: Message) -> bool:
    """Tell whether an answer takes the stream."""
    return answer.code == 200 and "m=audio 0 " not in answer.body and "m=audio" in answer.body


HELD = {
    "inactive": {"lines": ("a=inactive",)},
    "sendonly": {"lines": ("a=sendonly",)},
    "no address": {"c": "IN IP4 0.0.0.0"},
    "no address, and sendonly": {"c": "IN IP4 0.0.0.0", "lines": ("a=sendonly",)},
    "no IPv6 address": {"c": "IN IP6 ::"},
    "no address, and inactive": {"c": "IN IP4 0.0.0.0", "lines": ("a=inactive",)},
}
"""First descriptions of a call that begins on hold (RFC 3264 section 8.4)."""


@pytest.mark.parametrize("way", HELD)
@pytest.mark.parametrize("first", ["answer", "offer", "early"])
def test_a_call_that_begins_on_hold_stands_and_can_be_resumed(far: FarEnd, way: str, first: str) -> None:
    """A phone that answers on hold, a queue that parks the call, click-to-dial by a third party."""
    held = HELD[way]
    sdp = described(far, *held.get("lines", ()), c=held.get("c", "IN IP4 127.0.0.1"))
    with running(trunk(far), bind="127.0.0.1") as engine:
        engine.send(Register("house"), SetAudio(Audio(card=True)))
        engine.wait(LineUp)
        engine.wait(AudioDeviceLost)  # from here on the sound is connected at once
        if first == "offer":
            good, _ = called(engine, far, described(far))
            door = far.seen[-1].source
            call = far.ring(door, sdp)
            leg = engine.wait(CallArrived).leg
            engine.send(AnswerCall(leg))
            assert far.final(call, door).code == 200
            engine.wait(CallAnswered, where=lambda event: event.leg == leg)
            engine.send(HangUp(good))
            engine.wait(CallEnded)
        else:
            leg = f"v.{next(LEGS)}"
            engine.send(PlaceCall(leg, "house", f"sip:201@{far.address}"))
            invite = far.wait("INVITE")
            door = door_of(invite)
            if first == "early":
                far.answer(invite, 183, sdp)
            far.answer(invite, 200, sdp)
            engine.wait(CallAnswered)
            call = far.dialog(invite)
        engine.send(SetAudio(Audio(card=True, speak=leg, hear=leg)), SendDtmf(leg, "1"))
        far.wait("INFO")  # obeyed in order: the sound was connected before
        far.ask(call, "INVITE", door, described(far, version=2))

        assert has_sound(far.final(call, door))
        engine.send(HangUp(leg))
        ended = engine.wait(CallEnded)
        assert (ended.leg, ended.code) == (leg, 200)
        assert engine.process.poll() is None


SAVP = {
    "no fingerprint": (),
    "keys by SDES beside it": ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",),
    "a fingerprint of nothing": ("a=fingerprint:",),
    "a fingerprint that is none": ("a=fingerprint:sha-256 zz", "a=setup:actpass"),
    "an unknown digest": ("a=fingerprint:md7 00:11", "a=setup:active"),
    "no digits": ("a=fingerprint:sha-256",),
    "keys that are none": ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",),
    "an unknown suite": ("a=crypto:1 ROT13 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",),
    "no suite": ("a=crypto:",),
    "setup of nothing": ("a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=setup:"),
}
"""What a stream that is to be encrypted may lack."""


@pytest.mark.parametrize("keys", ["sdes", "dtls"])
@pytest.mark.parametrize("srtp", ["optional", "required"])
def test_an_offer_that_cannot_be_encrypted_is_refused_and_nothing_else_happens(
    far: FarEnd, srtp: str, keys: str
) -> None:
    """One INVITE of this kind ended the engine."""
    with running(trunk(far, srtp=srtp, srtp_keys=keys), bind="127.0.0.1") as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("v.0", "house", f"sip:201@{far.address}"))
        invite = far.wait("INVITE")
        door = door_of(invite)
        codes = {}
        for lines, transport in itertools.product(
            SAVP.values(), ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/AVP")
        ):
            caller = f"u{len(codes)}"
            call = far.ring(door, described(far, *lines, transport=transport), caller)
            # What can be spoken is let ring, and declined.
            first = far.wait("INVITE", ANY, call.call_id)
            if first.code == 100:
                engine.send(
                    HangUp(engine.wait(CallArrived, where=lambda e, caller=caller: e.caller == caller).leg, 486)
                )
            final = first if first.code >= 200 else far.wait("INVITE", None, call.call_id)
            far.acknowledge(call, final, door)
            codes[lines, transport] = final.code

        assert engine.process.poll() is None
        assert set(codes.values()) <= {406, 488, 486}, codes
        assert 488 in codes.values()
        far.answer(invite, 486)
        assert engine.wait(CallEnded, where=lambda event: event.leg == "v.0").code == 486


FAULTS = ("RuntimeError", "SystemExit", "KeyboardInterrupt", "UnicodeDecodeError", "MemoryError")
CALLBACKS = [name for name in vars(Leg) if name.startswith("on") and name != "onCallRedirected"]
ORDERS = ["place", "connect", "ask_to_confirm", "send_digits", "hang_up"]
SPOILED = Path(__file__).parent / "spoiled_engine.py"


def test_whatever_fails_in_a_leg_ends_that_leg_alone_and_is_told(far: FarEnd) -> None:
    """Each callback of a leg and each order for one, with each kind of exception."""
    with running(trunk(far), bind="127.0.0.1", argv=(sys.executable, "-P", str(SPOILED))) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        good, dialog = called(engine, far, described(far))
        for place, fault in itertools.product((*CALLBACKS, *ORDERS), FAULTS):
            leg = f"spoiled-{place}-{fault}"
            engine.send(PlaceCall(leg, "house", f"sip:201@{far.address}"))
            if place != "place":
                invite = far.wait("INVITE")
                far.answer(invite, 200, described(far))
                engine.send(
                    RequestConfirmation(leg), SetAudio(Audio(speak=leg, hear=leg)), SendDtmf(leg, "12"), HangUp(leg)
                )
            ended = engine.wait(CallEnded, where=lambda event, leg=leg: event.leg == leg)
            assert ended.code in (500, 200, 487), ended
            assert engine.process.poll() is None
        assert not [event for event in engine.told(CallEnded) if event.leg == good]
        engine.send(SetAudio(Audio(speak=good, hear=good)))
        far.ask(dialog, "INVITE", far.seen[-1].source, described(far, version=2))
        assert has_sound(far.final(dialog, far.seen[-1].source))
        engine.send(HangUp(good))
        assert engine.wait(CallEnded, where=lambda event: event.leg == good).code == 200
