"""One machine for the whole tier: a bare Debian, made a door by the one command that users are told."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import figures
import pytest

from lab import processes
from lab.baresip import Phone
from lab.house import PHONE_HZ, REGISTRAR_IP, configuration
from lab.kamailio import Kamailio
from lab.machine import CHECKOUT, Machine, network_files, network_settings

WHEELS = "/root/wheels"
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
def machine(registrar: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A door, registered: installed from nothing, configured, booted."""
    wheel = Path(os.environ["PJSUA2_WHEEL"])
    with bare_machine(tmp_path_factory.mktemp("machine")) as machine:
        machine.share(CHECKOUT, "/root/intercom")
        machine.share(wheel.parent, WHEELS)
        settings = {"PJSUA2_WHEEL": f"{WHEELS}/{wheel.name}", **network_settings()}
        began = time.monotonic()
        done = machine.install("cd /root/intercom && ./setup.sh install", **settings)
        figures.add(
            "bare Debian to installed, pjsua2 ready-made, packages fetched", f"{time.monotonic() - began:.0f} s"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        configure(machine)
        machine.put("/etc/profile.d/wheel.sh", f"export PJSUA2_WHEEL={WHEELS}/{wheel.name}\n")
        figures.add("power on to all services started", f"{machine.boot():.1f} s")
        machine.await_record("line-up", account="home")
        yield machine


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if figures.ROWS:
        terminalreporter.section("appliance")
        for line in figures.lines():
            terminalreporter.line(line)
