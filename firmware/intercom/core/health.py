# SPDX-License-Identifier: GPL-2.0-or-later
"""One health out of many conditions; only a change is told: once when it begins, once when it ends."""

from intercom.core.commands import Command, Kind, Report
from intercom.core.levels import conditions
from intercom.core.state import State


def changes(before: State, after: State, now: float) -> list[Command]:
    """Return the records for conditions that began or ended between two states."""
    old, new = conditions(before), conditions(after)
    began = sorted(new.keys() - old.keys())
    records: list[Command] = [Report(_kind(name), {"condition": name, "detail": new[name]}) for name in began]
    for name in sorted(old.keys() - new.keys()):
        lasted_s = round(now - dict(before.unwell).get(name, now), 3)
        records.append(Report(Kind.CONDITION_ENDED, {"condition": name, "detail": old[name], "lasted_s": lasted_s}))
    return records


def dated(before: State, after: State, now: float) -> tuple[tuple[str, float], ...]:
    """Return since when each present condition lasts: name -> instant."""
    known = dict(before.unwell)
    return tuple((name, known.get(name, now)) for name in sorted(conditions(after)))


def _kind(condition: str) -> Kind:
    """Return the record that a condition begins with: what happens at a door has one of its own."""
    if condition.startswith("tamper "):
        return Kind.TAMPERED
    if condition.startswith("door "):
        return Kind.DOOR_FORCED if condition.endswith(" forced") else Kind.DOOR_HELD
    return Kind.CONDITION_BEGAN
