"""SIPVicious, which knocks at every SIP port of the Internet: it finds no door, no extension and no password.

The door is behind Kamailio, behind Asterisk, and beside the service of `install --with-registrar`, over UDP each time:
a door that talks TCP alone has no UDP port that could be found.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attack_table
import pytest

from lab.baresip import Phone
from lab.house import DOOR_IP, Door, House, stopping
from lab.own_registrar import OwnRegistrar
from lab.pbx import Pbx

STRANGER, OWN = "127.0.0.66", "127.0.0.28"
USERS = {"door": "secret", "201": "p201"}
RCVBUFFORCE = 33
"""SO_RCVBUFFORCE (socket(7)), which Python has no name for."""
AROUND = 10
"""Ports on either side of the door's."""
EXTENSIONS = "195-210"
WORDS = 60
"""Passwords that are tried; none of them is right."""


class Scanner:
    """SIPVicious at an address of its own, and how many packets it has sent."""

    def __init__(self, folder: Path) -> None:
        self.sent, self.words = 0, folder / "words"
        self.words.write_text("".join(f"guess{number}\n" for number in range(WORDS)))

    def run(self, tool: str, *options: str | Path) -> str:
        """Run one of its tools to the end, or for as long as is enough; return what it has told."""
        argv = [Path(sys.executable).with_name(f"sipvicious_{tool}"), "-b", STRANGER, "-x", STRANGER, "-P", "5060"]
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as ear:
            ear.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 1 << 24)
            ear.bind(("lo", 0))
            done = subprocess.run([*argv, *options], capture_output=True, text=True, timeout=120, check=False)
            self.sent += _of_a_scanner(ear)
        return done.stdout + done.stderr


def _of_a_scanner(ear: socket.socket) -> int:
    """How many packets of its have come by: svwar and svcrack send from where the kernel likes.

    The loopback shows each packet once as sent and once as received.
    """
    ear.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, origin = ear.recvfrom(65536)
            sent += origin[2] == socket.PACKET_HOST and b"friendly-scanner" in packet
    return sent


def at_the_door(scanner: Scanner, door: Door) -> list[str]:
    """Scan its port and those around it, ask for extensions, guess passwords; return what was told each time."""
    port = int(door.sip_address().rsplit(":", 1)[1])
    ports, one = f"-p{port - AROUND}-{port + AROUND}", f"-p{port}"
    told = [scanner.run("svmap", ports, "-m", method, DOOR_IP) for method in ("OPTIONS", "INVITE", "REGISTER")]
    told += [
        scanner.run("svwar", one, "--force", "-m", method, "-e", EXTENSIONS, "--maximumtime", "3", DOOR_IP)
        for method in ("REGISTER", "INVITE", "OPTIONS")
    ]
    return [*told, scanner.run("svcrack", one, "-u", "201", "-d", scanner.words, "--maximumtime", "3", DOOR_IP)]


@contextlib.contextmanager
def behind(where: str, house: House, request: pytest.FixtureRequest) -> Iterator[tuple[Door, Phone]]:
    """A door, and its phone, behind one of the services."""
    if where == "Asterisk":
        pbx: Pbx = request.getfixturevalue("pbx")
        with pbx.door() as door:
            yield door, pbx.phone("201")
    elif where == "Kamailio":
        with house.door() as door, stopping(house.phone()) as phone:
            yield door, phone
    else:
        with (
            stopping(OwnRegistrar(house.folder / "scanned", OWN, USERS)) as own,
            stopping(Phone("201", house.folder, own, "p201", ip="127.0.0.33")) as phone,
            house.door(registrar=OWN) as door,
        ):
            phone.wait_registered()
            yield door, phone


def found(told: str) -> int:
    """How many rows of findings a tool has printed, where it does not say that there are none."""
    return 0 if re.search("found nothing", told, re.IGNORECASE) else max(1, told.count("\n| "))


@pytest.mark.parametrize("where", ["Kamailio", "Asterisk", "the service beside it"])
def test_sipvicious_finds_no_door(house: House, tmp_path: Path, request: pytest.FixtureRequest, where: str) -> None:
    """Neither its port nor who is there nor a password; and the next press rings."""
    scanner = Scanner(tmp_path)
    with behind(where, house, request) as (door, phone):
        told = at_the_door(scanner, door)
        print(*told, sep="\n")
        rang = attack_table.rings(door, phone)

        assert scanner.sent > 3 * AROUND, "it has asked"
        got_in = sum(map(found, told)) + len(door.records("call-arrived") + door.records("call-refused"))
        attack_table.add(f"SIPVicious at a door behind {where}", scanner.sent, door, rang, got_in=got_in)


def test_sipvicious_finds_nobody_at_the_service_beside_the_door(house: House, tmp_path: Path) -> None:
    """That there is a service it finds, and neither extension nor password; the door's and the phone's go on."""
    scanner = Scanner(tmp_path)
    with behind("the service beside it", house, None) as (door, phone):  # type: ignore[arg-type]
        service = scanner.run("svmap", OWN)
        told = [
            scanner.run("svwar", "--force", "-m", method, "-e", EXTENSIONS, "--maximumtime", "3", OWN)
            for method in ("REGISTER", "INVITE", "OPTIONS")
        ]
        told.append(scanner.run("svcrack", "-u", "201", "-d", scanner.words, "--maximumtime", "5", OWN))
        told.append(scanner.run("svcrack", "-n", "-u", "door", "-d", scanner.words, "--maximumtime", "5", OWN))
        print(service, *told, sep="\n")
        rang = attack_table.rings(door, phone)

        assert "5060" in service
        got_in = sum(map(found, told))
        attack_table.add("SIPVicious at the service beside the door", scanner.sent, door, rang, got_in=got_in)
