"""A house without a PBX: one command makes the door, and the SIP service for the phones beside it."""

import time

import figures
from conftest import DROP_IN, SETUP

from lab.machine import Machine


def test_one_command_makes_a_door_with_a_service_for_its_phones(bare: Machine, installed: str) -> None:
    """Nobody is asked anything: the door has its login from the service, and phones are ready to be registered."""
    bare(SETUP.format("/root/intercom", 20, "uninstall </dev/null"))
    bare.put("/etc/systemd/system/intercom.service.d/machine.conf", DROP_IN)
    began = time.monotonic()
    told = bare(SETUP.format("/root/intercom", 60, "install --with-registrar </dev/null"))
    figures.add(
        "installed anew, with a SIP service beside the door, and registered", f"{time.monotonic() - began:.0f} s"
    )
    phones = bare("intercom phones")
    again = bare(SETUP.format("/root/intercom", 60, "install --with-registrar </dev/null"))
    units = bare("systemctl is-active intercom intercom-registrar; systemctl is-enabled intercom-registrar")
    same = bare("intercom phones")
    bare(SETUP.format("/root/intercom", 20, "uninstall </dev/null"))
    left = bare("find /etc /opt -name '*intercom*'")

    assert "login home: accepted" in told
    assert "registered" in told.splitlines()[-2]
    assert [line.split()[0] for line in phones.splitlines()[1:]] == ["201", "202", "203", "204"]
    assert "installed already" in again
    assert same == phones
    assert units.split() == ["active", "active", "enabled"]
    assert left == ""
