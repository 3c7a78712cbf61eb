"""One machine for the whole tier: a bare Debian, made a door by the one command that users are told."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import figures
import pytest

from lab import processes, to_outside
from lab.baresip import Phone
from lab.house import PHONE_HZ, REGISTRAR_IP, configuration
from lab.kamailio import Kamailio
from lab.machine import CHECKOUT, Machine, network_files

WHEELS, PROXY_IP = "/root/wheels", "127.0.0.90"
SETUP = ". /etc/profile.d/outside.sh; cd {} && INTERCOM_UPGRADE_S={} ./setup.sh {} 2>&1"
BOOT = "dtparam=audio=on\n"
ANSWERS = f"""\
server = "{REGISTRAR_IP}"
user = "door"
password = "secret"
ring = "201"
pins = [17, 27, 22]
code = "4711"
"""
DROP_IN = """\
[Service]
# A container has neither pins nor a sound card.
Environment=GPIOZERO_PIN_FACTORY=mock
"""


@pytest.fixture(scope="session")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    """The SIP service, beside the machine."""
    service = Kamailio(tmp_path_factory.mktemp("service"), ip=REGISTRAR_IP, users={"door": "secret", "201": "p201"})
    yield service
    service.stop()
    processes.stop_all()


@pytest.fixture
def phone(registrar: Kamailio, tmp_path: Path) -> Iterator[Phone]:
    """Extension 201, registered."""
    phone = Phone("201", tmp_path, registrar, "p201", tone_hz=PHONE_HZ)
    phone.wait_registered()
    yield phone
    phone.stop()


def bare_machine(folder: Path) -> Machine:
    """Return a machine with nothing on it, that reaches what this one reaches."""
    tree = os.environ.get("INTERCOM_BARE", "")
    if not tree:
        pytest.skip("no mirror of this machine gave a bare Debian: run ./setup.sh test")
    machine = Machine(folder, Path(tree))
    for here, there in network_files():
        machine.share(here, there)
    return machine


def configure(machine: Machine) -> None:
    """Fill in what a user would."""
    machine.put("/etc/intercom/intercom.toml", configuration(ring_s=30), 0o640)
    machine.put("/etc/systemd/system/intercom.service.d/machine.conf", DROP_IN)


@pytest.fixture(scope="session")
def bare(registrar: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A bare Debian, booted, with nothing on it but the checkout; a proxy leads it to the world."""
    folder = tmp_path_factory.mktemp("machine")
    with bare_machine(folder) as machine:
        machine.share(CHECKOUT, "/root/intercom")
        machine.put("/etc/systemd/system/intercom.service.d/machine.conf", DROP_IN)
        proxy = to_outside.begin(PROXY_IP, folder)
        settings = [f"export http_proxy={proxy} https_proxy={proxy}"]
        if "INTERCOM_SUITE" in os.environ:  # another release has to build its own
            settings.append("unset PJSUA2_WHEEL")
        else:
            wheel = Path(os.environ["PJSUA2_WHEEL"])
            machine.share(wheel.parent, WHEELS)
            settings.append(f"export PJSUA2_WHEEL={WHEELS}/{wheel.name}")
        machine.put("/etc/profile.d/outside.sh", "\n".join([*settings, ""]))
        machine.put("/root/door.toml", ANSWERS, 0o600)
        machine.put("/boot/firmware/config.txt", BOOT)
        figures.add("bare Debian: power on to all services started", f"{machine.boot():.1f} s")
        yield machine


@pytest.fixture(scope="session")
def installed(bare: Machine, registrar: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the one command told that made it a door."""
    ringing = Phone("201", tmp_path_factory.mktemp("phone"), registrar, "p201", tone_hz=PHONE_HZ)
    ringing.wait_registered()
    began = time.monotonic()
    told = bare(SETUP.format("/root/intercom", 60, "install --answers /root/door.toml --ring-once"))
    how = "built there" if "INTERCOM_SUITE" in os.environ else "ready-made"
    took = f"{time.monotonic() - began:.0f} s"
    figures.add(f"bare Debian to a registered, ringing door: one command (pjsua2 {how}, the rest fetched)", took)
    ringing.await_event("CALL_INCOMING")
    ringing.stop()
    return told


@pytest.fixture(scope="session")
def machine(bare: Machine, installed: str) -> Machine:
    """The door that it has become."""
    configure(bare)
    bare("systemctl restart intercom")
    return bare


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if figures.ROWS:
        terminalreporter.section("appliance")
        for line in figures.lines():
            terminalreporter.line(line)
