"""Attacks that get nobody in: they lock others out, wash traces away, have the door call, or wait in a backup."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import attack_table
from contract.test_backup import WRONG, archive, machine, restored, state  # noqa: F401  (a fixture)
from test_redirect import ELSEWHERE, IP

from intercom.control.client import ask
from lab.attackers import Forger, request
from lab.baresip import Phone
from lab.buttons import Buttons, account
from lab.house import CODE, REGISTRAR_IP, STRIKE, Door, House, stopping
from lab.impostor import Impostor
from lab.kamailio import Kamailio
from lab.pretences import PRETENCES

REFUSED = 300
"""Calls of somebody who may not call."""


def test_who_guesses_locks_out_himself_alone(house: House, phone: Phone) -> None:
    """A neighbour's phone guesses until it is not heard, and texts codes in 201's name; 201 opens at its first try."""
    text = 'callers = ["201", "202"]\ntexters = ["201"]\n\n[buttons'
    edit = lambda config: config.replace('callers = ["201"]\n\n[buttons', text)  # noqa: E731
    tries = 0
    with (
        stopping(house.phone("202", ip="127.0.0.32")) as other,
        Impostor("127.0.0.34", REGISTRAR_IP, "202", "p202") as texter,
        house.door(edit=edit) as door,
    ):
        while not door.records("locked-out"):
            assert tries < 30, "nobody was locked out"
            since = other.mark()
            other.call("door")
            other.await_event("CALL_ESTABLISHED", 10, since=since)
            wrong = len(door.records("code-wrong"))
            other.press_key(f"{5000 + tries}#")
            door.await_records("code-wrong", wrong + 1)
            other.hang_up()
            other.await_event("CALL_CLOSED", 10, since=since)
            tries += 1
        for pretence in PRETENCES:
            sender = pretence.format(f"202@{REGISTRAR_IP}", REGISTRAR_IP)
            tries += bool(texter.text(sender, "open 1111", seconds=1) or 1)
        host, port = door.sip_address().rsplit(":", 1)
        with contextlib.closing(Forger((REGISTRAR_IP, 5060), "127.0.0.66", (host, int(port)))) as forger:
            more = "Content-Type: text/plain\r\n"
            for number in range(50):
                forger.send(request("MESSAGE", forger, number, caller="201", more=more, body="open 1111"))
            tries += forger.sent
        locked = {str(record["INTERCOM_SOURCE"]) for record in door.records("locked-out")}
        since = phone.mark()
        door.press()
        phone.await_event("CALL_INCOMING", 20, since=since)
        phone.answer()
        phone.await_event("CALL_ESTABLISHED", 10, since=since)
        phone.press_key(CODE)
        door.pins.await_level(STRIKE, 1)
        phone.hang_up()
        door.await_visit()
        rang = attack_table.rings(door, phone)

        assert locked == {"202@home"}
        attack_table.add("lock-outs as a weapon: wrong codes by phone and in forged texts", tries, door, rang)


def test_refused_calls_wash_no_release_away(house: House, door: Door, phone: Phone) -> None:
    """A release, then one refused call after the other: these are summed up, and who opened stays in the folder."""
    ask(door.socket, {"do": "release", "door": "front", "released": True, "hold": False})
    door.await_record("door-released")
    with Impostor("127.0.0.34", REGISTRAR_IP, "202", "p202") as other:
        got_in = sum(other.call(f"<sip:202@{REGISTRAR_IP}>", seconds=3) == 200 for _ in range(REFUSED))
    told = len(door.records("call-refused"))
    rang = attack_table.rings(door, phone)
    argv = [sys.executable, "-m", "intercom", "visits", "--doors", "--json", "--socket", door.socket]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert told < REFUSED / 10, f"{told} records"
    assert [record["door"] for record in json.loads(shown)] == ["front"]
    attack_table.add("refused calls, to wash a release out of the journal", REFUSED, door, rang, got_in=got_in)


def test_an_assertion_lets_nobody_in(door: Door, phone: Phone) -> None:
    """An extension says of itself what only its server may say; alone, beside its own name, and twice."""
    asserted, known = f"P-Asserted-Identity: <sip:201@{REGISTRAR_IP}>\r\n", f"<sip:201@{REGISTRAR_IP}>\r\n"
    tries = got_in = 0
    with Impostor("127.0.0.34", REGISTRAR_IP, "202", "p202") as other:
        for more in (
            asserted,
            asserted * 2,
            f"{asserted}P-Asserted-Identity: <sip:202@{REGISTRAR_IP}>\r\n",
            *(f"{header}: {known}" for header in ("P-Preferred-Identity", "Remote-Party-ID", "Diversion")),
        ):
            got_in += other.call(f"<sip:202@{REGISTRAR_IP}>", more=more, seconds=3) == 200
            tries += 1
    rang = attack_table.rings(door, phone)
    attack_table.add("P-Asserted-Identity and its kin, of an extension", tries, door, rang, got_in=got_in)


def test_no_server_has_the_door_call_what_costs_money(house: House, phone: Phone) -> None:
    """Redirected to star codes, premium and emergency numbers in several spellings, other hosts: it calls nobody."""
    costly = ["0900123456", "*72201", "+49112", "0049112", "112#", "tel:+19005551234"]
    redirects = {f"r{number}": [f"<{'' if ':' in to else 'sip:'}{to}{'' if ':' in to else f'@{IP}'}>"]
                 for number, to in enumerate(costly)}  # fmt: skip
    redirects |= {name: ELSEWHERE[name] for name in ("police", "abroad", "loop", "circle", "web")}
    users = {"door": "secret", "201": "p201"}
    names = [name for name in redirects if name != "circle"]
    buttons = Buttons({name: name for name in names}, edit=account('redirects = ["own"]'))
    with (
        stopping(Kamailio(house.folder / "costly", IP, users, redirects=redirects)) as server,
        stopping(Phone("201", house.folder / "costly", server, "p201")) as own,
        house.door(registrar=IP, edit=buttons) as door,
    ):
        own.wait_registered()
        placed = 0
        for name in names:
            visit = buttons.visit(door, name)
            assert visit.outcome == "unreachable", name
            placed += len(door.records("call-placed", visit=visit.id)) - 1
        attack_table.add("redirections to what costs money", len(names), door, got_in=placed)
    del phone


def test_no_archive_brings_more_than_files_of_a_door(
    door: Door,
    phone: Phone,
    machine: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Links, devices, set-id, other units, names that lead elsewhere: refused, and the machine is as it was."""
    before, got_in = state(machine), 0
    for number, what in enumerate(WRONG.values()):
        folder = tmp_path / f"new{number}"
        done = restored(archive(tmp_path / f"evil{number}.tar.gz", *what), machine, folder)
        got_in += done.returncode != 1
    got_in += state(machine) != before
    rang = attack_table.rings(door, phone)
    attack_table.add("archives that `restore` is given", len(WRONG), door, rang, got_in=got_in)
