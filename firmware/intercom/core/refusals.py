# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls and texts that were refused by name: each is told, until there are so many that they would wash the rest away.

Any user of a server can be refused as often as he likes, and a journal in memory holds half an hour of that.
"""

from typing import Any

from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.state import RefusalBudget

AT_ONCE = 10
"""Records in a row."""
EVERY_S = 360.0
"""Seconds that one more record takes: ten an hour."""


def refused(turn: StepContext, kind: Kind, **fields: str | float) -> None:
    """Tell of a refused call or text, now or together with those that follow it."""
    known = turn.state.refusals
    if _may_tell(turn, known):
        _tell(turn, kind, fields, known.held)
    else:
        turn.set(refusals=RefusalBudget(known.whole_at, known.held + 1, kind, tuple(fields.items())))


def time_passed(turn: StepContext) -> None:
    """Tell of those that were not told, by the last of them."""
    known = turn.state.refusals
    if known.held and known.kind is not None and _may_tell(turn, known):
        _tell(turn, known.kind, dict(known.fields), known.held - 1)


def _may_tell(turn: StepContext, known: RefusalBudget) -> bool:
    return known.whole_at - turn.now <= (AT_ONCE - 1) * EVERY_S


def _tell(turn: StepContext, kind: Kind, fields: dict[str, Any], more: int) -> None:
    turn.set(refusals=RefusalBudget(max(turn.state.refusals.whole_at, turn.now) + EVERY_S))
    turn.tell(kind, visit="", **fields, **({"more": more} if more else {}))
