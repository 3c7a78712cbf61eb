# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door writes to people."""

import time

from intercom.core.commands import TellOutage, TellUnanswered
from intercom.core.phases import Outcome

LISTED = 8
"""Presses named one by one; a text message is short."""

_WHY = {
    Outcome.NO_ANSWER: "nobody answered",
    Outcome.BUSY: "all were busy",
    Outcome.DECLINED: "the call was declined",
    Outcome.NOT_FOUND: "the number called does not exist",
}


def unanswered_text(visit: TellUnanswered, offset_s: float) -> str:
    """Return the text that tells of a visitor whom nobody let in. `offset_s` as in `outage_text`."""
    return f"{visit.door} rang at {_hour(visit.pressed_at + offset_s)}, {_WHY[Outcome(visit.outcome)]}"


def outage_text(outage: TellOutage, offset_s: float) -> str:
    """Return the text that tells which presses reached nobody.

    `offset_s` is what has to be added to CLOCK_MONOTONIC for the hour of the day, in seconds since the epoch.
    """
    named = [f"{button} {_hour(at + offset_s)}" for button, at in outage.presses[-LISTED:]]
    more = len(outage.presses) - len(named)
    rings = "1 ring" if len(outage.presses) == 1 else f"{len(outage.presses)} rings"
    earlier = f"{more} earlier, " if more else ""
    began, ended = (_hour(at + offset_s) for at in (outage.began_at, outage.ended_at))
    return f"unreachable {began}-{ended}, {rings}: {earlier}{', '.join(named)}"


def _hour(epoch_s: float) -> str:
    return time.strftime("%H:%M", time.localtime(epoch_s))
