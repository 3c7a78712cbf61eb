"""A booted Debian that the one command made a door: its unit, its sandbox, what a crash and a hang do to it."""

import re
import time

import figures

from lab.baresip import Phone
from lab.house import CODE
from lab.machine import Machine


def properties(machine: Machine, *names: str) -> dict[str, str]:
    """What systemd says of the door's unit."""
    shown = machine(f"systemctl show intercom.service -p {','.join(names)}")
    return dict(line.split("=", 1) for line in shown.splitlines())


def await_registered_anew(machine: Machine, since: float) -> float:
    """Await the line of a daemon that was started after `since`; return how many seconds that took."""
    record = machine.await_record("line-up", 60, since=since, account="home")
    return int(record["__REALTIME_TIMESTAMP"]) / 1e6 - since


def test_a_bare_debian_has_become_a_door_that_rings(machine: Machine, phone: Phone) -> None:
    """The promise of the whole project, in the tree of a stranger."""
    began = time.time()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING")
    phone.answer()
    machine.await_record("call-answered", since=began)
    phone.press_key(CODE)
    released = machine.await_record("door-released", since=began)
    phone.hang_up()
    ended = machine.await_record("visit-ended", since=began)

    assert released["INTERCOM_CODE_NAME"] == "family"
    assert ended["INTERCOM_OUTCOME"] == "talked"
    assert properties(machine, "User", "NRestarts") == {"User": "intercom", "NRestarts": "0"}


def test_boot_to_registered_is_shown(machine: Machine) -> None:
    """systemd's own clock: from the unit's start to READY, and to the first 200 for our REGISTER."""
    since = properties(machine, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    started, ready = (int(since[name]) / 1e6 for name in sorted(since, reverse=True))
    line = machine.await_record("line-up", account="home")
    registered = int(line["__MONOTONIC_TIMESTAMP"]) / 1e6

    figures.add("start of the unit to READY=1", f"{ready - started:.2f} s")
    figures.add("start of the unit to registered", f"{registered - started:.2f} s")
    assert "intercom.service" in machine("systemd-analyze critical-chain intercom.service --no-pager")


def test_the_sandbox_is_on(machine: Machine) -> None:
    """Asked of the systemd that runs it, not of the file."""
    told = machine("systemd-analyze security intercom.service --no-pager")
    exposure = re.search(r"Overall exposure level for intercom.service: ([\d.]+)", told)
    refused = machine("systemctl show intercom.service -p ProtectSystem,NoNewPrivileges,CapabilityBoundingSet")

    assert exposure
    figures.add("exposure by systemd-analyze security, in the machine", exposure[1])
    assert "ProtectSystem=strict" in refused
    assert "NoNewPrivileges=yes" in refused
    assert "CapabilityBoundingSet=\n" in refused


def test_a_killed_daemon_rings_on_after_systemd_s_restart(machine: Machine, phone: Phone) -> None:
    """SIGKILL while it rings: the visitor still gets his call, and one visit."""
    began = time.time()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING")
    killed, cut = time.time(), time.monotonic()
    machine("systemctl kill -s KILL --kill-whom=main intercom.service")
    phone.reject()
    phone.await_event("CALL_INCOMING", 30, since=cut)
    phone.reject()
    ended = machine.await_record("visit-ended", 30, since=began)
    took = await_registered_anew(machine, killed)

    figures.add("SIGKILL of the daemon to registered again", f"{took:.2f} s")
    assert ended["INTERCOM_VISIT"] == machine.await_record("press-accepted", since=began)["INTERCOM_VISIT"]


def test_a_frozen_daemon_is_replaced_by_the_watchdog(machine: Machine, phone: Phone) -> None:
    """SIGSTOP: nothing crashes, nothing moves; only systemd's watchdog can tell."""
    frozen = time.time()
    machine("systemctl kill -s STOP --kill-whom=main intercom.service")
    took = await_registered_anew(machine, frozen)
    told = machine(f"journalctl -u intercom --since=@{frozen:.6f} --no-pager -o cat")
    since = time.monotonic()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING", since=since)
    phone.reject()

    figures.add("SIGSTOP of the daemon to registered again (WatchdogSec is in it)", f"{took:.1f} s")
    assert "Watchdog timeout" in told


def test_a_power_cut_in_a_visit_leaves_a_door_that_boots_and_rings(machine: Machine, phone: Phone) -> None:
    """Nothing needs repair, and the strike is locked."""
    machine("intercom press front")
    phone.await_event("CALL_INCOMING")
    machine.power_cut()
    phone.reject()
    on = time.time()
    machine.boot()
    took = await_registered_anew(machine, on)
    since = time.monotonic()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING", since=since)
    phone.reject()

    figures.add("power on to registered, after a power cut in a visit", f"{took:.1f} s")
    assert "locked" in machine("intercom status")


def test_each_record_explains_itself(machine: Machine) -> None:
    """journalctl -x shows the catalog's page: what it means and what to do."""
    explained = machine("journalctl -u intercom -x --no-pager -o short")

    assert "registered" in explained
    assert "-- Subject:" in explained or "Subject:" in explained
