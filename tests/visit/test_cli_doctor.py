"""`intercom doctor` before real servers: it finds the first broken thing, and disturbs nobody."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.house import Door, House, configuration, stopping
from lab.kamailio import Kamailio
from lab.pbx import Pbx
from lab.terminal import Terminal, intercom

TLS_IP = "127.0.0.23"
OFFLINE = {"GPIOZERO_PIN_FACTORY": "mock"}


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these."""
    with house.door() as door:
        yield door


def findings(terminal: Terminal) -> dict[str, str]:
    """What was looked at, and how well it is; what only this machine decides is left out."""
    told = re.findall(r"^(ok|better|BROKEN|-) +(\S.*?)  ", terminal.text(), re.MULTILINE)
    return {what: health for health, what in told if what not in {"clock", "disk", "supply", "mixer"}}


def test_all_that_can_be_looked_at_is_well(house: House, station: Door) -> None:
    """In order, with the exact challenge, and sound both ways through an echo number."""
    before = len(station.records("line-up"))
    arguments = ("--config", station.config, "--socket", station.socket, "--echo", "echo")
    with (
        stopping(house.odd_phone("echo", "uas_echo", args=["-rtp_echo"])),
        intercom("doctor", *arguments, columns=160) as terminal,
    ):
        status = terminal.await_end(30)

    assert findings(terminal) == {
        "configuration": "better", "daemon": "ok",
        "PJSIP": "ok", "pin front": "ok", "pin side": "ok", "card": "ok", "name home": "ok",
        "server home": "ok", "certificate home": "-", "login home": "ok", "address home": "ok", "sound home": "ok",
    }, terminal.text()  # fmt: skip
    assert re.search(
        r"login home +accepted \(401, realm '127.0.0.20', MD5\); the door is known at 127.0.0.9:", terminal.text()
    )
    assert re.search(r"sound home +100 packets went, (9\d|100) came back from 127.0.0.44:", terminal.text())
    assert status in {0, 4}, "4: this machine's clock or disk could be better"
    assert len(station.records("line-up")) == before, "the registration was disturbed"


def test_sound_goes_both_ways_through_the_echo_of_a_pbx(pbx: Pbx, tmp_path: Path) -> None:
    """A real Asterisk's Echo(), with its own challenge; nobody rings."""
    with pbx.door() as door:
        arguments = ("--config", door.config, "--socket", door.socket, "--echo", "600")
        with intercom("doctor", *arguments, columns=160) as terminal:
            status = terminal.await_end(30)

    assert re.search(r"^ok +login home +accepted \(401, realm 'asterisk', ", terminal.text(), re.MULTILINE)
    told = re.search(
        r"^ok +sound home +100 packets went, (\d+) came back from 127.0.0.10:", terminal.text(), re.MULTILINE
    )
    assert told, terminal.text()
    assert status in {0, 4}, "4: this machine's clock or disk could be better"
    print(f"of 100 packets {told[1]} came back from Asterisk's Echo()")


@pytest.mark.parametrize(
    ("edit", "broken", "sentence"),
    [
        (('"secret"', '"wrong"'), "login home", "login home: refused: 40[13] .* user or password is wrong"),
        (('user = "door"', 'user = "nobody"'), "login home", "login home: refused: 40"),
        (('server = "127.0.0.20"', 'server = "127.0.0.99"'), "server home", "server home: 127.0.0.99:5060 over udp: "),
        (('server = "127.0.0.20"', 'server = "no.such.test"'), "name home", "name home: no.such.test is not found"),
        (("pin = 17", "pin = 99"), "configuration", r"configuration: .*\[buttons.front\] pin = 99"),
        (('user = "door"', 'user = "door"\ntransport = "tls"'), "server home", "over udp and tcp: change transport"),
    ],
)
def test_the_first_broken_thing_is_told_in_one_sentence(
    station: Door, tmp_path: Path, edit: tuple[str, str], broken: str, sentence: str
) -> None:
    """With what to do about it, and exit status 1."""
    path = tmp_path / "intercom.toml"
    path.write_text(configuration(edit=lambda text: text.replace(*edit)))
    path.chmod(0o600)
    with intercom("doctor", "--config", path, "--socket", station.socket, columns=160) as terminal:
        status = terminal.await_end(30)

    assert [what for what, health in findings(terminal).items() if health == "BROKEN"] == [broken], terminal.text()
    assert re.search(f"^First of all: .*{sentence}", terminal.text(), re.MULTILINE), terminal.text()
    assert status == 1


def test_a_certificate_is_checked_as_the_door_checks_it(house: House, station: Door, tmp_path: Path) -> None:
    """An authority that nobody knows is the commonest trouble with TLS."""
    path = tmp_path / "intercom.toml"
    path.write_text(
        configuration(registrar=TLS_IP, edit=lambda text: text.replace("callers", 'transport = "tls"\ncallers'))
    )
    path.chmod(0o600)
    secure = Kamailio(tmp_path, TLS_IP, {"door": "secret"}, tls=True)
    assert secure.certificates is not None
    arguments = ("doctor", "--config", path, "--socket", station.socket)
    with stopping(secure):
        with intercom(*arguments, columns=160) as stranger:
            refused = stranger.await_end(30)
        trusted = {"SSL_CERT_FILE": str(secure.certificates.authority)}
        with intercom(*arguments, env=trusted, columns=160) as friend:
            friend.await_end(30)

    assert refused == 1
    assert findings(stranger)["certificate home"] == "BROKEN"
    # The laboratory's certificates are good for two days.
    assert findings(friend)["certificate home"] == "better", friend.text()
    assert findings(friend)["login home"] == "ok", friend.text()


def test_without_daemon_and_network_it_looks_at_the_rest(tmp_path: Path) -> None:
    """The pins are then read by itself; the missing daemon is what is told."""
    path = tmp_path / "intercom.toml"
    path.write_text(configuration())
    path.chmod(0o600)
    with intercom(
        "doctor", "--offline", "--config", path, "--socket", tmp_path / "none", env=OFFLINE, columns=160
    ) as terminal:
        status = terminal.await_end(30)

    found = findings(terminal)
    assert (found["daemon"], found["pin front"], found["pin side"]) == ("BROKEN", "ok", "ok"), terminal.text()
    assert "name home" not in found
    assert "First of all: daemon: the intercom does not run" in terminal.text()
    assert "sudo systemctl start intercom." in terminal.text()
    assert status == 1
