# SPDX-License-Identifier: GPL-2.0-or-later
"""The strikes: released by what may release them, always with a deadline, and locked by time.

`release` is the only function that gives a door its deadline. Three call it: a right code (`codes.py`), the exit button
(`sensors.py`) and an operator on this machine (`asked`).
"""

from dataclasses import replace

from intercom.core.commands import Kind, PlayTone, Tone
from intercom.core.context import StepContext
from intercom.core.door_state import Door

EXIT_BUTTON = "exit button"


def release(turn: StepContext, name: str, *, hold: bool = False, visit: str = "", **told: str) -> bool:
    """Release a door for its pulse, or until it is locked again: then for `hold_s` at most. Return whether it is."""
    door = find(turn, name)
    # Whoever wants out while another configuration is taken up shall not wait for it.
    if door is None or (turn.state.stopping_until is not None and told.get("by") != EXIT_BUTTON):
        return False
    lasts = turn.rules.hold_s[name] if hold else turn.rules.pulse_s[name]
    # A pulse does not shorten what is held.
    until = max(turn.now + lasts, door.released_until or 0.0)
    since = turn.now if door.released_until is None else door.released_at
    unopened = door.unopened + (door.released_until is None and door.is_open is False)
    turn.put("doors", replace(door, released_until=until, released_at=since, visit=visit,
                              holding=hold or door.holding, unopened=unopened))  # fmt: skip
    turn.tell(Kind.DOOR_RELEASED, visit=visit, door=name, pulse_s=lasts, **told)
    if turn.state.visit is not None:
        turn.mark("released")
        turn.order(PlayTone(Tone.DOOR_OPEN))
    return True


def asked(turn: StepContext, name: str, by: str, *, released: bool, hold: bool) -> None:
    """Do what an operator on this machine asks for."""
    door = find(turn, name)
    if door is None:
        return
    if released:
        release(turn, name, hold=hold and name in turn.rules.hold_s, by=by)
    elif door.released_until is not None:
        lock(turn, door, by=by)


def time_passed(turn: StepContext) -> None:
    """Lock what was released long enough."""
    for door in turn.state.doors:
        if door.released_until is not None and turn.now >= door.released_until:
            lock(turn, door)


def lock_all(turn: StepContext) -> None:
    """Lock every door now."""
    for door in turn.state.doors:
        if door.released_until is not None:
            lock(turn, door)


def lock(turn: StepContext, door: Door, **told: str) -> None:
    """Lock a door that is released."""
    lasted_s = round(turn.now - door.released_at, 3)
    turn.tell(Kind.DOOR_LOCKED, door=door.name, visit=door.visit, lasted_s=lasted_s, **told)
    turn.put("doors", replace(door, released_until=None, holding=False, locked_at=turn.now))


def find(turn: StepContext, name: str) -> Door | None:
    """Return the door of that name."""
    return next((door for door in turn.state.doors if door.name == name), None)
