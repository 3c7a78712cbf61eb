"""What happens to a box on a wall: its cable, its power, its memory card, a daemon that hangs."""

import hashlib
import subprocess
import time
from pathlib import Path

import seen
from conftest import Saved

from lab.baresip import Phone
from lab.device import Device
from lab.house import BUTTON, CODE, STRIKE

LOCKED, RELEASED = 1, 0
SLOW_S = 180


def rings(device: Device, phone: Phone) -> None:
    """Press, and have the phone ring and decline."""
    mark, since = device.mark(), time.monotonic()
    device.press(BUTTON)
    phone.await_event("CALL_INCOMING", SLOW_S, since=since)
    phone.reject()
    device.await_record("visit-ended", SLOW_S, after=mark)


def test_a_power_cut_in_a_visit_leaves_a_door_that_boots_locked_and_rings(device: Device, phone: Phone) -> None:
    """The strike was released when the power went; nothing needs repair afterwards."""
    mark = device.mark()
    device.press(BUTTON)
    phone.await_event("CALL_INCOMING", SLOW_S)
    phone.answer()
    device.await_record("call-answered", SLOW_S, after=mark)
    phone.press_key(CODE)
    device.await_record("door-released", SLOW_S, after=mark)
    device.cut_power()
    took = device.boot()
    on = time.monotonic()
    device.await_record("line-up", SLOW_S, account="home")
    locked = device.level(STRIKE)
    state = device("systemctl is-system-running; systemctl --failed --no-legend", check=False)
    rings(device, phone)

    seen.add("power cut with the strike released: power on to registered", f"{took + time.monotonic() - on:.0f} s")
    assert locked == LOCKED
    assert state.strip() == "running"


def test_a_pulled_cable_is_told_and_put_back_it_rings(device: Device, phone: Phone) -> None:
    """The kernel says that there is no link, and that there is one."""
    mark = device.mark()
    device.emulator.cable(plugged=False)
    time.sleep(3)
    device.emulator.cable(plugged=True)
    began = device.await_record("condition-began", SLOW_S, after=mark, condition="network")
    device.await_record("condition-ended", SLOW_S, after=mark, condition="network")
    explained = device(f"journalctl -u intercom --since=@{mark} -x -o short --no-pager")
    rings(device, phone)

    seen.add("network cable pulled, and put back", f"{began['INTERCOM_DETAIL']}; well again, and it rings")
    assert "Subject: The network is gone" in explained
    assert "Look at the cable and its lamps" in explained


def test_a_frozen_daemon_is_replaced_by_the_watchdog(device: Device, phone: Phone) -> None:
    """systemd's watchdog, with the unit's own time."""
    mark = device.mark()
    device("systemctl kill -s STOP --kill-whom=main intercom")
    device.await_record("line-up", SLOW_S, after=mark, account="home")
    told = device(f"journalctl -u intercom --since=@{mark} -o cat --no-pager")
    rings(device, phone)

    seen.add("daemon frozen (SIGSTOP)", "ended by systemd's watchdog, and it rings")
    assert "Watchdog timeout" in told
    assert device.level(STRIKE) == LOCKED


def test_a_read_only_root_is_enough_for_a_door(saved: Saved, phone: Phone, tmp_path: Path) -> None:
    """As `raspi-config` makes it against worn-out memory cards: what is written stays in memory."""
    with Device(tmp_path / "device", saved.image, saved.disk) as device:
        # It was saved while it ran: what stood in its journal is put in its place now, not by the boot.
        subprocess.run(["/sbin/e2fsck", "-p", device.disk], check=False, capture_output=True)
        before = _fingerprint(device.disk)
        device.boot("device.overlay")
        root = device("findmnt -n -o FSTYPE /")
        device.await_record("line-up", SLOW_S, account="home")
        rings(device, phone)
        device.power_off()
        after = _fingerprint(device.disk)

    seen.add("read-only root", "boots, registers, rings; the card is untouched")
    assert root.strip() == "overlay"
    assert after == before


def _fingerprint(disk: Path) -> str:
    with disk.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
