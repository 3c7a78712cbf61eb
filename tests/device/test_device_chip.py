"""The door's pins on a chip of the kernel's own: the button, the strike, through gpiozero and lgpio as on a Pi."""

import time

import seen

from lab.baresip import Phone
from lab.device import Device
from lab.house import BUTTON, CODE, STRIKE

LOCKED, RELEASED = 1, 0
"""The relay releases on low."""
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
