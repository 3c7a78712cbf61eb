# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything at the door's pins, held from one daemon to the next: what happens in between is told to the next one.

A part that cannot be had is told with its reason, and tried again; the others are a door meanwhile.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol

from intercom.adapters.gpio import GpioLight, GpioPanel, GpioSensors, GpioStrike
from intercom.adapters.keypad import MatrixKeypad, WiegandReader
from intercom.config import core_rules
from intercom.config.model import Config, Keypad
from intercom.core.commands import Lamp
from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.core.state import State
from intercom.daemon.ports import Light, Strike
from intercom.errors import HardwareError

LOOK_S = 10.0
"""How often levels are read again, and missing parts tried, in seconds."""
Post = Callable[[Event, float | None], None]


class Part(Protocol):
    """What is claimed."""

    def look(self) -> None:
        """See how it is. Raises whatever has become of it."""

    def close(self) -> None:
        """Give the pins back."""


Make = Callable[[Callable[..., None]], Part]
Parts = Mapping[str, tuple[Hashable, Make]]
"""Name of a part ("strike front") -> what it is made of, and how: with where to tell of it."""


def parts(config: Config) -> Parts:
    """Return all that a configuration has at pins; strikes first, so that whatever fails after them leaves them locked.

    Making one raises HardwareError.
    """
    found: dict[str, tuple[Hashable, Make]] = {}
    for door in config.doors:
        high = door.active == "high"
        found[f"strike {door.key}"] = (
            (door.strike_pin, high),
            lambda _, door=door, high=high: GpioStrike(door.key, door.strike_pin, active_high=high),  # type: ignore[misc]
        )
    for button in config.buttons:
        wire = {button.key: (button.pin, button.pull == "up")}
        found[f"button {button.key}"] = (tuple(wire.items()), lambda post, wire=wire: GpioPanel(wire, post))  # type: ignore[misc]
    for name, (pin, closed) in core_rules.sensor_pins(config).items():
        one = {name: (pin, closed)}
        found[name] = (tuple(one.items()), lambda post, one=one: GpioSensors(one, post))  # type: ignore[misc]
    for keypad in config.keypads:
        stuck_s = config.calls.stuck_s
        found[f"keypad {keypad.key}"] = (
            (keypad, stuck_s),
            lambda post, keypad=keypad, stuck_s=stuck_s: _keypad(keypad, post, stuck_s),  # type: ignore[misc]
        )
    if (lamp := config.lamp) is not None:
        pins = lamp.pin or {"r": lamp.red, "g": lamp.green, "b": lamp.blue}
        found["lamp"] = (lamp, lambda _: GpioLight(pins, active_high=lamp.active == "high"))
    return found


def _keypad(keypad: Keypad, post: Callable[..., None], stuck_s: float) -> MatrixKeypad | WiegandReader:
    if keypad.rows:
        return MatrixKeypad(keypad.key, keypad.rows, keypad.columns, post, stuck_s=stuck_s)
    return WiegandReader(keypad.key, keypad.data0, keypad.data1, post)


class ButtonPanel:
    """All parts at pins; they outlive daemons."""

    def __init__(self) -> None:
        self._wanted: Parts = {}
        self._have: dict[str, tuple[Hashable, Part]] = {}
        self.missing: dict[str, str] = {}
        """Part -> why it cannot be had."""
        self._released: set[str] = set()
        """Strikes that the door wants released."""
        self._lamp = Lamp.OFF
        self._post: Post | None = None
        self._untaken: list[tuple[Event, float]] = []
        """What happened, and no daemon has taken yet."""
        self._busy = Lock()
        self._left: State | None = None
        self._kept: set[str] = set()

    def serve(self, config: Config, post: Post, *, strict: bool = False) -> None:
        """Hold what this configuration names, and tell this daemon of it, and of what happened while there was none.

        With `strict` a part that was not missing before has to be had. Raises HardwareError for one that cannot, and
        when no button can be had while nobody may call.
        """
        wanted = parts(config)
        for name in [name for name, (made_of, _) in self._have.items() if wanted.get(name, (None,))[0] != made_of]:
            self._give_back(name)
        excused = {name for name in self.missing if wanted.get(name, (None,))[0] == self._wanted.get(name, (0,))[0]}
        self._wanted, self._kept, self.missing = wanted, set(self._have), {}
        with self._busy:
            self._post = post
            untaken = list(self._untaken)
        for event, at in untaken:
            post(event, at)
        for name in wanted:
            if name not in self._have:
                self._claim(name)
        if new := [reason for name, reason in self.missing.items() if strict and name not in excused]:
            raise HardwareError(new[0])
        pressed = any(name.startswith("button ") for name in self._have)
        if not pressed and not any(account.callers for account in config.accounts):
            raise HardwareError(next(reason for name, reason in self.missing.items() if name.startswith("button ")))
        for name, reason in self.missing.items():
            post(ConditionBegan(f"part {name}", reason), None)
        for name in self._kept:
            part = self._have[name][1]
            if isinstance(part, MatrixKeypad | WiegandReader):
                part.tell_again()

    def carried(self, state: State) -> State:
        """Return a first state with what the daemon before knew of the parts that were kept: a stuck button is one."""
        left, self._left = self._left, None
        if left is None:
            return state
        buttons = {wire.name: wire for wire in left.buttons if f"button {wire.name}" in self._kept}
        sensors = {wire.name: wire for wire in left.sensors if wire.name in self._kept}
        doors = {door.name: door for door in left.doors if f"strike {door.name}" in self._kept}
        return replace(
            state,
            buttons=tuple(buttons.get(wire.name, wire) for wire in state.buttons),
            sensors=tuple(sensors.get(wire.name, wire) for wire in state.sensors),
            doors=tuple(doors.get(door.name, door) for door in state.doors),
        )

    def strikes(self) -> dict[str, Strike]:
        """Return the strike of each door; one that cannot be had does nothing yet."""
        names = (name for name in self._wanted if name.startswith("strike "))
        return {name.removeprefix("strike "): _Strike(self, name) for name in names}

    def light(self) -> Light:
        """Return the lamp; where there is none, or none can be had, it shows nothing."""
        return _Light(self)

    def taken(self, event: Event) -> None:
        """Forget an event that the daemon has taken."""
        with self._busy:
            self._untaken = [entry for entry in self._untaken if entry[0] is not event]

    def leave(self, state: State | None) -> None:
        """Tell a daemon nothing more; `state` is its last one, None when it cannot be trusted.

        What it had not taken is the next one's. Strikes are locked, unless the next one is about to lock them in time.
        """
        with self._busy:
            self._post, self._left = None, state
        released = (
            {f"strike {door.name}" for door in state.doors if door.released_until} if state is not None else set()
        )
        for name in [name for name in self._have if name.startswith("strike ") and name not in released]:
            self.order(name, released=False)

    async def run(self) -> None:
        """Read all levels again, and try what is missing, a few times a minute, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Read all levels again, since an edge may have been lost, and try what is missing."""
        for name, (_, part) in list(self._have.items()):
            try:
                part.look()
            except Exception as error:  # noqa: BLE001  (whatever a chip that is gone comes to)
                self._lost(name, error)
        for name in list(self.missing):
            if self._claim(name):
                self._happened(ConditionEnded(f"part {name}"))

    def order(self, name: str, *, released: bool) -> None:
        """Release or lock a strike; one that does not obey is given back, told and tried again."""
        (self._released.add if released else self._released.discard)(name)
        if (held := self._have.get(name)) is None:
            return
        strike: Any = held[1]
        try:
            (strike.release if released else strike.lock)()
        except Exception as error:  # noqa: BLE001  (whatever a chip that is gone comes to)
            self._lost(name, error)

    def show(self, lamp: Lamp) -> None:
        """Show a pattern, now and when a lamp is found again."""
        self._lamp = lamp
        if (held := self._have.get("lamp")) is not None:
            light: Any = held[1]
            light.show(lamp)

    def close(self) -> None:
        """Give all pins back."""
        for name in list(self._have):
            self._give_back(name)

    def _claim(self, name: str) -> bool:
        made_of, make = self._wanted[name]
        try:
            self._have[name] = made_of, make(self._happened)
        except HardwareError as error:
            self.missing[name] = str(error)
            return False
        except Exception as error:  # noqa: BLE001  (a library's own faults are no reason to lose the rest of the door)
            self.missing[name] = f"{name}: {error!r}"
            return False
        self.missing.pop(name, None)
        if name == "lamp":
            self.show(self._lamp)
        elif name in self._released:
            self.order(name, released=True)
        return True

    def _lost(self, name: str, error: Exception) -> None:
        self._give_back(name)
        self.missing[name] = f"{name} does not answer: {error!r}"
        self._happened(ConditionBegan(f"part {name}", self.missing[name]))

    def _give_back(self, name: str) -> None:
        _, part = self._have.pop(name)
        try:
            part.close()
        except Exception as error:  # noqa: BLE001  (the other parts must be closed, too)
            print(f"intercom: closing {name} failed: {error!r}", file=sys.stderr)

    def _happened(self, event: Event, at: float | None = None) -> None:
        """Called on gpiozero's threads."""
        moment = time.monotonic() if at is None else at
        with self._busy:
            self._untaken.append((event, moment))
            post = self._post
        if post is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: the next one's
                post(event, moment)


class _Strike:
    """The strike of one door, or the place of one that cannot be had."""

    def __init__(self, wires: ButtonPanel, name: str) -> None:
        self._wires, self._name = wires, name

    def release(self) -> None:
        self._wires.order(self._name, released=True)

    def lock(self) -> None:
        self._wires.order(self._name, released=False)

    def close(self) -> None:
        self._wires.order(self._name, released=False)


class _Light:
    """The lamp, or the place of one."""

    def __init__(self, wires: ButtonPanel) -> None:
        self._wires = wires

    def show(self, lamp: Lamp) -> None:
        self._wires.show(lamp)

    def close(self) -> None:
        self._wires.show(Lamp.OFF)
