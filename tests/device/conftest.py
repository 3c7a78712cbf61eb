"""One door for the whole tier, saved while it waits for a visitor: each test resumes a copy of it, or boots one.

It is made in two steps, because an emulated processor is slow: what takes minutes (the Python packages) goes into the
cache with the disk; then this checkout is installed over it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import seen

from lab import processes
from lab.baresip import Phone
from lab.device import Device
from lab.emulator import ADDRESS, HERE, lay_cable
from lab.house import PHONE_HZ, configuration
from lab.kamailio import Kamailio
from lab.machine import CHECKOUT

PHONE_IP = "10.77.0.31"
DOOR = ["setup.sh", "firmware", "systemd", "hardware"]
INSTALL = (
    "cd /root/intercom && export PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels"
    " PJSUA2_WHEEL=$(echo /root/wheels/pjsua2-*.whl) && ./setup.sh install 2>&1"
)


@dataclass(frozen=True)
class Saved:
    """A door that waits for a visitor, frozen."""

    image: Path
    disk: Path
    state: Path


def door_configuration() -> str:
    """Return what its owner would write; the strike's relay is one that releases on low, as most boards have it."""
    text = configuration(registrar=HERE, bind=ADDRESS, ring_s=120, pulse_s=3, codecs=("pcma",))
    for old, new in (
        ("[doors.front]", '[doors.front]\nactive = "low"'),
        ('input = "system"\noutput = "system"', 'input = "Loopback"\noutput = "Loopback"\nperiod_ms = 20'),
        # Chrome's canceller is more than an emulated processor can do in time.
        ("[sound]", "[sound]\necho_cancelling = false"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    """The SIP service, at our end of the door's cable."""
    lay_cable(PHONE_IP)
    service = Kamailio(tmp_path_factory.mktemp("service"), ip=HERE, users={"door": "secret", "201": "p201"})
    yield service
    service.stop()
    processes.stop_all()


@pytest.fixture(scope="session")
def saved(registrar: Kamailio, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """This checkout, installed by the one command, registered, idle."""
    if "INTERCOM_DEVICE" not in os.environ:
        pytest.skip("no emulated machine: ./setup.sh test makes one, or says why it cannot")
    image = Path(os.environ["INTERCOM_DEVICE"])
    folder = tmp_path_factory.mktemp("door")
    with Device(folder, image, _with_packages(image, registrar, tmp_path_factory)) as device:
        seen.add("power on to all services started, arm64, emulated", f"{device.boot():.0f} s")
        began, mark = time.monotonic(), device.mark()
        device("rm -r /root/intercom")
        _install(device)
        seen.add("setup.sh install of this version over another one", f"{time.monotonic() - began:.0f} s")
        device("systemctl reset-failed && systemctl restart intercom")
        device.await_record("line-up", 300, after=mark, account="home")
        state, disk = folder / "state", folder / "saved"
        device.save(state)
        shutil.move(device.disk, disk)
    return Saved(image, disk, state)


@pytest.fixture
def device(saved: Saved, tmp_path: Path) -> Iterator[Device]:
    """The door, as it was saved, a moment ago."""
    with Device(tmp_path / "device", saved.image, saved.disk) as device:
        device.resume(saved.state)
        yield device


@pytest.fixture
def phone(registrar: Kamailio, tmp_path: Path) -> Iterator[Phone]:
    """Extension 201, registered."""
    phone = Phone("201", tmp_path, registrar, "p201", ip=PHONE_IP, tone_hz=PHONE_HZ, codecs=("pcma",))
    phone.wait_registered()
    yield phone
    phone.stop()


def _with_packages(image: Path, registrar: Kamailio, folders: pytest.TempPathFactory) -> Path:
    """Return the disk of a door that has what this checkout needs; its own version may be an older one."""
    wheel, wheels = Path(os.environ["INTERCOM_DEVICE_WHEEL"]), Path(os.environ["INTERCOM_DEVICE_WHEELS"])
    parts = [wheel, CHECKOUT / "firmware" / "requirements.lock", CHECKOUT / "firmware" / "setup" / "python.sh"]
    key = hashlib.sha256(b"".join([image.name.encode(), *(part.read_bytes() for part in parts)])).hexdigest()[:16]
    disk = image.parent / f"device-door-{key}"
    with (image.parent / "device-door.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not disk.exists():
            for old in image.parent.glob("device-door-*"):
                if time.time() - old.stat().st_mtime > 30 * 86400:
                    old.unlink()
            with Device(folders.mktemp("making"), image, image / "root.ext4") as device:
                device.boot()
                device.send(wheels, ["."], "/root/wheels")
                device.send(wheel.parent, [wheel.name], "/root/wheels")
                began = time.monotonic()
                _install(device)
                seen.add("one command to a registered door, arm64, emulated", f"{time.monotonic() - began:.0f} s")
                device("systemctl stop intercom && rm -rf /var/lib/intercom/*")
                device.power_off()
                made = disk.with_suffix(".new")
                subprocess.run(["cp", "--sparse=always", device.disk, made], check=True)
                made.rename(disk)
        os.utime(disk)
    return disk


def _install(device: Device) -> None:
    device.send(CHECKOUT, DOOR, "/root/intercom")
    device.put("/etc/intercom/intercom.toml", door_configuration(), 0o600)
    device(INSTALL, seconds=1200)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was seen."""
    if seen.ROWS:
        terminalreporter.section("device")
        for line in seen.lines():
            terminalreporter.line(line)
