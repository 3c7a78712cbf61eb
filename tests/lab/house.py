"""A whole house on loopback: the door (the real daemon), the SIP service, a phone, the room at the door, the journal.

`House` holds what may live long (service, card, journal); `house.door(...)` is one start of the daemon.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from intercom.control.client import ask
from lab.baresip import Phone
from lab.jackd import Jackd
from lab.journal import Journald, Record
from lab.kamailio import Kamailio
from lab.own_registrar import OwnRegistrar
from lab.pins import Pins
from lab.processes import LabError, Process, start, wait_until
from lab.room import Room
from lab.sipp import Sipp
from lab.tones import ToneReport, find_tone, read_wav

BUTTON, SIDE_BUTTON, STRIKE, LAMP = 17, 5, 27, 22
DOOR_IP, REGISTRAR_IP, PHONE_IP, SIPP_IP = "127.0.0.9", "127.0.0.20", "127.0.0.31", "127.0.0.44"
CODE = "4711"
_ODD = ("early", "info", "vanish", "rubbish", "ring", "reply", "echo", "text", "elsewhere", "script", "both")
ODD_PHONES = {name: 5070 + place for place, name in enumerate(_ODD)}
"""Users whose phone is a sipp scenario, each on a port of its own, so that stray messages hit nobody else."""
PHONE_HZ, VISITOR_HZ = 440.0, 1000.0
CONFIG = """\
name = "Front door"

[accounts.home]
server = "{registrar}"
user = "door"
password = "secret"
callers = ["201"]

[buttons.front]
pin = {button}
targets = ["{target}"]

[buttons.side]
pin = {side_button}
targets = ["busy"]

[doors.front]
strike_pin = {strike}
pulse_s = {pulse_s}

[codes.family]
secret = "{code}"

[lamp]
pin = {lamp}

[calls]
ring_s = {ring_s}
talk_s = {talk_s}
warn_s = {warn_s}

[sound]
input = "system"
output = "system"
codecs = {codecs}
test_at = ""
test_at_start = false

[network]
bind = "{bind}"
"""


class House:
    """Everything around the door. Made once; needs `namespace.enter()`."""

    def __init__(
        self,
        folder: Path,
        *,
        own_registrar: bool = False,
        more: Mapping[str, str] | None = None,
        slowness: int = 1,
    ) -> None:
        """With `own_registrar` the SIP service is the one that `install --with-registrar` puts beside a door.

        `more` are further users of it, with their passwords. The card takes `slowness` times as long as it should.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._slowness = slowness
        self.folder = folder
        self._doors = 0
        with contextlib.ExitStack() as building:
            self.journal = Journald(folder)
            building.callback(self.journal.stop)
            users = {"door": "secret", "201": "p201", "202": "p202", **(more or {})}
            odd = {name: f"sip:{name}@{SIPP_IP}:{port}" for name, port in ODD_PHONES.items()}
            self.registrar: Kamailio = (
                OwnRegistrar(folder, REGISTRAR_IP, users)
                if own_registrar
                else Kamailio(folder, REGISTRAR_IP, users, static=odd)
            )
            building.callback(self.registrar.stop)
            self.open_card()
            building.callback(self.close_card)
            self._building = building.pop_all()

    def open_card(self, name: str = "") -> None:
        """Plug the sound card in, and put a room around it. `name` is that of a card that was pulled out."""
        self.jackd = Jackd(self.folder, name=name, slowness=self._slowness)
        self.room = Room(self.jackd, self.folder)
        self.usual_room()

    def usual_room(self) -> None:
        """Have the room as rooms are: without any echo WebRTC's canceller waits for one, and holds a visitor for it."""
        self.room.echo(delay_ms=20, gain_db=-12)

    def close_card(self) -> None:
        """Pull the sound card out."""
        self.room.stop()
        self.jackd.stop()

    def phone(self, number: str = "201", **options: Any) -> Phone:
        """Return a registered phone. It is the caller's to stop."""
        password = self.registrar.users[number]
        phone = Phone(number, self.folder, self.registrar, password, tone_hz=PHONE_HZ, **options)
        phone.wait_registered()
        return phone

    def odd_phone(self, name: str, scenario: str, **values: Any) -> Sipp:
        """Return a phone that does what no phone should. It is the caller's to stop."""
        return Sipp(scenario, self.folder, SIPP_IP, ODD_PHONES[name], user=name, **values)

    def door(self, **options: Any) -> Door:
        """Start the daemon. It is the caller's to stop."""
        self._doors += 1
        return Door(self, self.folder / f"door-{self._doors}", **options)

    def close(self) -> None:
        """Take the house down."""
        self._building.close()


class Door:
    """One start of the real daemon, on mock pins."""

    def __init__(
        self,
        house: House,
        folder: Path,
        *,
        wait: bool = True,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        socket: Path | None = None,
        **config: Any,
    ) -> None:
        """`prefix` comes before the daemon's command line, `env` into its environment, its notes beside `socket`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.house, self.folder = house, folder
        self._prefix, self._env = prefix, dict(env or {})
        self.config, self.socket = folder / "intercom.toml", socket or folder / "control"
        self.config.write_text(configuration(**config))
        self.config.chmod(0o600)
        self.pins = Pins(folder / "pins")
        self.began = time.time()
        self._since = self.began
        self.process = self._start()
        if wait:
            self.await_record("line-up", 15)

    def _start(self) -> Process:
        return self._command("run", "--config", self.config, "--socket", self.socket)

    def _command(self, *arguments: str | Path) -> Process:
        argv = [*self._prefix, sys.executable, "-m", "lab.mock_door", self.pins.path, *arguments]
        return start(f"{self.folder.name}", argv, self.folder, env={**os.environ, **self.house.jackd.env, **self._env})

    def lock(self) -> None:
        """Do what systemd does when the daemon has ended: `intercom lock`, on the same wires."""
        if status := self._command("lock", "--config", self.config).wait(20):
            raise LabError(f"intercom lock ended with {status}")

    def restart(self) -> None:
        """Start the daemon again after it ended."""
        self.process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it as systemd would; return its exit status."""
        try:
            return self.process.stop(10)
        finally:
            self.pins.stop()

    def press(self, pin: int = BUTTON) -> float:
        """Press and let go, long enough for the release to count too; return when it was pressed."""
        pressed = self.pins.press(pin)
        time.sleep(0.05)  # a finger's way back
        return pressed

    def records(self, kind: str = "", **fields: str) -> list[Record]:
        """Return the records of this door so far."""
        return [record for record in self._all() if _fits(record, kind, fields)]

    def await_record(self, kind: str, seconds: float = 10, **fields: str) -> Record:
        """Await a record, already there or to come; the door's own log helps where it does not come."""
        try:
            return self.house.journal.await_record(
                lambda record: _fits(record, kind, fields), seconds, self.began, SYSLOG_IDENTIFIER="intercom"
            )
        except LabError as error:
            raise LabError(f"no {kind} {fields or ''}: {error}\n{self.process.log_tail()}") from None

    def await_records(self, kind: str, count: int, seconds: float = 15, **fields: str) -> list[Record]:
        """Await that there are so many records of a kind."""
        try:
            wait_until(lambda: len(self.records(kind, **fields)) >= count, seconds, f"{count} {kind}", self.process)
        except LabError as error:
            told = "\n".join(str(record["MESSAGE"]) for record in self._all()[-25:])
            raise LabError(f"{error}\nthe door's records end:\n{told}") from None
        return self.records(kind, **fields)

    def await_status(self, phase: str, seconds: float = 10) -> None:
        """Await a phase of the visit."""
        wait_until(lambda: ask(self.socket, {"do": "status"})["status"]["phase"] == phase, seconds, phase, self.process)

    def await_visit(self, seconds: float = 15, **fields: str) -> Visit:
        """Await the end of a visit."""
        return Visit(self.await_record("visit-ended", seconds, **fields))

    def current_visit(self) -> str:
        """Return the name of the visit that began last."""
        return str(self.records("press-accepted")[-1]["INTERCOM_VISIT"])

    def sip_address(self) -> str:
        """Return where this door listens for SIP, as only the kernel knows it. Ask while no call is up."""
        rows = [line.split()[1] for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
        address = bytes(reversed(socket.inet_aton(DOOR_IP))).hex().upper()
        ports = [int(row.split(":")[1], 16) for row in rows if row.startswith(address)]
        return f"{DOOR_IP}:{ports[0]}"

    def connect(self) -> socket.socket:
        """Return a connection to the control socket, to be closed."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(10)
        link.connect(str(self.socket))
        return link

    def engine_pid(self) -> int:
        """Return the voice engine's process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            if b"intercom.engine" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        raise LabError("the door has no voice engine")

    def _all(self) -> list[Record]:
        return self.house.journal.records(self.began, SYSLOG_IDENTIFIER="intercom")


class Visit:
    """A visit's final record, read."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.id = str(record["INTERCOM_VISIT"])
        self.outcome = str(record["INTERCOM_OUTCOME"])
        self.timeline: dict[str, float] = json.loads(record["INTERCOM_TIMELINE"])


def configuration(
    *,
    target: str = "201",
    ring_s: float = 20,
    talk_s: float = 60,
    warn_s: float = 5,
    pulse_s: float = 1.0,
    codecs: tuple[str, ...] = ("opus", "g722", "pcma", "pcmu"),
    registrar: str = REGISTRAR_IP,
    bind: str = DOOR_IP,
    edit: Callable[[str], str] = str,
) -> str:
    """Return a configuration file for this house."""
    text = CONFIG.format(
        registrar=registrar,
        button=BUTTON,
        side_button=SIDE_BUTTON,
        strike=STRIKE,
        lamp=LAMP,
        code=CODE,
        bind=bind,
        target=target,
        ring_s=ring_s,
        talk_s=talk_s,
        warn_s=warn_s,
        pulse_s=pulse_s,
        codecs=json.dumps(codecs),
    )
    return edit(text)


def heard_by(phone: Phone, hz: float = VISITOR_HZ) -> ToneReport:
    """Return what the phone recorded of a pitch; the clearest of its recordings counts."""
    reports = [find_tone(*read_wav(path), hz) for path in phone.recordings() if "dec" in path.name]
    return max(reports, key=lambda report: report.present_s)


@contextlib.contextmanager
def stopping(peer: Any) -> Iterator[Any]:
    """Have a peer stopped at the end."""
    try:
        yield peer
    finally:
        peer.stop()


def _fits(record: Record, kind: str, fields: dict[str, str]) -> bool:
    if kind and record.get("INTERCOM_KIND") != kind:
        return False
    return all(str(record.get(f"INTERCOM_{name.upper()}")) == value for name, value in fields.items())
