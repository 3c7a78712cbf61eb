"""A door with half its parts: pins that another program has, files of the configuration that cannot be read."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import fault_table
import pytest
from healing import rings

from lab.baresip import Phone
from lab.house import BUTTON, LAMP, SIDE_BUTTON, STRIKE, Door, House
from lab.journal import Record

LOOKS = {"LAB_LOOK_S": "0.5"}
"""How often the door looks for what is missing here, in seconds; a real one looks every 10."""
EXIT, CONTACT, TAMPER, ROW = 24, 25, 16, 6
MORE = f"""
[tampers.case]
pin = {TAMPER}
shut = "open"

[keypads.k]
rows = [5, {ROW}, 13, 26]
columns = [12, 7, 8]
"""
PARTS = {
    "button side": 4, "strike front": STRIKE, "lamp": LAMP, "exit front": EXIT, "contact front": CONTACT,
    "tamper case": TAMPER, "keypad k": ROW,
}  # fmt: skip
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""A root that may read no more of other users' files than the service's user may."""


def with_all_parts(text: str) -> str:
    text = text.replace(f"pin = {SIDE_BUTTON}\n", f"pin = {PARTS['button side']}\n")
    text = text.replace("pulse_s = 1.0", f"pulse_s = 1.0\nexit_pin = {EXIT}\ncontact_pin = {CONTACT}")
    return text.replace("\n[lamp]", f"{MORE}\n[lamp]")


def part_began(door: Door, part: str) -> Record:
    return door.await_record("condition-began", condition=f"part {part}")


def plainly(began: Record) -> str:
    """Return what was told, without what only these mock pins have to say."""
    return re.sub(r" by <.*>", "", str(began["INTERCOM_DETAIL"])).replace("pin ", "", 1)


@pytest.mark.parametrize("part", [*PARTS, "button front"])
def test_a_pin_that_another_program_has_at_the_start_costs_its_part_alone(
    house: House, phone: Phone, part: str
) -> None:
    """Told with its reason; the door rings meanwhile, and has the part as soon as it is free."""
    pin = PARTS.get(part, BUTTON)
    with house.door(env={**LOOKS, "LAB_TAKEN": f"GPIO{pin}"}, edit=with_all_parts) as door:
        began = part_began(door, part)
        if part == "button front":
            door.press(PARTS["button side"])  # calls the one who is always busy: the visit has its outcome
            assert door.await_visit().outcome == "busy"
        else:
            rings(door, phone)
        given = time.time()
        door.pins.give(pin)
        ended = door.await_record("condition-ended", condition=f"part {part}")
        rings(door, phone)

        fault_table.add(
            f"the pin of {part} is another program's at the start",
            door,
            fault_table.at(began) - door.began,
            plainly(began),
            fault_table.at(ended) - given,
        )


def test_no_pin_that_another_program_has_at_a_reload_costs_a_press(house: House, phone: Phone) -> None:
    """The configuration that wants it is not taken up, and why is told; the old one rings on, each time."""
    taken = 23
    told = ""
    with house.door(env=LOOKS, edit=with_all_parts) as door:
        good = door.config.read_text()
        door.pins.take(taken)
        for number, pin in enumerate([*PARTS.values(), BUTTON], 1):
            door.config.write_text(good.replace(f"pin = {pin}\n", f"pin = {taken}\n").replace(f" {pin},", f" {taken},"))
            assert door.config.read_text() != good
            door.process.signal(signal.SIGHUP)
            began = door.await_records("condition-began", number, condition="configuration")[-1]
            told = plainly(began)
            door.await_records("line-up", number + 1)  # of the daemon that went back
            rings(door, phone)
            door.config.write_text(good)
            door.process.signal(signal.SIGHUP)
            door.await_records("condition-ended", number, condition="configuration")
            rings(door, phone)

        assert f"GPIO{taken}" in told
        fault_table.add("each pin in turn is another program's at a reload", door, None, told, None)


def unreadable(path: Path, content: bytes = b"secret") -> Path:
    """Make a file that only another user may read."""
    path.write_bytes(content)
    path.chmod(0o600)
    os.chown(path, 65534, 65534)
    return path


FILES: dict[str, Callable[[str, Path], str]] = {
    "a code's secret": lambda text, file: text.replace('secret = "4711"', f'secret_file = "{file}"'),
    "a contact's keys": lambda text, file: f'{text}\n[contacts.hall]\ncall = "201"\nthen_file = "{file}"\n',
    "a sound": lambda text, file: f'{text}\n[sounds]\nchime = "{file}"\n',
    "the folder of sounds": lambda text, file: f'{text}\n[sounds]\nfolder = "{file}"\n',
    "a TURN server's password": lambda text, file: text.replace(
        'user = "door"\n', f'user = "door"\nturn = "127.0.0.9:3478"\nturn_user = "x"\nturn_password_file = "{file}"\n'
    ),
    "another account's password": lambda text, file: text.replace(
        "[buttons.front]",
        f'[accounts.far]\nserver = "127.0.0.29"\nuser = "x"\npassword_file = "{file}"\n\n[buttons.front]',
    ),
    "another account's authorities": lambda text, file: text.replace(
        "[buttons.front]",
        f'[accounts.far]\nserver = "127.0.0.29"\nuser = "x"\npassword = "x"\ntransport = "tls"\nca_file = "{file}"\n\n'
        "[buttons.front]",
    ),
    "another account's certificate": lambda text, file: text.replace(
        "[buttons.front]",
        f'[accounts.far]\nserver = "127.0.0.29"\nuser = "x"\npassword = "x"\ntransport = "tls"\n'
        f'cert_file = "{file}"\nkey_file = "{file}"\n\n[buttons.front]',
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_the_service_may_not_read_costs_what_needs_it_alone(
    house: House, phone: Phone, tmp_path: Path, kind: str
) -> None:
    """Right for root, who edits it, and not for the service: told with its reason, and the door rings."""
    file = tmp_path / "secret"
    if kind == "the folder of sounds":
        file.mkdir(mode=0o700)
        os.chown(file, 65534, 65534)
    else:
        unreadable(file)
    with house.door(env=LOOKS, prefix=UNPRIVILEGED, edit=lambda text: FILES[kind](text, file)) as door:
        began = door.await_record("condition-began", condition=part_named(door))
        rings(door, phone)
        rings(door, phone)

        fault_table.add(
            f"the service may not read {kind}",
            door,
            fault_table.at(began) - door.began,
            str(began["INTERCOM_DETAIL"]).replace(str(file), "FILE"),
            None,
        )


def part_named(door: Door) -> str:
    """Return the one part that is missing."""
    parts = {
        str(record["INTERCOM_CONDITION"])
        for record in door.records("condition-began")
        if str(record["INTERCOM_CONDITION"]).startswith("part ")
    }
    assert len(parts) == 1, parts
    return parts.pop()


@pytest.mark.parametrize("kind", ["the account's password", "a credential of another machine"])
def test_the_only_account_s_password_is_taken_when_it_can_be_read(
    house: House, phone: Phone, tmp_path: Path, kind: str
) -> None:
    """Without it nobody can be called, which is told; presses are answered, and ring as soon as it is there."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    file = credentials / "sip.password"
    key = 'credential = "sip.password"'
    if kind == "the account's password":
        unreadable(file)
        key = f'password_file = "{file}"'
    # systemd hands a credential over only where it could be decrypted; what it hands over is a file (systemd.exec(5)).
    env = {**LOOKS, "CREDENTIALS_DIRECTORY": str(credentials)}
    edit = lambda text: text.replace('password = "secret"', key).replace("[calls]", "[calls]\npatience_s = 2")  # noqa: E731
    with house.door(wait=False, env=env, prefix=UNPRIVILEGED, edit=edit) as door:
        began = door.await_record("condition-began", condition=f"part [accounts.home] {key.split(' =')[0]}")
        door.press()
        assert door.await_visit(30).outcome == "unreachable"
        there = time.time()
        file.unlink(missing_ok=True)
        file.write_text("secret")
        up = door.await_record("line-up", 20)
        rings(door, phone)

        fault_table.add(
            f"{kind} cannot be read" if "password" in kind else f"{kind}: systemd cannot decrypt it",
            door,
            fault_table.at(began) - door.began,
            str(began["INTERCOM_DETAIL"]).replace(str(file), "FILE"),
            fault_table.at(up) - there,
        )


def test_twenty_reloads_with_a_press_in_each_lose_none(house: House, phone: Phone) -> None:
    """Each press comes at another moment: before, while the pins change hands, after; each has its own outcome."""
    reloads, lost, before = 20, [], 0
    with house.door(env=LOOKS) as door:
        good = door.config.read_text()
        for number in range(reloads):
            door.config.write_text(good.replace("[sound]", f"[sound]\nmicrophone_db = {number}.5"))
            pressed = time.monotonic()
            door.process.signal(signal.SIGHUP)
            while time.monotonic() < pressed + number * 0.05:  # another moment each time; nothing is awaited
                time.sleep(0.001)
            door.press()
            phone.await_event("CALL_INCOMING", 20, since=pressed)
            phone.reject()
            ended = door.await_records("visit-ended", number + 1)
            lost += [number] if len(ended) == before else []
            before = len(ended)
        rings(door, phone)

        assert lost == []
        assert len(door.records("press-accepted")) == reloads + 1
        fault_table.add("20 reloads, a press in another moment of each", door, None, "reloaded, 20 times", None)
