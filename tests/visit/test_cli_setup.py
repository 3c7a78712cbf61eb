"""The first configuration: five answers, from a person, from options or from a file, tried at a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from intercom.security import code_hash
from lab.house import REGISTRAR_IP, House, stopping
from lab.terminal import FIRMWARE, intercom

ANSWERS = ("--server", REGISTRAR_IP, "--user", "door", "--ring", "201,202", "--pins", "5,6,-")


def setup(*options: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run it without a terminal."""
    argv = [sys.executable, "-m", "intercom", "setup", *map(str, options)]
    env = {**os.environ, "PYTHONPATH": str(FIRMWARE)}
    return subprocess.run(argv, input=typed, env=env, capture_output=True, text=True, check=False)


def test_it_asks_five_questions_and_tries_the_answers(house: House, tmp_path: Path) -> None:
    """The whole talk in a terminal, with a slip of the keys in it; the password is not shown, the new code once."""
    path = tmp_path / "intercom.toml"
    with intercom("setup", "--config", path, columns=120) as terminal:
        for question, answer in (
            ("1. SIP server", "two words"),
            ("please again", REGISTRAR_IP),
            ("2. The door's extension", "door"),
            ("3. Its password", "secret"),
            ("4. Whom to ring", "201, 202"),
            ("5. Pins of button, strike and lamp", "17, 17"),
            ("please again[^~]*please again", ""),
        ):
            terminal.await_text(question)
            terminal.type(f"{answer}\n")
        status = terminal.await_end()
    with intercom("check", path, columns=200) as check:
        check.await_end()
    made = tomllib.loads(path.read_text())
    code = re.search(r"opens the door: (\d{6})\.", terminal.text())
    hashed = code_hash.parse(made["codes"]["family"]["secret"])

    assert status == 0, terminal.text()
    assert "login home: accepted (401, realm '127.0.0.20', MD5)" in terminal.text()
    assert "secret" not in terminal.text()
    assert check.text() == f"{path}: good: 1 account (home), 1 button (front), 1 door (front), 1 code (family), lamp"
    assert made["buttons"]["front"]["targets"] == ["201", "202"]
    assert (made["buttons"]["front"]["pin"], made["doors"]["front"]["strike_pin"], made["lamp"]["pin"]) == (17, 27, 22)
    assert code is not None
    assert hashed is not None
    assert hashed.is_made_of(hashed.mill.grind(code[1]))
    assert "# Whom a press calls, all at once" in path.read_text(), "the sample's sentences stay"


def test_a_wrong_password_writes_nothing_unasked(house: House, tmp_path: Path) -> None:
    """Whoever mistyped it learns it now, not when somebody rings."""
    path = tmp_path / "intercom.toml"
    with intercom("setup", "--config", path, columns=120) as terminal:
        for question, answer in (("1. ", REGISTRAR_IP), ("2. ", "door"), ("3. ", "wrong"), ("4. ", "201"), ("5. ", "")):
            terminal.await_text(f"^{question}")
            terminal.type(f"{answer}\n")
        terminal.await_text("all the same")
        terminal.type("\n")
        status = terminal.await_end()

    assert status == 1
    assert "user or password is wrong" in terminal.text()
    assert not path.exists()


def test_options_answer_everything_without_a_terminal(house: House, tmp_path: Path) -> None:
    """For who installs ten doors; the password comes on standard input, so nobody sees it among the processes."""
    path = tmp_path / "intercom.toml"
    done = setup(*ANSWERS, "--password-file", "-", "--config", path, typed="secret\n")
    made = tomllib.loads(path.read_text())

    assert done.returncode == 0, done.stderr
    assert "login home: accepted" in done.stdout
    assert made["accounts"]["home"]["password"] == "secret"
    assert (made["buttons"]["front"]["pin"], made["doors"]["front"]["strike_pin"]) == (5, 6)
    assert "lamp" not in made
    assert "codes" not in made, "who reads no terminal gets no code that nobody ever saw"


def test_a_file_answers_everything(house: House, tmp_path: Path) -> None:
    """The same five under their names; options are worth more. A file that everybody can read is warned of."""
    path, file, code = tmp_path / "intercom.toml", tmp_path / "door.toml", tmp_path / "code"
    file.write_text(
        f'server = "{REGISTRAR_IP}"\nuser = "door"\npassword = "secret"\n'
        'ring = ["201", "202"]\npins = [17, "-", "GPIO22"]\n'
    )
    file.chmod(0o644)
    code.write_text("4711\n")
    done = setup("--answers", file, "--ring", "203", "--code-file", code, "--config", path)
    made = tomllib.loads(path.read_text())

    assert done.returncode == 0, done.stderr
    assert f"everybody can read {file}" in done.stderr
    assert made["buttons"]["front"]["targets"] == ["203"]
    assert made["lamp"]["pin"] == "GPIO22"
    assert "doors" not in made
    assert "codes" not in made, "there is nothing that a code could open"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give --server SERVER --user USER --password-file FILE --ring RING --pins PINS, or --answers FILE"),
        ((*ANSWERS[:6], "--password-file", "-"), "there is no terminal to ask at; give --pins PINS, or --answers FILE"),
        (("--server", "two words"), "server: must be a host name or an address"),
        (("--pins", "17,GPIO17"), "pins: must be one to three different pins"),
        (("--answers", "/nowhere"), "/nowhere: No such file or directory"),
        (("--password-file", "/nowhere"), "/nowhere: No such file or directory"),
    ],
)
def test_what_is_missing_or_wrong_is_told(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    """Without a terminal nobody is asked, and nothing waits."""
    path = tmp_path / "intercom.toml"
    done = setup(*options, "--config", path, typed="secret\n")

    assert done.returncode in {1, 2}
    assert told in done.stderr
    assert not path.exists()


def test_a_configuration_that_is_there_is_not_replaced_unasked(house: House, tmp_path: Path) -> None:
    """Only the sample is nobody's work."""
    path = tmp_path / "intercom.toml"
    path.write_text("# mine")
    options = (*ANSWERS, "--password-file", "-", "--config", path)
    refused = setup(*options, typed="secret\n")
    kept = path.read_text()
    wrong = setup(*options, "--replace", typed="wrong\n")
    path.write_text((FIRMWARE / "intercom" / "sample.toml").read_text())
    untried = setup(*options, "--untried", typed="wrong\n")

    assert refused.returncode == 2
    assert "--replace takes its place" in refused.stderr
    assert kept == "# mine"
    assert wrong.returncode == 1
    assert "--untried keeps" in wrong.stdout
    assert untried.returncode == 0, untried.stderr
    assert 'password = "wrong"' in path.read_text()


def test_a_press_that_is_only_tried_rings_once(house: House) -> None:
    """The phone rings, and the visit is hung up from here; a phone that is not there is told."""
    with house.door() as door, stopping(house.phone()) as phone:
        with intercom("press", "front", "--try", "--socket", door.socket, columns=120) as terminal:
            phone.await_event("CALL_INCOMING")
            rang = terminal.await_end()
        ended = door.await_visit()
        door.config.write_text(door.config.read_text().replace('targets = ["201"]', 'targets = ["299"]'))
        with intercom("reload", "--socket", door.socket) as reload:
            reload.await_end()
        door.await_record("configured")
        with intercom("press", "front", "--try", "--socket", door.socket, columns=120) as deaf:
            silent = deaf.await_end(30)

    assert (rang, silent) == (0, 1)
    assert re.search(r"201 rang after \d+ ms", terminal.text())
    assert ended.outcome != "talked"
    assert "rang" not in deaf.text()


def test_the_service_beside_the_door_is_tried_and_kept_over_tcp(house: House, tmp_path: Path) -> None:
    """`install --with-registrar` says so: a UDP port of this machine could be bound by its other users as well."""
    path = tmp_path / "intercom.toml"
    done = setup(*ANSWERS, "--transport", "tcp", "--password-file", "-", "--config", path, typed="secret\n")
    wrong = setup(*ANSWERS, "--transport", "sctp", "--password-file", "-", "--config", path, typed="secret\n")

    assert done.returncode == 0, done.stderr
    assert "answers over tcp" in done.stdout
    assert tomllib.loads(path.read_text())["accounts"]["home"]["transport"] == "tcp"
    assert wrong.returncode == 2
    assert "transport: must be udp, tcp or tls" in wrong.stderr
