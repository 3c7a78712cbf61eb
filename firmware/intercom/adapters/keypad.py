# SPDX-License-Identifier: GPL-2.0-or-later
"""gpiozero: keypads and readers at the door, as a matrix of keys or by the Wiegand wires.

No library on PyPI for either is looked after, so both are our own. Nothing is polled while nobody touches them: an edge
wakes a thread, which follows what happens until all is at rest.
"""

import time
from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread

import gpiozero

from intercom.adapters.gpio import close_all, pin_number
from intercom.core.events import BadgeRead, ConditionBegan, ConditionEnded, KeypadDigit
from intercom.daemon.ports import Post
from intercom.errors import HardwareError

KEYS = {3: ("123", "456", "789", "*0#"), 4: ("123A", "456B", "789C", "*0#D")}
"""Columns of a keypad -> its rows, as they are printed on it."""
SCAN_S = 0.01
STILL = 3
"""Scans in a row that must see the same key."""
SILENCE_S = 0.03
"""After so long without a bit a Wiegand message is over; its bits follow each other in 1 to 3 ms."""
LONGEST = 64
"""Bits of a message that any reader sends; more without a pause are noise, and are not kept."""
NOISE_S = 1.0
"""How long wires that never rest are left alone, before somebody looks again."""
_CARDS = {26: 24, 34: 32}
"""Bits of a message -> bits of the number in it; the first and the last are parity."""


class _Watched:
    """A thread that sleeps until a wire moves."""

    def __init__(self, name: str, post: Post) -> None:
        self._name, self._post = name, post
        self._touched, self._closing = Flag(), Flag()
        self._stuck = ""
        """What is stuck."""
        self._failed: Exception | None = None
        self._inputs: list[gpiozero.DigitalInputDevice] = []
        self._thread = Thread(target=self._run, name=f"keypad {name}", daemon=True)

    def close(self) -> None:
        """Post nothing more, and give the pins back."""
        self._closing.set()
        self._touched.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)
        close_all(self._inputs)

    def look(self) -> None:
        """Raise what has ended the thread, if anything has: then nobody hears a key any more."""
        if self._failed is not None:
            raise self._failed

    def tell_again(self) -> None:
        """Tell another daemon of a key that is stuck."""
        if self._stuck:
            self._post(ConditionBegan(f"keypad {self._name}", self._stuck))

    def _claim(self, pin: str) -> gpiozero.DigitalInputDevice:
        try:
            wire = gpiozero.DigitalInputDevice(pin_number(pin), pull_up=True, bounce_time=None)
        except (gpiozero.GPIOZeroError, OSError, ValueError) as error:
            self.close()
            raise HardwareError(f"keypad {self._name!r}: pin {pin} cannot be had: {error}") from error
        self._inputs.append(wire)
        return wire

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._touched.wait()
                self._touched.clear()
                self._follow()
        except Exception as error:  # noqa: BLE001  (whatever a chip that is gone comes to; `look` tells it)
            self._failed = error

    def _follow(self) -> None:
        raise NotImplementedError

    def _tell_stuck(self, stuck: bool, what: str = "") -> None:
        if stuck and not self._stuck:
            self._post(ConditionBegan(f"keypad {self._name}", what))
        if self._stuck and not stuck:
            self._post(ConditionEnded(f"keypad {self._name}"))
        self._stuck = what if stuck else ""


class MatrixKeypad(_Watched):
    """Keys at the crossings of rows and columns. At rest every row is low, so that any key moves a column."""

    def __init__(self, name: str, rows: Sequence[str], columns: Sequence[str], post: Post, *, stuck_s: float) -> None:
        """Claim the pins. Raises HardwareError."""
        super().__init__(name, post)
        self._keys, self._stuck_s = KEYS[len(columns)], stuck_s
        self._rows = [self._claim(row) for row in rows]
        self._columns = [self._claim(column) for column in columns]
        self._drive(self._rows)
        for column in self._columns:
            column.when_activated = self._touched.set
        self._touched.set()  # one that is held already
        self._thread.start()

    def _drive(self, low: Sequence[gpiozero.DigitalInputDevice]) -> None:
        """Pull these rows low and let the others float: two keys at once must not short two outputs."""
        for row in self._rows:
            if row not in low:
                row.pin.function = "input"
        for row in low:
            row.pin.output_with_state(0)

    def _pressed(self) -> str:
        """Return every key that is down now."""
        down = ""
        for row, keys in zip(self._rows, self._keys, strict=True):
            self._drive([row])
            down += "".join(key for column, key in zip(self._columns, keys, strict=True) if column.is_active)
        self._drive(self._rows)
        return down

    def _follow(self) -> None:
        """Post each key once, when it alone has been down for a moment; go on until all are up."""
        seen, count, told, since = "", 0, "", time.monotonic()
        while not self._closing.wait(SCAN_S if not self._stuck else 1.0):
            down = self._pressed()
            count = count + 1 if down == seen else 1
            if down != seen:
                seen, since = down, time.monotonic()
            if count < STILL:
                continue
            if not down:
                break
            if len(down) == 1 and down != told:
                told = down
                self._post(KeypadDigit(self._name, down))
            self._tell_stuck(time.monotonic() - since > self._stuck_s, "a key is held down: stuck?")
        self._tell_stuck(False)
        if any(column.is_active for column in self._columns):
            self._touched.set()  # one that went down while its row was not driven


class WiegandReader(_Watched):
    """A reader that sends each bit as a short low pulse, on one wire for 0 and on another for 1."""

    def __init__(self, name: str, data0: str, data1: str, post: Post) -> None:
        """Claim the pins. Raises HardwareError."""
        super().__init__(name, post)
        self._bits: list[str] = []
        self._last = 0.0
        for _, pin in (("0", data0), ("1", data1)):
            self._claim(pin)
        self._listen()
        self._thread.start()

    def _listen(self) -> None:
        """Take bits from now on."""
        for bit, wire in zip("01", self._inputs, strict=True):
            wire.when_activated = self._taker(bit)
            wire.when_deactivated = self._touched.set

    def _taker(self, bit: str) -> "object":
        def take() -> None:
            if len(self._bits) <= LONGEST:
                self._bits.append(bit)
            self._last = time.monotonic()
            self._touched.set()

        return take

    def _follow(self) -> None:
        """Take a message when its last bit is some time ago."""
        while (left := self._last + SILENCE_S - time.monotonic()) > 0:
            if len(self._bits) > LONGEST:
                self._rest()
            if self._closing.wait(left):
                return
        bits, self._bits[:] = "".join(self._bits), []
        self._tell_stuck(any(wire.is_active for wire in self._inputs), "a data wire is held low: stuck, or cut off?")
        told = decoded(bits) if len(bits) <= LONGEST else None
        if told is not None:
            self._post(BadgeRead(self._name, told) if len(bits) > 8 else KeypadDigit(self._name, told))

    def _rest(self) -> None:
        """Listen to nothing for a moment: hum or a loose wire sends bits without end, and each would cost time."""
        self._tell_stuck(True, "the data wires are never at rest: hum, or a loose wire?")
        for wire in self._inputs:
            wire.when_activated = wire.when_deactivated = None
        self._closing.wait(NOISE_S)
        self._bits.clear()
        if not self._closing.is_set():
            self._listen()
            self._last = time.monotonic()


def decoded(bits: str) -> str | None:
    """Return the key (4 or 8 bits) or the card's number (26 or 34 bits) of a message; None for noise."""
    if len(bits) == 8 and all(high != low for high, low in zip(bits[:4], bits[4:], strict=True)):
        bits = bits[4:]
    if len(bits) == 4:
        value = int(bits, 2)
        return "0123456789*#"[value] if value < 12 else None
    if len(bits) not in _CARDS:
        return None
    half = len(bits) // 2
    # Even parity over the first half, odd parity over the second one.
    if bits[:half].count("1") % 2 or not bits[half:].count("1") % 2:
        return None
    return str(int(bits[1:-1], 2))
