# SPDX-License-Identifier: GPL-2.0-or-later
"""gpiozero: buttons, strike and lamp on the Pi's pins.

gpiozero calls back on threads of its own (one per event source); those calls only post. It is asked for no debouncing:
the core does that, where it is tested.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from threading import Event as Flag
from threading import Thread
from typing import TypeVar

import gpiozero

from intercom.core.commands import Lamp
from intercom.core.events import ButtonChanged
from intercom.errors import HardwareError
from intercom.ports import Post

BLINK_S = 0.2
"""A light or dark part this short is finished before another pattern begins: cut shorter, nobody would see it."""
_Device = TypeVar("_Device")

PATTERNS: dict[Lamp, tuple[float, ...]] = {
    Lamp.OFF: (),
    Lamp.READY: (1.0,),
    Lamp.NO_LINE: (0.1, 0.2, 0.1, 2.0),
    Lamp.CALLING: (0.1, 0.1),
    Lamp.RINGING: (0.5, 0.5),
    Lamp.TALKING: (1.4, 0.1),
    Lamp.DOOR_OPEN: (0.05, 0.05),
    Lamp.FAULT: (2.0, 0.1, 0.1, 0.1),
}
"""Seconds on, off, on, off ... for ever; a single number is steady light, none is darkness."""


class GpioPanel:
    """Buttons, each on a pin of its own."""

    def __init__(self, buttons: dict[str, tuple[str, bool]], post: Post) -> None:
        """Claim the pins.

        `buttons` maps a button's name to its pin (as gpiozero names pins) and whether it is pulled up, so that pressing
        pulls it down. Raises HardwareError naming the button and the pin.
        """
        self._inputs: list[gpiozero.DigitalInputDevice] = []
        for name, (pin, pull_up) in buttons.items():
            wire = _claim(f"button {name!r}", pin, partial(_input, pin, pull_up))
            self._inputs.append(wire)
            wire.when_activated = _poster(post, ButtonChanged(name, pressed=True))
            wire.when_deactivated = _poster(post, ButtonChanged(name, pressed=False))
            if wire.is_active:
                # Held down while the daemon started: a visitor, not a reason to look away.
                post(ButtonChanged(name, pressed=True))

    def close(self) -> None:
        """Give the pins back."""
        for wire in self._inputs:
            wire.close()


class GpioStrike:
    """One strike's relay.

    With `active_high` the pin is low from the moment it becomes an output. gpiozero's backends claim an output low and
    set its level afterwards, so an active-low strike twitches at start: hardware/README.md says which relay to take.
    """

    def __init__(self, door: str, pin: str, *, active_high: bool) -> None:
        """Claim the pin, locked. Raises HardwareError."""
        self._relay = _claim(
            f"strike of door {door!r}",
            pin,
            lambda: gpiozero.DigitalOutputDevice(_pin(pin), active_high=active_high, initial_value=False),
        )

    def release(self) -> None:
        """Let the door open."""
        self._relay.on()

    def lock(self) -> None:
        """Keep it shut."""
        self._relay.off()

    def close(self) -> None:
        """Lock, and give the pin back."""
        if not self._relay.closed:
            self._relay.off()
        self._relay.close()


class GpioLight:
    """The lamp at the button: a thread of its own walks through the pattern, and waits where nothing changes."""

    def __init__(self, pin: str, *, active_high: bool) -> None:
        """Claim the pin, dark. Raises HardwareError."""
        self._led = _claim(
            "lamp",
            pin,
            lambda: gpiozero.DigitalOutputDevice(_pin(pin), active_high=active_high, initial_value=False),
        )
        self._pattern: tuple[float, ...] = ()
        self._closing = False
        self._changed = Flag()
        self._thread = Thread(target=self._walk, name="lamp", daemon=True)
        self._thread.start()

    def show(self, lamp: Lamp) -> None:
        """Show a pattern until told otherwise."""
        self._pattern = PATTERNS[lamp]
        self._changed.set()

    def close(self) -> None:
        """Dark, and the pin given back."""
        self._closing = True
        self._changed.set()
        self._thread.join(timeout=1)
        self._led.close()

    def _walk(self) -> None:
        while True:
            self._changed.clear()
            if self._closing:
                break
            pattern = self._pattern
            if len(pattern) < 2:
                self._led.value = bool(pattern)
                self._changed.wait()
                continue
            # A lit lamp begins with the dark part: what follows a press must be seen at once.
            beginning = 1 if self._led.value else 0
            for place in islice(cycle(range(len(pattern))), beginning, None):
                self._led.value = place % 2 == 0
                if pattern[place] <= BLINK_S:
                    time.sleep(pattern[place])
                if self._changed.wait(0 if pattern[place] <= BLINK_S else pattern[place]):
                    break
        self._led.off()


def _poster(post: Post, event: ButtonChanged) -> Callable[[], None]:
    return lambda: post(event)


def _input(pin: str, pull_up: bool) -> gpiozero.DigitalInputDevice:
    return gpiozero.DigitalInputDevice(_pin(pin), pull_up=pull_up, bounce_time=None)


def _pin(pin: str) -> int | str:
    """Return a pin as gpiozero takes it: bare numbers are BCM numbers."""
    return int(pin) if pin.isdigit() else pin


def _claim(what: str, pin: str, claim: Callable[[], _Device]) -> _Device:
    """Return the claimed device, or raise HardwareError: all of gpiozero's errors end here."""
    try:
        return claim()
    except (gpiozero.GPIOZeroError, OSError, ValueError) as error:
        raise HardwareError(f"{what}: pin {pin} cannot be had: {error}") from error
