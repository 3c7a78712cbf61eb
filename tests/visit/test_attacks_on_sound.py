"""Attacks on the sound of a call while its far end says nothing: a third host neither hears the door nor keys in it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import attack_table
import pytest

from intercom.control.client import ask
from lab import script
from lab.attackers import Attacker, keyed, rtp, sound_ports
from lab.baresip import Phone
from lab.house import CODE, DOOR_IP, SIPP_IP, House, stopping
from lab.processes import wait_until
from lab.rtp import Rtp

STRANGER = "127.0.0.66"
ELSEWHERE, EARS = "127.0.0.46", 33000
FORMATS = ("8 PCMA/8000", "101 telephone-event/8000")
PER_S, SECONDS = 200, 1.5
HELD, MOVED = "on hold", "behind a re-INVITE that has moved the sound"
EARLY = "in early media"


def described(ip: str = SIPP_IP, *more: str) -> str:
    """An SDP: where the far end hears."""
    return script.audio(*FORMATS, ip=ip, port=EARS, more=more)


def again(sdp: str) -> Sequence[script.Step]:
    """A re-INVITE."""
    return script.ask("INVITE", sdp=sdp), script.expect(200), script.ask("ACK")


ANSWERED = (script.receive("INVITE"), script.answer(200, sdp=described()), script.receive("ACK"))
ENDED = (script.receive("BYE"), script.answer(200))
REFUSED = (script.receive("CANCEL"), script.answer(200), script.answer(487, of="INVITE"), script.receive("ACK"))
STATES = {
    "that was answered": (*ANSWERED, *ENDED),
    HELD: (*ANSWERED, script.wait(3), *again(described(SIPP_IP, "a=sendonly")), *ENDED),
    MOVED: (*ANSWERED, *again(described(ELSEWHERE)), *ENDED),
    EARLY: (script.receive("INVITE"), script.answer(183, sdp=described()), *REFUSED),
}
FAR_ENDS = dict(zip(STATES, ("script", "both", "reply", "echo"), strict=True))
"""A far end for each: what the service still sends to the one before must not reach the next one."""


@pytest.mark.parametrize("state", STATES)
def test_a_third_host_takes_no_sound_of_a_silent_far_end(house: House, phone: Phone, state: str) -> None:
    """Voice and the code as events (RFC 4733), on every port of the sound: no packet back, no digit counts."""
    scenario = script.phone(*STATES[state])
    with contextlib.ExitStack() as closing:
        ears = closing.enter_context(stopping(Rtp(ELSEWHERE if state == MOVED else SIPP_IP, EARS)))
        silent = closing.enter_context(stopping(house.odd_phone(FAR_ENDS[state], "uas_silent_script", script=scenario)))
        door = closing.enter_context(house.door(target=f'201", "{FAR_ENDS[state]}'))
        door.press()
        wait_until(ears.packets, 20, f"the sound of a call {state}", silent.process)
        if state == HELD:
            wait_until(lambda: _silent(ears), 20, "a call on hold", silent.process)
        strangers = [
            closing.enter_context(contextlib.closing(Attacker(STRANGER, (DOOR_IP, port))))
            for port in sound_ports(door.engine_pid(), DOOR_IP)
        ]
        before = ears.packets()
        for stranger in strangers:
            stranger.at_rate(_voice_and_keys(), PER_S, SECONDS)
        got_in = sum(len(stranger.heard()) for stranger in strangers)
        got_in += len(door.records("door-released") + door.records("code-wrong"))

        assert strangers
        assert state == HELD or ears.packets() > before
        ask(door.socket, {"do": "hangup"})
        door.await_visit()
        silent.require(10)
        rang = attack_table.rings(door, phone)
        sent = sum(stranger.sent for stranger in strangers)
        attack = f"RTP and keys (RFC 4733) from a third host to a call {state}"
        attack_table.add(attack, sent, door, rang, got_in=got_in)


def _silent(ears: Rtp) -> bool:
    """Whether nothing comes for a quarter of a second: twelve packets of a call that is not on hold."""
    before = ears.packets()
    time.sleep(0.25)
    return ears.packets() == before


def _voice_and_keys() -> Iterator[bytes]:
    """Ten packets of voice, the code, and so on."""
    number = 40_000
    while True:
        for _ in range(10):
            number += 1
            yield rtp(number, 8, b"\xd5" * 160)
        for packet in keyed(CODE + "#", 101, number + 1):
            number += 1
            yield packet
