# SPDX-License-Identifier: GPL-2.0-or-later
"""What an outage of all lines cost: since when, and which presses reached nobody."""

from dataclasses import replace

from intercom.core.context import StepContext
from intercom.core.outputs import line_up
from intercom.core.snapshot import Press

MISSED_KEPT = 20
"""Presses remembered one by one for the text after an outage; of more only the number is known."""
GATHER_S = 60.0
"""Presses that come this soon after one another are told together."""


def began(turn: StepContext) -> None:
    """Note since when nobody can be reached through any line."""
    if turn.state.down_since is None and line_up(turn.state) is None:
        turn.set(down_since=turn.now)


def missed(turn: StepContext, button: str, at: float) -> None:
    """Keep a press that reached nobody, until somebody was told."""
    if not turn.rules.text_missed_to:
        return
    untold = turn.state.untold
    presses = (*untold.missed, Press(button, at))
    more = untold.more + max(0, len(presses) - MISSED_KEPT)
    turn.set(untold=replace(untold, missed=presses[-MISSED_KEPT:], more=more))
    if not turn.state.post_failed:
        turn.set(post_at=turn.now + GATHER_S)


def over(turn: StepContext) -> None:
    """A line is up that was not: what is to be told is told now, whatever failed before."""
    turn.set(post_at=None, post_failed=0)
