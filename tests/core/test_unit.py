# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd grants the intercom: no more than a door needs."""

import configparser
import json
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "intercom.service"
MOST = 1.5
NEEDED = {
    "SystemCallFilter=~@resources",  # real-time priority for the audio callback, and nothing else of it
    "RestrictRealtime=",
    "PrivateDevices=",  # sound and pins; DevicePolicy=closed keeps all others away
    "DeviceAllow=",
    "PrivateNetwork=",
    "IPAddressDeny=",  # nobody knows where a provider's servers are
    "RestrictAddressFamilies=~AF_(INET|INET6)",
    "RestrictAddressFamilies=~AF_UNIX",
    "RestrictAddressFamilies=~AF_NETLINK",
    "MemoryDenyWriteExecute=",  # ctypes makes its callbacks in such memory
    "ProcSubset=",  # /proc/asound, /proc/meminfo
    "RootDirectory=/RootImage=",
}
"""What is open, as `systemd-analyze security` calls it; everything else is closed."""
analysed = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


OTHERS = {"intercom-house.service": 1.2, "intercom-registrar.service": 1.1}
"""What systemd's measure says of the other two services at most."""


@analysed
@pytest.mark.parametrize("unit", OTHERS)
def test_the_other_services_are_no_more_exposed_than_they_were(unit: str) -> None:
    """Below 2, which is what the door's makers hold themselves to."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={OTHERS[unit] * 10:.0f}"]
    done = subprocess.run([*command, str(UNIT.with_name(unit))], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_house_is_in_no_group_of_the_door() -> None:
    """It has a group for its own socket, a bound for its memory, and its own file from systemd."""
    lines = UNIT.with_name("intercom-house.service").read_text().splitlines()

    groups = [line for line in lines if line.startswith(("SupplementaryGroups=", "Group="))]
    assert groups == ["SupplementaryGroups=intercom-house-socket"]
    assert "MemoryMax=128M" in lines
    assert "LoadCredential=house.toml:/etc/intercom/house.toml" in lines


def _analyse(*options: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", *options, str(UNIT)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@analysed
def test_the_exposure_is_no_more_than_it_was() -> None:
    """systemd's own measure, from 0 to 10; where it counts more strictly than here, the next test tells what is new."""
    done = _analyse(f"--threshold={MOST * 10:.0f}")

    assert done.returncode == 0, done.stdout + done.stderr


@analysed
def test_nothing_is_open_but_what_a_door_needs() -> None:
    """Each with its reason, here and in the unit."""
    checks = json.loads(_analyse("--json=short").stdout)
    exposed = {check["name"] for check in checks if check["exposure"] not in (None, "0.0")}

    assert exposed - NEEDED == set()


def test_what_a_door_needs_is_granted() -> None:
    """A sandbox without sound, pins or real-time priority would be very safe, and no door."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = UNIT.read_text()
    parser.read_string(text)
    service = parser["Service"]

    for line in ("DeviceAllow=char-gpiochip rw", "DeviceAllow=char-alsa rw", "SystemCallFilter=sched_setscheduler"):
        assert line in text.splitlines()
    assert int(service["LimitRTPRIO"]) >= 1
    assert (service["User"], service["LimitCORE"], service["CapabilityBoundingSet"]) == ("intercom", "0", "")
    # An allow list counts from the top: what is allowed after it was taken away stays allowed.
    filters = [line for line in text.splitlines() if line.startswith("SystemCallFilter=")]
    assert "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self" in filters, (
        "without it the engine (engine/sandbox.py) fences nothing in"
    )
    assert filters.index("SystemCallFilter=sched_setscheduler") > filters.index(
        "SystemCallFilter=~@privileged @resources"
    )


def test_no_credential_keeps_the_door_from_starting() -> None:
    """systemd ends with 243 where it cannot hand one over; a line of ours that fails is passed over ("-"), as root."""
    lines = UNIT.read_text().splitlines()
    script = UNIT.with_name("intercom-unseal")

    assert not [line for line in lines if line.startswith(("LoadCredential", "SetCredential", "ImportCredential"))]
    assert f"ExecStartPre=-+/opt/intercom/current/systemd/{script.name}" in lines
    assert script.stat().st_mode & 0o111 == 0o111
