# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of pins: enough to refuse a misspelt one and to see that two names are the same pin.

Whether a pin exists on this very board is gpiozero's business, and asked when the pin is claimed. The tables hold for
every Raspberry Pi with the 40-pin header (hardware/README.md).
"""

import re

HEADER = {
    3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9, 22: 25,
    23: 11, 24: 8, 26: 7, 27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26, 38: 20, 40: 21,
}  # fmt: skip
"""Place on the 40-pin header -> BCM number. The places missing here carry power or ground."""
WIRING_PI = {
    0: 17, 1: 18, 2: 27, 3: 22, 4: 23, 5: 24, 6: 25, 7: 4, 8: 2, 9: 3, 10: 8, 11: 7, 12: 10, 13: 9, 14: 11,
    15: 14, 16: 15, 21: 5, 22: 6, 23: 13, 24: 19, 25: 26, 26: 12, 27: 16, 28: 20, 29: 21, 30: 0, 31: 1,
}  # fmt: skip
"""wiringPi's number -> BCM number."""
HIGHEST = 53
"""Highest BCM number of any Pi (compute modules bring out all of them)."""

SPECIAL = {
    **dict.fromkeys(("GPIO0", "GPIO1"), "what a HAT is recognised by at the boot: something may move then"),
    **dict.fromkeys(("GPIO14", "GPIO15"), "the serial console: it moves at the boot, unless that is switched off"),
    **dict.fromkeys(("GPIO18", "GPIO19", "GPIO20", "GPIO21"), "the sound of an I2S card or HAT, where there is one"),
}
"""Pins that the Pi itself uses in some set-ups."""

ALLOWED = 'a BCM number (17) or a name that gpiozero knows ("GPIO17", "BOARD11", "J8:11")'

_NAME = re.compile(r"(GPIO|BCM|BOARD|WPI|J8:|)([0-9]{1,2})")


def canonical(pin: str | int) -> str | None:
    """Return a pin's one name ("GPIO17"), or None for what is no pin: misspelt, power or ground."""
    match = _NAME.fullmatch(str(pin).upper()) if isinstance(pin, str) or 0 <= pin <= HIGHEST else None
    if match is None:
        return None
    number: int | None = int(match[2])
    if match[1] in ("BOARD", "J8:"):
        number = HEADER.get(int(match[2]))
    elif match[1] == "WPI":
        number = WIRING_PI.get(int(match[2]))
    return None if number is None or number > HIGHEST else f"GPIO{number}"
