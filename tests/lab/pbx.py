"""A house with a PBX: Asterisk, its extensions, and the door registered there."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from intercom.control.client import ask
from lab.asterisk import PBX_IP, Asterisk
from lab.baresip import Phone
from lab.desk_phone import DeskPhone
from lab.house import PHONE_HZ, Door, House
from lab.journal import Record
from lab.processes import LabError, wait_until
from lab.tones import find_tone

DESK_IP, DESK = "127.0.0.45", "206"
EXTENSIONS = {"201": PHONE_HZ, "202": 550.0, "203": 620.0}
"""Extension -> the pitch that it speaks in, so that the visitor knows who is there."""
PATIENCE_S = 6.0
"""How long a voice may take to get through: on a busy machine what is said comes later."""
TABLES = ("DND", "FORWARD")


class Ring:
    """One press of a button of a door that several tests share, and the visit that it began."""

    def __init__(self, door: Door, button: str) -> None:
        self.door, self.at = door, time.monotonic()
        told = ask(door.socket, {"do": "press", "button": button})
        assert told["got"] == "new", told
        self.id = str(told["visit"])

    def record(self, kind: str, seconds: float = 10, **fields: str) -> Record:
        """Await a record of this visit."""
        return self.door.await_record(kind, seconds, visit=self.id, **fields)

    def records(self, kind: str) -> list[Record]:
        """Return the records of this visit so far."""
        return self.door.records(kind, visit=self.id)

    def outcome(self, seconds: float = 15) -> str:
        """Await the end of the visit."""
        return self.door.await_visit(seconds, visit=self.id).outcome


class Pbx:
    """The PBX and its phones, which live as long as the session."""

    def __init__(self, house: House, tree: Path) -> None:
        self.house, self.folder = house, house.folder / "pbx"
        self.asterisk = Asterisk(tree, self.folder)
        self.desk = DeskPhone(DESK_IP, DESK, PBX_IP)
        self._phones: dict[str, Phone] = {}

    def phone(self, number: str) -> Phone:
        """Return an extension's phone, registered and free; it rings until it is told to answer."""
        if number not in self._phones:
            ip = f"127.0.0.{int(number) - 170}"
            self._phones[number] = Phone(
                number, self.folder, self.asterisk, f"p{number}", ip=ip, tone_hz=EXTENSIONS[number]
            )
            self._phones[number].wait_registered()
        return self._phones[number]

    def door(self, target: str = "201", **options: Any) -> Door:
        """Start a door that is the extension "door" here. It is the caller's to stop."""
        return self.house.door(target=target, registrar=PBX_IP, **options)

    def heard_at_the_door(self, hz: float, seconds: float) -> bool:
        """Listen at the loudspeaker, from now on, until a pitch was there for that long; return whether it came."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            since = time.monotonic()
            time.sleep(seconds)  # a sentence takes time
            if find_tone(self.house.room.heard(since, since + seconds), self.house.room.rate, hz).heard:
                return True
        return False

    def key(self, phone: Phone, code: str) -> None:
        """Dial a feature code and await its end."""
        dialled = time.monotonic()
        phone.call(code)
        phone.await_event("CALL_CLOSED", since=dialled)

    def rest(self) -> None:
        """End every call and forget what phones have set: the next test finds the house as the first one did."""
        with contextlib.suppress(LabError):  # none is up
            self.asterisk.command("channel request hangup all")
        for table in TABLES:
            self.asterisk.command(f"database deltree {table}")
        wait_until(lambda: self.asterisk.channels() == 0, 10, "every call at the PBX is over")
        for phone in self._phones.values():
            for recording in phone.recordings():
                recording.unlink()

    def stop(self) -> None:
        """Take it down."""
        for phone in self._phones.values():
            phone.stop()
        self.desk.stop()
        self.asterisk.stop()
