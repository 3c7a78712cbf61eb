"""The real daemon on mock pins: `python -m lab.mock_door SOCKET <arguments of intercom …>`.

gpiozero gets its own mock factory before the daemon starts; nothing else is replaced. Every change of
an output is stamped and written to the socket as one JSON line; every line that arrives drives an input.
The other end is lab.pins.Pins.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from typing import Any

if __name__ == "__main__" and "run" in sys.argv:
    # As the daemon itself does first of all; gpiozero is among what it reads meanwhile.
    from intercom.process import spawn_engine

    spawn_engine.prespawn()

from intercom.process import import_trim

with import_trim.fixed_pin_factories():  # as the daemon imports it
    from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

_line: socket.socket
_writing = threading.Lock()


def tell(pin: MockPin) -> None:
    """Report the pin's electrical level as it is now."""
    news = {"pin": pin.info.name, "level": float(pin.state), "function": pin.function, "t": time.monotonic()}
    with _writing, contextlib.suppress(OSError):  # the tests may have gone
        _line.sendall(json.dumps(news).encode() + b"\n")


class ToldPin(MockPWMPin):  # type: ignore[misc]
    """A mock pin that reports every change; plain levels and PWM. A key of a matrix may join it with another one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.joined: dict[str, bool] = {}
        """Pins that keys lie between, and whether each key is down."""

    def _get_state(self) -> float:
        if not self.joined or self._function == "output":
            return float(super()._get_state())
        others = [Device.pin_factory.pin(name) for name, down in self.joined.items() if down]
        return 0.0 if any(other.function == "output" and not other.state for other in others) else 1.0

    def _change_state(self, value: float) -> bool:
        changed: bool = super()._change_state(value)
        if changed:
            tell(self)
        return changed

    def output_with_state(self, state: float) -> None:
        """As the kernel does it: direction and level in one step, no glitch between."""
        self._state = float(state)
        self._set_function("output")

    def _set_function(self, value: str) -> None:
        before = self._function
        super()._set_function(value)
        if value != before:
            tell(self)


def drive(factory: Any, order: dict[str, Any]) -> None:
    """Put a level on an input, as a finger or a door contact does; hold a key down; send pulses as a reader does."""
    pin = factory.pin(order["pin"])
    if "row" in order:
        pin.joined[f"GPIO{order['row']}"] = order["down"]
        (pin.drive_high if pin._get_state() else pin.drive_low)()
    elif "taken" in order:
        factory.reserve_pins(_line, pin.info.name)  # by whoever else: another device, which need not be gpiozero's
    elif "given" in order:
        factory.release_pins(_line, pin.info.name)
    elif "bits" in order:
        for bit in order["bits"]:
            wire = pin if bit == "0" else factory.pin(order["other"])
            wire.drive_low()
            wire.drive_high()
    elif pin.function != "input":
        print(f"mock pin {order['pin']} is an output: not driven", file=sys.stderr)
    elif order["level"]:
        pin.drive_high()
    else:
        pin.drive_low()


def listen(factory: Any) -> None:
    """Drive inputs from this thread: gpiozero's real backends, too, call back from one of their own."""
    with _line.makefile("rb") as orders:
        for order in orders:
            drive(factory, json.loads(order))


def connect(path: str) -> None:
    """Put the pins in place, with their wires at this socket."""
    global _line
    _line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _line.connect(path)
    _line.set_inheritable(False)
    factory = Device.pin_factory = MockFactory(pin_class=ToldPin)
    for name in filter(None, os.environ.get("LAB_TAKEN", "").split(",")):
        factory.reserve_pins(_line, name)
    threading.Thread(target=listen, args=[factory], name="pins", daemon=True).start()


def hurry() -> None:
    """Have the daemon look more often at what is missing, where a test waits for it (LAB_LOOK_S, in seconds)."""
    if seconds := os.environ.get("LAB_LOOK_S"):
        from intercom.adapters.storage import writer
        from intercom.app import button_panel, run

        button_panel.LOOK_S = run.PARTS_S = writer.AGAIN_S = float(seconds)


def main() -> int | None:
    """Connect, put the pins in place, become the daemon."""
    path, arguments = sys.argv[1], sys.argv[2:]
    connect(path)
    hurry()
    from intercom.__main__ import main as intercom

    sys.argv = ["intercom", *arguments]
    result: int | None = intercom(arguments)
    return result


if __name__ == "__main__":
    sys.exit(main())
