"""Attacks in somebody else's name: forged senders, `maddr`, other users of the machine, another transport.

firmware/docs/who-is-who.md says what each of them may.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attack_table
import interop_table
import pytest

from lab.attackers import Attacker, Eavesdropper, Forger, contact_of, request, sdp
from lab.baresip import Phone
from lab.house import DOOR_IP, REGISTRAR_IP, Door, House, stopping
from lab.impostor import Impostor
from lab.kamailio import Kamailio
from lab.own_registrar import OwnRegistrar
from lab.two_faced import TwoFaced

STRANGER, OWN, SECURE, FRONT, BACK = "127.0.0.66", "127.0.0.28", "127.0.0.27", "127.0.0.71", "127.0.0.72"
SERVER = (REGISTRAR_IP, 5060)
NOBODY = 65534
PORTS = range(20000, 30000)
"""Where a door's SIP port is chosen by chance."""
STORM_S = 40.0
"""How long a storm lasts before its memory is looked at, in seconds."""


def place(door: Door) -> tuple[str, int]:
    """Where a door listens."""
    host, port = door.sip_address().rsplit(":", 1)
    return host, int(port)


@contextlib.contextmanager
def forging(door: Door, whom: tuple[str, int] = SERVER) -> Iterator[Forger]:
    """Somebody who writes the server's address on his packets."""
    with contextlib.closing(Forger(whom, STRANGER, place(door))) as forger:
        yield forger


def let_in(door: Door) -> int:
    """How many calls and texts the door has taken or refused by name: none may come that far."""
    return sum(len(door.records(kind)) for kind in ("call-arrived", "call-refused", "text-arrived", "text-refused"))


@pytest.mark.parametrize("knows", [False, True], ids=["blind", "with the contact"])
def test_a_forged_server_with_maddr_hears_nothing(house: House, phone: Phone, knows: bool) -> None:
    """It was the whole call: the answers went to `maddr`, and with them the tags for the ACK."""
    with contextlib.closing(Eavesdropper()) as ear, house.door() as door:
        contact = contact_of(ear.await_message(b"REGISTER ", b"rinstance=")) if knows else ""
        with forging(door) as eve:
            for number in range(100):
                via = (f";maddr={eve.own}", f";rport={eve.own_port}", f";received={eve.own};maddr={eve.own}")[
                    number % 3
                ]
                method = ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE")[number % 4]
                body = sdp(eve.own) if method == "INVITE" else ""
                eve.send(request(method, eve, number, caller="201", uri=contact, via=via, body=body))
            told = door.await_record("strangers-refused")
            rang = attack_table.rings(door, phone)
            got_in = len(eve.heard()) + let_in(door)

        assert "whose answer would have gone elsewhere" in str(told["INTERCOM_CAUSES"])
        who = "who has overheard the Contact" if knows else "who does not know the Contact"
        what = f"the server's address with maddr, rport, received, by one {who}"
        attack_table.add(what, eve.sent, door, rang, got_in=got_in)


def test_a_forged_server_calls_and_texts_nobody(door: Door, phone: Phone) -> None:
    """Every name, from the server's own address and port: without the Contact it is nobody's."""
    with forging(door) as eve:
        for number in range(200):
            for method in ("INVITE", "MESSAGE"):
                more = "Content-Type: text/plain\r\n" if method == "MESSAGE" else ""
                body = "open 4711" if method == "MESSAGE" else ""
                eve.send(request(method, eve, number, caller="201", more=more, body=body))
        told = door.await_record("strangers-refused")
        rang = attack_table.rings(door, phone)

        assert "without the account's Contact" in str(told["INTERCOM_CAUSES"])
        what = "calls and texts as 201 from the server's address and port"
        attack_table.add(what, eve.sent, door, rang, got_in=let_in(door))


def test_nobody_finds_the_port_by_asking(door: Door, phone: Phone) -> None:
    """Forged OPTIONS to each port that it may be, with the answer asked for elsewhere; and the try is told."""
    with forging(door) as eve:
        for port in PORTS:
            eve.to = (DOOR_IP, port)
            eve.send(request("OPTIONS", eve, port, via=f";maddr={eve.own}"))
        door.await_record("strangers-refused")
        rang = attack_table.rings(door, phone)

        attack_table.add("the port looked for by forged OPTIONS", eve.sent, door, rang, got_in=len(eve.heard()))


def test_another_user_of_the_machine_is_not_the_registrar_beside_the_door(house: House) -> None:
    """Any user may send from a service's loopback address; none knows what the door told that service."""
    local = """
import os, socket, sys
os.setuid(int(sys.argv[4]))
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind((sys.argv[1], 0))
for number in range(50):
    for method in ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE"):
        ear.sendto((
            f"{method} sip:door@{sys.argv[2]} SIP/2.0\\r\\nVia: SIP/2.0/UDP {sys.argv[1]}:{ear.getsockname()[1]};"
            f"branch=z9hG4bK{method}{number};rport\\r\\nFrom: <sip:201@{sys.argv[1]}>;tag={number}\\r\\n"
            f"To: <sip:door@{sys.argv[1]}>\\r\\nCall-ID: {method}{number}\\r\\nCSeq: 1 {method}\\r\\n"
            f"Contact: <sip:201@{sys.argv[1]}:{ear.getsockname()[1]}>\\r\\nMax-Forwards: 70\\r\\n"
            "Content-Length: 0\\r\\n\\r\\n").encode(), (sys.argv[2], int(sys.argv[3])))
ear.settimeout(1)
try:
    print(ear.recv(65536))
except TimeoutError:
    print("nothing")
"""
    with (
        stopping(OwnRegistrar(house.folder / "local", OWN, {"door": "secret", "201": "p201"})) as own,
        stopping(Phone("201", house.folder, own, "p201")) as phone,
        house.door(registrar=OWN) as door,
    ):
        phone.wait_registered()
        host, port = place(door)
        argv = [sys.executable, "-c", local, OWN, host, str(port), str(NOBODY)]
        heard = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
        told = door.await_record("strangers-refused")
        rang = attack_table.rings(door, phone)

        assert told["INTERCOM_SOURCE"] == OWN
        got_in = (heard != "nothing") + let_in(door)
        attack_table.add("another user of the machine, from the registrar's address", 200, door, rang, got_in=got_in)


def test_an_account_over_tls_is_not_reached_by_udp(house: House) -> None:
    """A spare account over UDP opens a port; whatever comes there is not the first account's, even with its Contact."""
    with stopping(Kamailio(house.folder, ip=SECURE, users={"door": "secret", "201": "p201"}, tls=True)) as service:
        assert service.certificates
        home = f'transport = "tls"\nca_file = "{service.certificates.authority}"\n'
        spare = f'[accounts.spare]\nserver = "{REGISTRAR_IP}"\nuser = "door"\npassword = "secret"\n\n[buttons.front]'

        def edit(text: str) -> str:
            return text.replace('user = "door"\n', f'user = "door"\n{home}', 1).replace("[buttons.front]", spare)

        with house.door(registrar=SECURE, edit=edit) as door, stopping(house.phone()) as phone:
            door.await_record("line-up", 15, account="spare")
            registered = re.findall(r"contact=<([^>]*rinstance=[^>]*)>", "\n".join(service.process.lines()))
            assert registered, "the service tells whom it has registered"
            for whom in ((SECURE, 5060), (SECURE, 5061)):
                with forging(door, whom) as eve:
                    for number, uri in enumerate([*registered, ""] * 20):
                        eve.send(request("INVITE", eve, number, caller="201", uri=uri, body=sdp(eve.own)))
            told = door.await_record("strangers-refused")
            rang = attack_table.rings(door, phone)

            assert told
            what = "an account over TLS, by UDP from its server's address, with its Contact"
            attack_table.add(what, 80, door, rang, got_in=let_in(door))


def test_storms_of_an_extension_cost_no_memory(house: House, door: Door, phone: Phone) -> None:
    """SUBSCRIBE, OPTIONS, MESSAGE of a user whom the server lets through: each was kept, or written down."""
    engine = door.engine_pid()
    with Impostor("127.0.0.34", REGISTRAR_IP, "202", "p202") as other:
        sender = f"<sip:202@{REGISTRAR_IP}>"
        more = "Event: presence\r\nExpires: 3600\r\n"
        storm = [
            lambda: other.ask("SUBSCRIBE", sender, more=more, seconds=0.5),
            lambda: other.ask("OPTIONS", sender, seconds=0.5),
        ]
        storm.append(lambda: other.text(sender, "open 1111", seconds=0.5))
        # A transaction is kept for 32 s after its answer (RFC 3261, timer J): from then on as many end as begin.
        began, before, sent = time.monotonic(), 0, 0
        while time.monotonic() < began + STORM_S + 20:
            if not before and time.monotonic() > began + STORM_S:
                before = resident_kb(engine)
            for step in storm:
                step()
                sent += 1
        grown = resident_kb(engine) - before
        rang = attack_table.rings(door, phone)
        print(f"{sent} requests, the engine grew by {grown} kB")

        assert grown < 1000
        assert len(door.records("text-refused")) < 30
        attack_table.add("SUBSCRIBE, OPTIONS, MESSAGE of an extension, for a minute", sent, door, rang)


def resident_kb(pid: int) -> int:
    """Memory of a process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def test_a_server_may_answer_and_call_from_another_of_its_addresses(house: House, phone: Phone) -> None:
    """Its answers belong by their branch, its calls by the Contact that it was told; no address was known before."""
    front = lambda text: text.replace('user = "door"\n', f'user = "door"\nproxy = "{FRONT}"\n', 1)  # noqa: E731
    with (
        contextlib.closing(TwoFaced(FRONT, BACK, SERVER)) as server,
        contextlib.closing(Attacker(STRANGER, (DOOR_IP, 9))) as stranger,
        house.door(edit=front) as door,
    ):
        rang = attack_table.rings(door, phone)
        stranger.to = place(door)
        stranger.send(server.last.replace(b"branch=z9hG4bKPj", b"branch=z9hG4bKPk"))
        told = door.await_record("strangers-refused")

        assert server.answers >= 2
        assert "answers to nothing" in str(told["INTERCOM_CAUSES"])
        attack_table.add("an answer from elsewhere, with a branch that is not ours", 1, door, rang)
    interop_table.add(
        "registrar", "a server that answers from another of its addresses", interop_table.peer("kamailio")
    )
