"""A day in the life of a telephone inside: what every kind of them, behind every kind of server, has to go through."""

from __future__ import annotations

import time
from typing import Protocol

from intercom.control.client import ask
from intercom.core.transitions import Outcome
from lab.baresip import Phone
from lab.house import CODE, PHONE_HZ, STRIKE, VISITOR_HZ, Door, House
from lab.tones import ToneReport, find_tone, read_wav, speech_tone

PATIENCE_S = 6.0
"""How long a voice may take to get through: on a busy machine what is said comes later."""


class Telephone(Protocol):
    """What both phones can be told, and what they tell, in words of ours."""

    name: str

    def await_ring(self, since: float) -> None: ...
    def answer(self) -> None: ...
    def key(self, keys: str) -> None: ...
    def hold(self) -> None: ...
    def resume(self) -> None: ...
    def call_door(self, server: str, number: str = "door") -> None: ...
    def hang_up(self) -> None: ...
    def await_end(self, since: float) -> None: ...
    def heard(self) -> ToneReport: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class Baresip:
    """A baresip, of this release or another."""

    def __init__(self, phone: Phone, version: str) -> None:
        self.name, self._phone = version, phone
        phone.wait_registered()
        self.kill, self.stop, self.answer, self.hang_up = phone.kill, phone.stop, phone.answer, phone.hang_up
        self.key, self.hold, self.resume = phone.press_key, phone.hold, phone.resume

    def await_ring(self, since: float) -> None:
        self._phone.await_event("CALL_INCOMING", since=since)

    def call_door(self, server: str, number: str = "door") -> None:
        self._phone.call(f"sip:{number}@{server}")

    def await_end(self, since: float) -> None:
        self._phone.await_event("CALL_CLOSED", since=since)

    def heard(self) -> ToneReport:
        return find_tone(*read_wav(self._phone.recordings()[-1]), VISITOR_HZ)


def answered(house: House, door: Door, phone: Telephone) -> float:
    """Have somebody press and the phone answer; return when the press was."""
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    since = time.monotonic()
    door.press()
    phone.await_ring(since)
    phone.answer()
    door.await_record("call-answered", visit=door.current_visit())
    return since


def heard_at_the_door(house: House, seconds: float = 1.6) -> ToneReport:
    """Listen at the loudspeaker until the phone is heard, six seconds at most."""
    until = time.monotonic() + PATIENCE_S
    while True:
        since = time.monotonic()
        time.sleep(seconds)  # a sentence takes time
        report = find_tone(house.room.heard(since, since + seconds), house.room.rate, PHONE_HZ)
        if report.heard or since > until:
            return report


def killed_in_a_call(house: House, door: Door, phone: Telephone) -> None:
    """Pull the phone's plug: it says nothing, and the visitor is not left with it for ever."""
    answered(house, door, phone)
    phone.kill()
    door.await_record("one-way", 20, visit=door.current_visit())
    ask(door.socket, {"do": "hangup"})
    door.await_record("visit-ended", 20, visit=door.current_visit())


def spend(house: House, door: Door, phone: Telephone, server: str, number: str = "door") -> None:
    """Have it rung, heard, open, hold, hang up and be hung up, and call the door, which is `number` at `server`."""
    since = answered(house, door, phone)
    here = heard_at_the_door(house)
    phone.key(CODE)
    door.pins.await_level(STRIKE, 1, 8)
    phone.hold()
    phone.resume()
    assert heard_at_the_door(house).heard
    phone.hang_up()
    phone.await_end(since)
    assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED
    there = phone.heard()
    print(f"{phone.name} at {server}: heard at the door {here}, heard there {there}")
    assert here.heard, here
    assert there.heard, there

    since = answered(house, door, phone)
    ask(door.socket, {"do": "hangup"})
    phone.await_end(since)
    assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED

    since = time.monotonic()
    phone.call_door(server, number)
    leg = str(door.await_record("call-arrived")["INTERCOM_LEG"])
    door.await_record("call-answered", leg=leg)
    assert heard_at_the_door(house).heard
    phone.hang_up()
    phone.await_end(since)
    assert door.await_record("call-ended", leg=leg)["INTERCOM_CODE"] == "200"
    assert not door.records("code-wrong")
