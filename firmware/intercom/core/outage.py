# SPDX-License-Identifier: GPL-2.0-or-later
"""What an outage of all lines cost: since when, and whom it is told to when one is back."""

from intercom.core.commands import Kind, TellOutage
from intercom.core.levels import line_up
from intercom.core.state import Line
from intercom.core.turn import Turn


def began(turn: Turn) -> None:
    """Note since when nobody can be reached through any line."""
    if turn.state.down_since is None and line_up(turn.state) is None:
        turn.set(down_since=turn.now)


def tell(turn: Turn, line: Line) -> None:
    """Tell a person which visitors reached nobody."""
    missed, target = turn.state.missed, turn.rules.text_missed_to
    if not missed or not target:
        return
    since = turn.state.down_since if turn.state.down_since is not None else missed[0][1]
    turn.order(TellOutage(line.name, target, missed, min(since, missed[0][1]), turn.now))
    turn.tell(Kind.OUTAGE_TOLD, target=target, account=line.name, presses=len(missed))
    turn.set(missed=())
