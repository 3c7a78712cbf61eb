# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit button, the door contact and the tamper switch: what it means when their wires have settled.

None of them needs a line, a voice engine or a network. The first level of a wire is no news: a contact that is open
when the daemon starts has been opened by nobody, and an exit button that sticks releases nothing.
"""

from dataclasses import replace

from intercom.core import doors
from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.door_state import Door, Wire
from intercom.core.rules import SensorKind

GRACE_S = 2.0
"""Who pushes a door in the moment in which it locks has forced nothing."""


def settled(turn: StepContext, wire: Wire, *, first: bool) -> None:
    """A sensor's wire has another level, which has held still; `first` says that it never had one before."""
    sensor = turn.rules.sensors.get(wire.name)
    if sensor is None:
        return
    if sensor.kind is SensorKind.EXIT:
        if wire.active and not first:
            doors.release(turn, sensor.door, by=doors.EXIT_BUTTON)
    elif sensor.kind is SensorKind.CONTACT and (door := doors.find(turn, sensor.door)) is not None:
        (_opened if wire.active else _closed)(turn, door, wire.since, first=first)


def follow(turn: StepContext) -> None:
    """After everything else of a step: count how long each door stands open that nobody holds released on purpose."""
    for door in turn.state.doors:
        if not door.is_open or door.holding:
            if door.held_at is None and not door.held and door.reminds_until is None:
                continue
            turn.put("doors", replace(door, held_at=None, held=False, reminds_until=None))
        elif door.held_at is None and not door.held:
            turn.put("doors", replace(door, held_at=turn.now + turn.rules.held_s[door.name]))


def time_passed(turn: StepContext) -> None:
    """Tell doors that are open too long, and stop asking after a while."""
    for door in turn.state.doors:
        if door.held_at is not None and turn.now >= door.held_at:
            until = turn.now + turn.rules.reminder_s if turn.rules.reminder_s else None
            turn.put("doors", replace(door, held_at=None, held=True, reminds_until=until))
        elif door.reminds_until is not None and turn.now >= door.reminds_until:
            turn.put("doors", replace(door, reminds_until=None))


def _opened(turn: StepContext, door: Door, at: float, *, first: bool) -> None:
    released = door.released_until is not None or (door.locked_at is not None and at <= door.locked_at + GRACE_S)
    forced = not (released or first or door.name in turn.rules.handles)
    turn.put("doors", replace(door, is_open=True, forced=forced, unopened=0))
    if not first:
        turn.tell(Kind.DOOR_OPENED, visit=door.visit if released else "", door=door.name)


def _closed(turn: StepContext, door: Door, at: float, *, first: bool) -> None:
    turn.put("doors", replace(door, is_open=False, forced=False))
    if not first:
        turn.tell(Kind.DOOR_CLOSED, visit="", door=door.name)
