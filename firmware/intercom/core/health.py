# SPDX-License-Identifier: GPL-2.0-or-later
"""One health out of many conditions; only a change is told: once when it begins, once when it ends."""

from collections.abc import Mapping

from intercom.core.commands import Command, Kind, Report
from intercom.core.rules import What

Since = tuple[tuple[str, float], ...]
"""Condition -> since when it lasts."""


def changes(old: Mapping[str, str], new: Mapping[str, str], since: Since, now: float) -> list[Command]:
    """Return the records for conditions that began or ended; `since` is what was known of the old ones."""
    began = sorted(new.keys() - old.keys())
    records: list[Command] = [Report(_kind(name), {"condition": name, "detail": new[name]}) for name in began]
    for name in sorted(old.keys() - new.keys()):
        lasted_s = round(now - dict(since).get(name, now), 3)
        records.append(Report(Kind.CONDITION_ENDED, {"condition": name, "detail": old[name], "lasted_s": lasted_s}))
    return records


def dated(wrong: Mapping[str, str], since: Since, now: float) -> Since:
    """Return since when each condition lasts; what has just begun lasts since now."""
    known = dict(since)
    return tuple((name, known.get(name, now)) for name in sorted(wrong))


def _kind(condition: str) -> Kind:
    """Return the record that a condition begins with: what happens at a door has one of its own."""
    if condition.startswith(tuple(f"{what.value} from " for what in What)):
        return Kind.GUESSING
    if condition.startswith("tamper "):
        return Kind.TAMPERED
    if condition.startswith("door "):
        return Kind.DOOR_FORCED if condition.endswith(" forced") else Kind.DOOR_HELD
    return Kind.CONDITION_BEGAN
