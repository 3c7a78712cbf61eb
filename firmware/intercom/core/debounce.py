# SPDX-License-Identifier: GPL-2.0-or-later
"""The wires of buttons and sensors: an edge counts for nothing until the wire has held still.

A contact bounces for some milliseconds, and a long cable beside a strike picks up spikes. A level counts when the wire
has had it without a change for `debounce_s`; it is dated to its first edge, so the record tells the whole wait.
"""

from dataclasses import replace

from intercom.core import sensors, visit
from intercom.core.context import StepContext
from intercom.core.door_state import Wire
from intercom.core.rules import SensorKind

_FIELDS = ("buttons", "sensors")


def changed(turn: StepContext, field: str, name: str, *, active: bool) -> None:
    """An edge came on one of the `field` ("buttons", "sensors"): wait until the wire holds still."""
    # Both edges of a press may lie in the inbox before the alarm between them rings: their dates decide.
    time_passed(turn)
    wire: Wire | None = next((wire for wire in getattr(turn.state, field) if wire.name == name), None)
    if wire is None or active == wire.level:
        return
    still = wire.settles_at is None
    since = turn.now if still else wire.since
    # A wire that never comes to rest is as useless as one that is held.
    stuck_at = since + turn.rules.stuck_s if wire.stuck_at is None and not wire.stuck else wire.stuck_at
    settles_at = turn.now + turn.rules.debounce_s
    turn.put(field, replace(wire, level=active, since=since, settles_at=settles_at, stuck_at=stuck_at))


def time_passed(turn: StepContext) -> None:
    """Take what has held still long enough."""
    for field in _FIELDS:
        for wire in getattr(turn.state, field):
            if wire.settles_at is not None and turn.now >= wire.settles_at:
                _settled(turn, field, wire)
            elif wire.stuck_at is not None and turn.now >= wire.stuck_at:
                turn.put(field, replace(wire, stuck=True, stuck_at=None))


def _settled(turn: StepContext, field: str, wire: Wire) -> None:
    """Take a level that has held still. What can be held down is stuck when it is held for `stuck_s`."""
    news = wire.level != wire.active
    settled = replace(wire, active=wire.level, settles_at=None)
    if not (wire.level and _can_stick(turn, field, wire)):
        settled = replace(settled, stuck=False, stuck_at=None)
    elif news:
        settled = replace(settled, stuck=False, stuck_at=turn.now + turn.rules.stuck_s)
    turn.put(field, settled)
    if not news:
        return
    if field == "sensors":
        sensors.settled(turn, settled, first=wire.active is None)
    elif settled.active:
        visit.pressed(turn, wire.name, "panel", edge_at=wire.since)


def _can_stick(turn: StepContext, field: str, wire: Wire) -> bool:
    """Whether it is wrong in itself that a wire is active for long: doors may stand open."""
    sensor = turn.rules.sensors.get(wire.name) if field == "sensors" else None
    return sensor is None or sensor.kind is SensorKind.EXIT
