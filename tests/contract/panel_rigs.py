# SPDX-License-Identifier: GPL-2.0-or-later
"""Both implementations of the ports at the door, each with the hand and the eye of a test on its other side."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import gpiozero
import lgpio
from fakes_panel import FakeLight, FakePanel, FakeStrike
from gpiozero.pins.lgpio import LGPIOPin
from gpiozero.pins.mock import MockFactory, MockPin

from intercom.adapters.gpio import PATTERNS, GpioLight, GpioPanel, GpioStrike
from intercom.daemon.ports import Light, Panel, Post, Strike

BUTTONS = {"front": ("17", True), "flat": ("22", False)}
"""Button -> pin and whether it is pulled up."""
AWAIT_S = 2.0


@contextlib.contextmanager
def mock_pins(**options: Any) -> Iterator[MockFactory]:
    """Have gpiozero use mock pins for a while; `options` are MockFactory's."""
    before, gpiozero.Device.pin_factory = gpiozero.Device.pin_factory, MockFactory(**options)
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


class WatchedPin(MockPin):  # type: ignore[misc]
    """A pin whose changes can be awaited. Like lgpio's it is claimed as an output with the low level."""

    def __init__(self, factory: Any, info: Any) -> None:
        self._news = threading.Condition()
        self.driven: list[bool] = []
        """Levels it was given as an output."""
        super().__init__(factory, info)

    def _set_state(self, value: float) -> None:
        with self._news:
            super()._set_state(value)
            self.driven.append(bool(value))
            self._news.notify_all()

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        if value == "output":
            self.state = False

    def await_driven(self, done: Callable[[list[bool]], bool]) -> list[bool]:
        """Await what the levels so far must satisfy; return them."""
        with self._news:
            assert self._news.wait_for(lambda: done(self.driven), AWAIT_S), f"it went {self.driven}"
            return list(self.driven)


class HeldPin(WatchedPin):
    """A pin on a wire that is stronger than any pull: a button that somebody presses."""

    def _set_pull(self, value: str) -> None:
        self._pull = value


class FakeChip:
    """Stands in for the `lgpio` module, as far as the kernel's side of a line goes (linux/gpio.h, GPIO_V2_GET_LINE).

    Claiming an output sets direction and level in one step, like the kernel. Constants are lgpio's own.
    """

    def __init__(self) -> None:
        self._steps: dict[int, list[int | str]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(lgpio, name)

    def line(self, gpio: int) -> list[int | str]:
        """What a line went through: "input", or the levels that it drove."""
        return self._steps.get(gpio, [])

    def gpiochip_open(self, chip: int) -> int:
        return 0

    def gpiochip_close(self, handle: int) -> int:
        return 0

    def gpio_claim_input(self, handle: int, gpio: int, flags: int = 0) -> int:
        self._steps.setdefault(gpio, []).append("input")
        return 0

    def gpio_claim_output(self, handle: int, gpio: int, level: int = 0, flags: int = 0) -> int:
        self._steps.setdefault(gpio, []).append(int(bool(level)))
        return 0

    def gpio_write(self, handle: int, gpio: int, level: int) -> int:
        assert self._steps[gpio][-1] != "input", "an input is not driven"
        self._steps[gpio].append(int(bool(level)))
        return 0

    def gpio_read(self, handle: int, gpio: int) -> int:
        level = self._steps[gpio][-1]
        return level if isinstance(level, int) else 0

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        return 0 if self._steps[gpio][-1] == "input" else LGPIOPin.GPIO_IS_OUT


class Rig(Protocol):
    """One implementation of the ports, and the hand and the eye of a test on its other side."""

    def panel(self, post: Post) -> Panel: ...
    def held_panel(self, post: Post) -> Panel: ...
    def touch(self, button: str, *, pressed: bool) -> None: ...
    def strike(self, *, active_high: bool) -> Strike: ...
    def released(self) -> bool: ...
    def light(self) -> Light: ...
    def await_lit(self, lit: bool) -> None: ...


class FakeRig:
    """The fakes."""

    def panel(self, post: Post) -> Panel:
        self._panel = FakePanel(BUTTONS, post)
        return self._panel

    def held_panel(self, post: Post) -> Panel:
        self._panel = FakePanel(BUTTONS, post, held=["front"])
        return self._panel

    def touch(self, button: str, *, pressed: bool) -> None:
        self._panel.set(button, pressed=pressed)

    def strike(self, *, active_high: bool) -> Strike:
        self._strike = FakeStrike("front")
        return self._strike

    def released(self) -> bool:
        return self._strike.released

    def light(self) -> Light:
        self._light = FakeLight()
        return self._light

    def await_lit(self, lit: bool) -> None:
        assert bool(PATTERNS[self._light.lamp]) == lit


class GpioRig:
    """gpiozero on pins of its own mock factory: all of the adapter and of gpiozero but the last register."""

    def __init__(self, factory: MockFactory) -> None:
        self._factory = factory
        self._active_high = True

    def panel(self, post: Post) -> Panel:
        return GpioPanel(BUTTONS, post)

    def held_panel(self, post: Post) -> Panel:
        self._factory.pin("GPIO17", pin_class=HeldPin)
        return GpioPanel(BUTTONS, post)

    def touch(self, button: str, *, pressed: bool) -> None:
        pin, pull_up = BUTTONS[button]
        wire = self._factory.pin(f"GPIO{pin}")
        (wire.drive_low if pressed == pull_up else wire.drive_high)()

    def strike(self, *, active_high: bool) -> Strike:
        self._active_high = active_high
        return GpioStrike("front", "27", active_high=active_high)

    def released(self) -> bool:
        return bool(self._factory.pin("GPIO27").state == self._active_high)

    def light(self) -> Light:
        return GpioLight("5", active_high=True)

    def await_lit(self, lit: bool) -> None:
        self._factory.pin("GPIO5").await_driven(lambda levels: levels[-1] == lit)
