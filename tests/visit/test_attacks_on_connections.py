"""Attacks over TCP and TLS, and with what was overheard: at the door, and at the SIP service beside it."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import attack_table
import pytest

from lab import certificates
from lab.attackers import Attacker, Eavesdropper, Talker, fuzz, listening_port, request, sdp, torture
from lab.baresip import Phone
from lab.buttons import account
from lab.certificates import Certificates
from lab.house import DOOR_IP, REGISTRAR_IP, Door, House, stopping
from lab.own_registrar import OwnRegistrar

STRANGER, OWN, ROGUE = "127.0.0.66", "127.0.0.28", "127.0.0.67"
FUZZED = 5_000
SEED = 3261
USERS = {"door": "secret", "201": "p201"}


@pytest.fixture
def door(house: House) -> Iterator[Door]:
    """A door that listens on TCP."""
    with house.door(edit=account('transport = "tcp"')) as door:
        yield door


def test_a_scanner_over_tcp_is_hung_up_on_before_it_says_a_word(door: Door, phone: Phone) -> None:
    """Two hundred connections a second for five seconds; none is kept, and none gets an answer."""
    to, made, heard = (DOOR_IP, listening_port(door.engine_pid())), 0, 0
    rang: list[str] = []
    began, pressing = time.monotonic(), threading.Thread(target=lambda: rang.append(attack_table.rings(door, phone)))
    for number in range(1000):
        time.sleep(max(0.0, began + number / 200 - time.monotonic()))
        if number == 400:
            pressing.start()
        with contextlib.suppress(OSError), socket.socket() as link:
            link.bind((STRANGER, 0))
            link.settimeout(5)
            link.connect(to)
            made += 1
            with contextlib.suppress(OSError):
                link.sendall(b"OPTIONS sip:door SIP/2.0\r\n\r\n")
            heard += len(link.recv(1000))
    pressing.join()

    assert to[1]
    assert made == 1000, "nobody was refused by the kernel: the attack took place"
    assert len(door.records("strangers-refused")) == 1
    attack_table.add("scanner over TCP: 200 connections a second for 5 s", made, door, rang[0], got_in=heard)


def test_what_is_malformed_over_tcp_ends_no_process(door: Door, phone: Phone) -> None:
    """From the registrar's address, so that it is read: torture messages, mutations, cut in two anywhere."""
    chance = random.Random(SEED)
    with contextlib.closing(Talker(REGISTRAR_IP, (DOOR_IP, listening_port(door.engine_pid())))) as sender:
        with contextlib.closing(Attacker(REGISTRAR_IP, sender.to)) as shape:
            seeds = [
                request(method, shape, 7, body=sdp(REGISTRAR_IP)) for method in ("INVITE", "OPTIONS", "MESSAGE", "BYE")
            ]
        seeds = [seed.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP") for seed in seeds]
        tortured = list(torture().values())
        for number, packet in enumerate((*tortured, *fuzz(seeds + tortured, FUZZED, SEED))):
            sender.send(packet, chance)
            if number % 25 == 24:  # else one that claims to be long would have the rest as its body
                sender.close()
        sender.finish()
        rang = attack_table.rings(door, phone)
        print(f"{sender.connections} connections, {sender.answered} answers")

        assert sender.answered, "it was read"
        assert not door.records("call-arrived")
        attack_table.add(
            f"torture and mutated messages over TCP (seed {SEED}), from the registrar's address",
            sender.sent,
            door,
            rang,
        )


class Rogue:
    """A TLS server that registers the door, and then pours rubbish into the connection."""

    def __init__(self, made: Certificates, rubbish: list[bytes]) -> None:
        self.sent, self._rubbish = 0, rubbish
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.certificate, made.key)
        self._listener = socket.create_server((ROGUE, 5061))
        self.done, self._at = threading.Event(), iter(rubbish)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                with contextlib.suppress(OSError), self._context.wrap_socket(link, server_side=True) as secure:
                    self._pour(secure)

    def _pour(self, link: ssl.SSLSocket) -> None:
        text = link.recv(65536).decode()
        copied = "".join(line + "\r\n" for line in re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq|Contact):.*?$", text))
        copied = copied.replace("\r\r", "\r")
        link.sendall(f"SIP/2.0 200 OK\r\n{copied}Expires: 300\r\nContent-Length: 0\r\n\r\n".encode())
        link.settimeout(0.0)
        for packet in self._at:
            link.settimeout(5)
            link.sendall(packet)
            self.sent += 1
            link.settimeout(0.0)
            with contextlib.suppress(ssl.SSLWantReadError):
                if not link.recv(65536):
                    return
        self.done.set()
        link.settimeout(None)
        while link.recv(65536):
            pass

    def close(self) -> None:
        self._listener.close()


def test_a_server_that_pours_rubbish_into_its_tls_connection_ends_no_process(house: House, phone: Phone) -> None:
    """Nobody can connect to the door by TLS; who may speak there is the server that it has registered with."""
    made = certificates.make(house.folder / "rogue", ROGUE)
    with contextlib.closing(Attacker(ROGUE, (DOOR_IP, 5061))) as shape:
        seeds = [request(method, shape, 7, body=sdp(ROGUE)) for method in ("INVITE", "OPTIONS", "MESSAGE", "BYE")]
    seeds = [seed.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS") for seed in seeds]
    rubbish = [*torture().values(), *fuzz(seeds + list(torture().values()), FUZZED, SEED)]
    second = (
        f'[accounts.rogue]\nserver = "{ROGUE}"\nuser = "door"\npassword = "secret"\ntransport = "tls"\n'
        f'ca_file = "{made.authority}"\n\n[buttons.front]'
    )
    with (
        contextlib.closing(Rogue(made, rubbish)) as rogue,
        house.door(edit=lambda text: text.replace("[buttons.front]", second)) as door,
    ):
        door.await_record("line-up", 15, account="rogue")
        assert rogue.done.wait(90), f"{rogue.sent} of {len(rubbish)} were taken"
        rang = attack_table.rings(door, phone)

        assert listening_port(door.engine_pid()) == 0
        assert not door.records("call-arrived")
        attack_table.add(
            f"torture and mutated messages over TLS (seed {SEED}), from a rogue server", rogue.sent, door, rang
        )


def test_what_was_overheard_is_worth_nothing_at_the_service_beside_the_door(house: House) -> None:
    """The door's REGISTER with another Contact, a phone's INVITE: each with the digest that was right a moment ago."""
    with (
        stopping(OwnRegistrar(house.folder / "replay", OWN, USERS)) as own,
        stopping(Phone("201", house.folder, own, "p201")) as phone,
        contextlib.closing(Eavesdropper()) as ear,
        house.door(registrar=OWN) as door,
    ):
        phone.wait_registered()
        registered = ear.await_message(b"REGISTER ", b"Authorization: Digest")
        phone.call("door")
        invited = ear.await_message(b"INVITE ", b"Proxy-Authorization: Digest")
        phone.await_event("CALL_ESTABLISHED", 10)
        phone.hang_up()
        door.await_visit()
        with contextlib.closing(Attacker(STRANGER, (OWN, 5060))) as thief:
            stolen = re.sub(rb"(?m)^(Contact: .*<sip:door@)[^;>]*", rb"\g<1>%s:5060" % STRANGER.encode(), registered)
            assert stolen != registered
            answers: list[bytes] = []
            for number in range(50):
                for packet in (stolen, invited):
                    # Another transaction, another call: else it were taken for the same packet once more.
                    other = re.sub(rb"branch=z9hG4bK", b"branch=z9hG4bK%d" % number, packet, count=1)
                    thief.send(re.sub(rb"(?m)^Call-ID: ", b"Call-ID: %d" % number, other, count=1))
                answers += thief.heard()
                time.sleep(0.05)  # else the service does not listen to him at all
            answers += thief.heard()
            got_in = sum(b"SIP/2.0 200" in answer for answer in answers)
            sent = thief.sent
        rang = attack_table.rings(door, phone)
        phone.call("door")
        door.await_records("call-arrived", 2)
        phone.hang_up()

        assert len(answers) >= 50, "it was read"
        assert len(door.records("call-arrived")) == 2
        attack_table.add("overheard REGISTER and INVITE, played again at the service", sent, door, rang, got_in=got_in)
