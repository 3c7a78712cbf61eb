# SPDX-License-Identifier: GPL-2.0-or-later
"""What libraries would load at the daemon's start, and it never uses: a tenth of its modules, and 3 MB.

asyncio takes `ssl` where it finds it, and goes on without; TLS is the engine's, which is PJSIP's and OpenSSL's own.
gpiozero looks for its pin factories in the descriptions of every package that is installed; there are five.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple


@contextmanager
def without(module: str) -> Iterator[None]:
    """Have whoever imports a module inside this find that there is none; afterwards there is. For the main thread."""
    if module in sys.modules:
        yield
        return
    # None is importlib's own sign for "there is none".
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


class PinFactory(NamedTuple):
    """A way to the pins, as gpiozero wants it described."""

    name: str
    value: str

    def load(self) -> Any:
        """Return its class."""
        module, _, kind = self.value.partition(":")
        return getattr(import_module(module), kind)


PIN_FACTORIES = (
    PinFactory("lgpio", "gpiozero.pins.lgpio:LGPIOFactory"),
    PinFactory("mock", "gpiozero.pins.mock:MockFactory"),
    PinFactory("native", "gpiozero.pins.native:NativeFactory"),
    PinFactory("pigpio", "gpiozero.pins.pigpio:PiGPIOFactory"),
    PinFactory("rpigpio", "gpiozero.pins.rpigpio:RPiGPIOFactory"),
)


@contextmanager
def fixed_pin_factories() -> Iterator[None]:
    """Have gpiozero, imported inside this, take ours for importlib_metadata, which it prefers to importlib.metadata."""
    known = ModuleType("importlib_metadata")
    known.entry_points = lambda group: PIN_FACTORIES if group == "gpiozero_pin_factories" else ()  # type: ignore[attr-defined]
    before = sys.modules.get(known.__name__)
    sys.modules[known.__name__] = known
    try:
        yield
    finally:
        del sys.modules[known.__name__]
        if before is not None:
            sys.modules[known.__name__] = before
