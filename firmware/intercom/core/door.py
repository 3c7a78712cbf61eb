# SPDX-License-Identifier: GPL-2.0-or-later
"""The doors: digits keyed on a phone become a code, a right code releases a strike, and time locks it.

Keys count only from the leg that talks in a visit. A code is taken as soon as its last digit is keyed; `#` ends an
entry, `*` begins it anew, and a pause of `code_pause_s` gives it up. `wrong_codes` wrong entries and the rest of the
visit is deaf to keys.
"""

from dataclasses import replace

from intercom.core.commands import Kind, PlayTone, Tone
from intercom.core.state import PHASES, Door
from intercom.core.turn import Turn


def digit(turn: Turn, leg: str, key: str, method: str) -> None:
    """A key was pressed on a phone."""
    visit, rules = turn.state.visit, turn.rules
    if visit is None or leg != visit.talker or not PHASES[turn.state.phase].talk:
        return
    if not rules.code_digits or visit.wrong >= rules.wrong_codes:
        return
    if key == "*":
        _clear(turn)
    elif key == "#":
        if visit.digits:
            _wrong(turn, method)
    elif key.isdigit():
        turn.set_visit(digits=visit.digits + key, digits_until=turn.now + rules.code_pause_s)
        _try(turn, method)


def time_passed(turn: Turn) -> None:
    """Give up an entry that was left unfinished, and lock what was released long enough."""
    visit = turn.state.visit
    if visit is not None and visit.digits_until is not None and turn.now >= visit.digits_until:
        _wrong(turn, "")
    for door in turn.state.doors:
        if door.released_until is not None and turn.now >= door.released_until:
            _lock(turn, door)


def lock_all(turn: Turn) -> None:
    """Lock every door now."""
    for door in turn.state.doors:
        if door.released_until is not None:
            _lock(turn, door)


def _try(turn: Turn, method: str) -> None:
    entry = turn.visit.digits
    match = turn.rules.match_code(entry)
    if match is not None and match.door in turn.rules.pulse_s:
        _clear(turn)
        _release(turn, match.door, match.name, method)
    elif len(entry) >= turn.rules.code_digits:
        _wrong(turn, method)


def _release(turn: Turn, name: str, code_name: str, method: str) -> None:
    door = next(door for door in turn.state.doors if door.name == name)
    until = turn.now + turn.rules.pulse_s[name]
    since = turn.now if door.released_until is None else door.released_at
    turn.put("doors", replace(door, released_until=until, released_at=since, visit=turn.visit.id))
    turn.mark("released")
    turn.tell(Kind.DOOR_RELEASED, door=name, code_name=code_name, method=method, pulse_s=turn.rules.pulse_s[name])
    turn.order(PlayTone(Tone.DOOR_OPEN))


def _wrong(turn: Turn, method: str) -> None:
    _clear(turn)
    turn.set_visit(wrong=turn.visit.wrong + 1)
    left = max(0, turn.rules.wrong_codes - turn.visit.wrong)
    turn.tell(Kind.CODE_WRONG, left=left, method=method, leg=turn.visit.talker)


def _clear(turn: Turn) -> None:
    turn.set_visit(digits="", digits_until=None)


def _lock(turn: Turn, door: Door) -> None:
    turn.tell(Kind.DOOR_LOCKED, door=door.name, visit=door.visit, lasted_s=round(turn.now - door.released_at, 3))
    turn.put("doors", replace(door, released_until=None))
