"""The door's pins on a chip of the kernel's own: the button, the strike, through gpiozero and lgpio as on a Pi."""

import re
import time

import pytest
import seen

from lab.baresip import Phone
from lab.device import Device
from lab.house import BUTTON, CODE, STRIKE

LOCKED, RELEASED = 1, 0
"""The relay releases on low."""
TRACE = "/sys/kernel/tracing"
SLOW_S = 120
"""An emulated processor under load."""


def test_a_press_on_the_chip_rings_a_phone_and_its_code_moves_the_strike(device: Device, phone: Phone) -> None:
    """The whole promise, on arm64, by its own kernel: one press, one call, one release."""
    mark = device.mark()
    before = device.level(STRIKE)
    pressed = time.monotonic()
    device.press(BUTTON)
    rang = phone.await_event("CALL_INCOMING", SLOW_S)
    phone.answer()
    device.await_record("call-answered", SLOW_S, after=mark)
    phone.press_key(CODE)
    device.await_level(STRIKE, RELEASED, SLOW_S)
    released = device.await_record("door-released", after=mark)
    device.await_level(STRIKE, LOCKED, SLOW_S)
    device.await_record("door-locked", after=mark)
    phone.hang_up()
    ended = device.await_record("visit-ended", SLOW_S, after=mark)

    seen.add("press on the kernel's chip to INVITE at the phone", f"{rang.at - pressed:.1f} s")
    seen.add("strike's line, read from the chip: idle, code, after its pulse", "locked, released, locked")
    assert before == LOCKED
    assert released["INTERCOM_CODE_NAME"] == "family"
    assert ended["INTERCOM_OUTCOME"] == "talked"


def test_the_strike_never_twitches_when_the_daemon_comes_and_goes(device: Device) -> None:
    """Each level that the kernel gives the line while the door is stopped, started and killed: it stays locked."""
    device(f"mount -t tracefs tracefs {TRACE} 2>/dev/null; echo 1 >{TRACE}/events/gpio/enable; echo >{TRACE}/trace")
    for way in ("systemctl restart intercom", "systemctl kill -s KILL --kill-whom=main intercom"):
        mark = device.mark()
        device(way)
        device.await_record("line-up", SLOW_S, after=mark)
    number = _line_number(device, STRIKE)
    told = [line for line in device(f"cat {TRACE}/trace").splitlines() if re.search(rf"gpio_\w+: {number}\b", line)]
    levels = [int(found[1]) for line in told if (found := re.search(r"\bset (\d)", line))]

    seen.add("levels that the kernel gave the strike's line while the daemon was restarted, and killed", "locked alone")
    assert len(levels) >= 3, told
    assert set(levels) == {LOCKED}, "\n".join(told)
    assert device.level(STRIKE) == LOCKED


@pytest.mark.parametrize("end", ["held", "at rest"])
def test_edges_that_the_kernel_drops_make_no_press_deaf(device: Device, phone: Phone, end: str) -> None:
    """A daemon that stands still for a moment: the kernel's queue holds sixteen edges, and sixty come."""
    mark, since = device.mark(), time.monotonic()
    storm = "n=0; while [ $n -lt 30 ]; do echo pull-down >pull; echo pull-up >pull; n=$((n+1)); done"
    device(
        f"cd /run/pins/sim_gpio{BUTTON} && main=$(systemctl show intercom -p MainPID --value) && kill -STOP $main && "
        f"{storm}; {'echo pull-down >pull; ' if end == 'held' else ''}kill -CONT $main"
    )
    if end == "held":
        phone.await_event("CALL_INCOMING", SLOW_S, since=since)
        phone.reject()
        device.await_record("visit-ended", SLOW_S, after=mark)
        device(f"echo pull-up >/run/pins/sim_gpio{BUTTON}/pull")
        # Told by its edge, or by the next look at the level (`wires.LOOK_S`).
    device.await_command("! intercom status --json | grep -q pressed...true", SLOW_S)
    mark, since = device.mark(), time.monotonic()
    device.press(BUTTON)
    phone.await_event("CALL_INCOMING", SLOW_S, since=since)
    phone.reject()
    ended = device.await_record("visit-ended", SLOW_S, after=mark)

    seen.add(f"60 edges at once, of which the kernel keeps 16; the button is {end} then", "the next press rings")
    assert ended["INTERCOM_OUTCOME"] == "busy"


def _line_number(device: Device, pin: int) -> int:
    """How the kernel's trace calls a line: by its number among all lines of all chips."""
    return int(device("cat /sys/class/gpio/gpiochip*/base").split()[0]) + pin
