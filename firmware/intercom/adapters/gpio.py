# SPDX-License-Identifier: GPL-2.0-or-later
"""gpiozero: buttons, strike and lamp on the Pi's pins.

gpiozero calls back on threads of its own (one per event source); those calls only post. It is asked for no debouncing:
the core does that, where it is tested.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any, TypeVar

from intercom.core.commands import Lamp
from intercom.core.events import ButtonChanged, Event, SensorChanged
from intercom.errors import HardwareError
from intercom.process import import_trim

with import_trim.fixed_pin_factories():
    import gpiozero

BLINK_S = 0.2
"""A light or dark part this short is finished before another pattern begins: cut shorter, nobody would see it."""
QUIET_S = 0.5
"""Without an edge for so long there are no others behind it."""
RELEASED_S = 1.2
"""A release that nobody saw is dated half as far back at most: longer than any `debounce_ms`."""
_Device = TypeVar("_Device")
Told = Callable[..., None]
"""Takes an event, and when it happened unless that is now."""

PATTERNS: dict[Lamp, tuple[float, ...]] = {
    Lamp.OFF: (),
    Lamp.READY: (1.0,),
    Lamp.NO_LINE: (0.1, 0.2, 0.1, 2.0),
    Lamp.CALLING: (0.1, 0.1),
    Lamp.RINGING: (0.5, 0.5),
    Lamp.TALKING: (1.4, 0.1),
    Lamp.DOOR_OPEN: (0.05, 0.05),
    Lamp.REFUSED: (0.1, 0.1, 0.1, 0.1, 0.1, 0.5),
    Lamp.FAULT: (2.0, 0.1, 0.1, 0.1),
}
"""Seconds on, off, on, off ... for ever; a single number is steady light, none is darkness."""

COLOURS: dict[Lamp, str] = {
    Lamp.OFF: "",
    Lamp.READY: "b",
    Lamp.NO_LINE: "r",
    Lamp.CALLING: "rg",
    Lamp.RINGING: "rg",
    Lamp.TALKING: "g",
    Lamp.DOOR_OPEN: "g",
    Lamp.REFUSED: "r",
    Lamp.FAULT: "r",
}
"""Which of red, green and blue are lit, where there are three. The rhythm is the same as that of a plain lamp: one in
twelve men does not see the difference between red and green."""


class _Input(gpiozero.DigitalInputDevice):  # type: ignore[misc]
    """An input that tells every edge: gpiozero itself keeps one back that is like the one before."""

    edge: Callable[[bool], None] | None = None

    def _pin_changed(self, _: object, state: object) -> None:
        if self.edge is not None:
            self.edge(bool(self._state_to_value(state)))


class _Level:
    """One input's level: told at every edge, and whenever it is read and is another one.

    The kernel's queue of edges has sixteen places, and what does not fit is lost. So two edges may be alike, and the
    last one of a series may never come: the level is read again a few times a minute (`look`).
    """

    def __init__(self, wire: _Input, tell: Callable[[bool, float | None], None]) -> None:
        """Begin with the level of now, which is not told."""
        self._wire, self._tell = wire, tell
        self.active = bool(wire.is_active)
        self._at = self._looked_at = float("-inf")
        self._busy = Lock()
        wire.edge = self._edge

    def look(self) -> None:
        """Read the level; tell it when no edge has."""
        with self._busy:
            now = time.monotonic()
            # An edge that has just come may have others behind it, which tell more.
            if now - self._at > QUIET_S and bool(self._wire.is_active) != self.active:
                self.active, self._looked_at = not self.active, now
                self._tell(self.active, None)

    def _edge(self, active: bool) -> None:
        with self._busy:
            now = time.monotonic()
            if active == self.active:
                if now - self._looked_at <= QUIET_S or not active:
                    return  # `look` was quicker; or nothing that anybody waits for
                # Pressed again, and the release somewhere between was lost. Where there is no time for it, it bounced.
                self._tell(False, (max(self._at, now - RELEASED_S) + now) / 2)
            self.active, self._at = active, now
            self._tell(active, None)


class GpioPanel:
    """Buttons, each on a pin of its own."""

    def __init__(self, buttons: dict[str, tuple[str, bool]], post: Told) -> None:
        """Claim the pins.

        `buttons` maps a button's name to its pin (as gpiozero names pins) and whether it is pulled up, so that pressing
        pulls it down. Raises HardwareError naming the button and the pin.
        """
        self._inputs: list[_Input] = []
        self._levels: list[_Level] = []
        for name, (pin, pull_up) in buttons.items():
            wire = _next(self._inputs, f"button {name!r}", pin, pull_up=pull_up)
            level = _Level(wire, partial(_tell, post, partial(ButtonChanged, name)))
            self._levels.append(level)
            if level.active:
                # Held down while the daemon started: a visitor, not a reason to look away.
                post(ButtonChanged(name, pressed=True))

    def look(self) -> None:
        """Read the levels again: an edge may have been lost."""
        for level in self._levels:
            level.look()

    def close(self) -> None:
        """Give the pins back."""
        close_all(self._inputs)


class GpioSensors:
    """Exit buttons, door contacts and tamper switches: each between a pin of its own and ground."""

    def __init__(self, sensors: dict[str, tuple[str, bool]], post: Told) -> None:
        """Claim the pins, and tell what all of them are at now.

        `sensors` maps a sensor's name to its pin and whether it is active while its switch is closed. The resistor
        inside the Pi pulls the pin up, so a closed switch means low. Raises HardwareError.
        """
        self._inputs: list[_Input] = []
        self._levels: list[_Level] = []
        for name, (pin, closed) in sensors.items():
            wire = _next(self._inputs, f"sensor {name!r}", pin, pull_up=True)
            level = _Level(wire, partial(_tell, post, partial(_sensed, name, closed)))
            self._levels.append(level)
            post(_sensed(name, closed, level.active))

    def look(self) -> None:
        """Read the levels again: an edge may have been lost."""
        for level in self._levels:
            level.look()

    def close(self) -> None:
        """Give the pins back."""
        close_all(self._inputs)


class GpioStrike:
    """One strike's relay: its pin becomes an output and gets the locked level in one step, high or low."""

    def __init__(self, door: str, pin: str, *, active_high: bool) -> None:
        """Claim the pin, locked. Raises HardwareError."""
        self._relay = _claim(
            f"strike of door {door!r}",
            pin,
            lambda: gpiozero.DigitalOutputDevice(pin_number(pin), active_high=active_high, initial_value=False),
        )

    def look(self) -> None:
        """Nothing: it fails at an order, and tells then."""

    def release(self) -> None:
        """Let the door open."""
        self._relay.on()

    def lock(self) -> None:
        """Keep it shut."""
        self._relay.off()

    def close(self) -> None:
        """Lock, and give the pin back."""
        try:
            if not self._relay.closed:
                self._relay.off()
        finally:
            self._relay.close()


class GpioLight:
    """The lamp at the button: a thread of its own walks through the pattern, and waits where nothing changes."""

    def __init__(self, pin: str | Mapping[str, str], *, active_high: bool) -> None:
        """Claim the pin, dark; or three, by the letters "r", "g" and "b". Raises HardwareError."""
        pins = {"": pin} if isinstance(pin, str) else pin
        self._leds: dict[str, gpiozero.DigitalOutputDevice] = {}
        for colour, one in pins.items():
            make = partial(gpiozero.DigitalOutputDevice, pin_number(one), active_high=active_high, initial_value=False)
            try:
                self._leds[colour] = _claim("lamp", one, make)
            except HardwareError:
                for led in self._leds.values():
                    led.close()
                raise
        self._lit = False
        self._shown = Lamp.OFF
        self._closing = False
        self._failed: Exception | None = None
        self._changed = Flag()
        self._never = Flag()  # time.sleep fails where somebody plays with the clock (libfaketime)
        self._thread = Thread(target=self._walk, name="lamp", daemon=True)
        self._thread.start()

    def show(self, lamp: Lamp) -> None:
        """Show a pattern until told otherwise."""
        self._shown = lamp
        self._changed.set()

    def look(self) -> None:
        """Raise what has ended the thread, if anything has: then the lamp shows what it showed."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """Dark, and the pin given back."""
        self._closing = True
        self._changed.set()
        self._thread.join(timeout=1)
        close_all(self._leds.values())

    def _shine(self, lit: bool, lamp: Lamp) -> None:
        self._lit = lit
        for colour, led in self._leds.items():
            led.value = lit and colour in COLOURS[lamp]

    def _walk(self) -> None:
        try:
            self._walk_on()
        except Exception as error:  # noqa: BLE001  (whatever a chip that is gone comes to; `look` tells it)
            self._failed = error

    def _walk_on(self) -> None:
        while True:
            self._changed.clear()
            if self._closing:
                break
            lamp = self._shown
            pattern = PATTERNS[lamp]
            if len(pattern) < 2:
                self._shine(bool(pattern), lamp)
                self._changed.wait()
                continue
            # A lit lamp begins with the dark part: what follows a press must be seen at once.
            beginning = 1 if self._lit else 0
            for place in islice(cycle(range(len(pattern))), beginning, None):
                self._shine(place % 2 == 0, lamp)
                if pattern[place] <= BLINK_S:
                    self._never.wait(pattern[place])
                if self._changed.wait(0 if pattern[place] <= BLINK_S else pattern[place]):
                    break
        self._shine(False, Lamp.OFF)


def _tell(post: Told, event: Callable[[bool], Event], active: bool, at: float | None) -> None:
    if at is None:
        post(event(active))
    else:
        post(event(active), at)


def _sensed(name: str, closed: bool, low: bool) -> SensorChanged:
    return SensorChanged(name, active=low == closed)


def _next(claimed: list[_Input], what: str, pin: str, *, pull_up: bool) -> Any:
    """Claim one more input; when it cannot be had, all are given back: another configuration may want them next."""
    try:
        make = partial(_Input, pin_number(pin), pull_up=pull_up, bounce_time=None)
        claimed.append(_claim(what, pin, make))
    except HardwareError:
        for wire in claimed:
            wire.close()
        raise
    return claimed[-1]


def close_all(devices: Iterable[Any]) -> None:
    """Give back all pins. One that fails keeps none of the others; the last failure is raised."""
    with ExitStack() as closing:
        for device in devices:
            closing.callback(device.close)


def pin_number(pin: str) -> int | str:
    """Return a pin as gpiozero takes it: bare numbers are BCM numbers."""
    return int(pin) if pin.isdigit() else pin


def _claim(what: str, pin: str, claim: Callable[[], _Device]) -> _Device:
    """Return the claimed device, or raise HardwareError: all of gpiozero's errors end here."""
    try:
        _give_birth_with_level()
        return claim()
    except (gpiozero.GPIOZeroError, OSError, ValueError) as error:
        raise HardwareError(f"{what}: pin {pin} cannot be had: {error}") from error


def _give_birth_with_level() -> None:
    """Have lgpio claim outputs with their level, as the kernel can do it in one step.

    gpiozero 2.0.1 claims an output low (`LGPIOPin._set_function`) and sets the level afterwards
    (`Pin.output_with_state`), so a relay that releases on low would twitch whenever the daemon starts.
    """
    gpiozero.Device.ensure_pin_factory()
    factory = gpiozero.Device.pin_factory
    kind = getattr(factory, "pin_class", None)
    if type(factory).__name__ == "LGPIOFactory" and kind is not None and not hasattr(kind, "born_with_level"):
        factory.pin_class = _born_with_level(kind)


def _born_with_level(kind: Any) -> Any:
    lgpio = import_module("lgpio")

    class BornPin(kind):  # type: ignore[misc]
        """An lgpio pin whose direction and level are set together."""

        born_with_level = True

        def output_with_state(self, state: float) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))  # noqa: SLF001

    return BornPin
