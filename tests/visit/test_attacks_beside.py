"""Attacks by another user of the machine on the SIP service beside the door: its port, its connections.

The door is as `install --with-registrar` makes it: it talks TCP to the service. Phones do here, too: their UDP packets
can be taken by who binds the service's port beside it, as firmware/docs/who-is-who.md says.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator

import attack_table
import pytest

from lab.baresip import Phone
from lab.buttons import account
from lab.house import House, stopping
from lab.own_registrar import OwnRegistrar
from lab.processes import wait_until

OWN = "127.0.0.28"
USERS = {"door": "secret", "201": "p201"}
NOBODY = 65534
THIEF = """
import contextlib, os, select, socket, sys
os.setuid(int(sys.argv[2]))
bound, heard = [], 0
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    port = socket.socket(socket.AF_INET, kind)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        port.bind((sys.argv[1], 5060))
        if kind == socket.SOCK_STREAM:
            port.listen()
        bound.append(port)
    except OSError:
        port.close()
print(*("udp" if port.type == socket.SOCK_DGRAM else "tcp" for port in bound), flush=True)
while True:
    for ready in select.select([sys.stdin, *bound], [], [])[0]:
        if ready is sys.stdin:
            print(heard)
            sys.exit()
        heard += 1
        if ready.type == socket.SOCK_DGRAM:
            ready.recv(65536)
        else:
            bound.append(ready.accept()[0]) if ready in bound[:2] else ready.recv(65536) or bound.remove(ready)
"""
"""Takes the service's port where the kernel lets it, and counts what comes there."""
HOLDER = """
import contextlib, os, socket, sys
os.setuid(int(sys.argv[2]))
taken = []
for number in range(400):
    link = socket.socket()
    link.settimeout(5)
    link.bind((f"127.0.0.{1 + number % 100}", 0))
    with contextlib.suppress(OSError):
        link.connect((sys.argv[1], 5060))
        link.sendall(b"OPTIONS ")
        taken.append(link)
print(len(taken), flush=True)
sys.stdin.read()
"""
"""Begins as many requests as it can over TCP, from a hundred addresses, and ends none."""


@contextlib.contextmanager
def another_user(program: str) -> Iterator[subprocess.Popen[str]]:
    """A program of somebody who has no rights here; it ends with its standard input."""
    argv = [sys.executable, "-c", program, OWN, str(NOBODY)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        yield one


def first_line(one: subprocess.Popen[str]) -> str:
    """What it says when it is ready."""
    assert one.stdout
    return one.stdout.readline().strip()


def last_line(one: subprocess.Popen[str]) -> str:
    """What it says at its end, which this is."""
    return one.communicate(timeout=10)[0].strip()


def dropped() -> int:
    """How many packets of others from the service's port the kernel has dropped."""
    argv = ["nft", "list", "table", "inet", "intercom_registrar"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"counter packets (\d+) bytes \d+ drop", told)[0])


@pytest.fixture
def service(house: House) -> Iterator[OwnRegistrar]:
    """The service, guarded by the kernel as its unit has it."""
    with stopping(OwnRegistrar(house.folder / "beside", OWN, USERS)) as own, own.guarded():
        yield own


BY_TCP = account('transport = "tcp"')


def test_who_binds_the_port_beside_the_service_hears_nothing_of_the_door(house: House, service: OwnRegistrar) -> None:
    """Kamailio's UDP port can be bound a second time (SO_REUSEADDR), and the newer socket gets the packets."""
    with another_user(THIEF) as thief, stopping(Phone("201", house.folder, service, "p201", transport="tcp")) as phone:
        assert first_line(thief) == "udp", "a port that somebody listens on is his, over TCP"
        phone.wait_registered()
        with house.door(registrar=OWN, edit=BY_TCP) as door:
            rang = attack_table.rings(door, phone)
            heard = int(last_line(thief))
            what = "the registrar's UDP port, bound beside it by another user of the machine"
            attack_table.add(what, 1, door, rang, got_in=heard)


def test_who_takes_the_place_of_a_service_that_is_away_hears_nothing(house: House, service: OwnRegistrar) -> None:
    """Its port is free while it starts anew: the kernel lets nobody else answer there, so no connection comes about."""
    service.stop()
    with another_user(THIEF) as thief:
        assert first_line(thief) == "udp tcp"
        with house.door(registrar=OWN, edit=BY_TCP, wait=False) as door:
            wait_until(lambda: dropped() > 0, 15, "the door has tried", door.process)
            heard = int(last_line(thief))
            service.start()
            with stopping(Phone("201", house.folder, service, "p201", transport="tcp")) as phone:
                phone.wait_registered()
                door.await_record("line-up", 30)
                rang = attack_table.rings(door, phone)
            what = "the registrar's port over TCP, taken by another user of the machine while it was away"
            attack_table.add(what, 1, door, rang, got_in=heard)


def test_another_user_does_not_take_all_connections(house: House, service: OwnRegistrar) -> None:
    """With a hundred loopback addresses, the door's own among them, he counts as one; the door does not count."""
    with another_user(HOLDER) as holder:
        taken = int(first_line(holder))
        with (
            house.door(registrar=OWN, edit=BY_TCP) as door,
            stopping(Phone("201", house.folder, service, "p201", transport="tcp")) as phone,
        ):
            phone.wait_registered()
            rang = attack_table.rings(door, phone)
            attack_table.add("the registrar's TCP connections, by another user of the machine", 400, door, rang)
    assert 1 <= taken <= 20
