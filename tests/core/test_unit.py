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
    assert filters.index("SystemCallFilter=sched_setscheduler") > filters.index(
        "SystemCallFilter=~@privileged @resources"
    )
