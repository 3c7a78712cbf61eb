# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door writes to people."""

import time

from intercom.core.commands import NotifyOutage, NotifyUnanswered
from intercom.core.snapshot import Press
from intercom.core.transitions import Outcome

LISTED = 8
"""Presses named one by one; a text message is short."""

_WHY = {
    Outcome.NO_ANSWER: "nobody answered",
    Outcome.BUSY: "all were busy",
    Outcome.DECLINED: "the call was declined",
    Outcome.NOT_FOUND: "the number called does not exist",
}


def unanswered_text(visit: NotifyUnanswered, offset_s: float) -> str:
    """Return the text that tells of a visitor whom nobody let in. `offset_s` as in `outage_text`."""
    now_s = time.time()
    hour = _hour(_epoch(visit.press, offset_s), now_s)
    return f"{visit.door} rang at {hour}, {_WHY[Outcome(visit.press.outcome)]}"


def outage_text(outage: NotifyOutage, offset_s: float) -> str:
    """Return the text that tells which presses reached nobody.

    `offset_s` is what has to be added to CLOCK_MONOTONIC for the hour of the day, in seconds since the epoch. Where a
    day is not that of the end of the outage, it stands before the hour.
    """
    ended_s = outage.ended_at + offset_s
    at_s = [_epoch(press, offset_s) for press in outage.presses]
    began_s = at_s[0] if outage.presses[0].epoch_s is not None else outage.began_at + offset_s
    shown = list(zip(outage.presses, at_s, strict=True))[-LISTED:]
    named = [f"{press.button} {_hour(at, ended_s)}" for press, at in shown]
    count = outage.more + len(outage.presses)
    rings = "1 ring" if count == 1 else f"{count} rings"
    earlier = f"{count - len(named)} earlier, " if count > len(named) else ""
    began, ended = _hour(began_s, ended_s), _hour(ended_s, ended_s)
    return f"unreachable {began}-{ended}, {rings}: {earlier}{', '.join(named)}"


def _epoch(press: Press, offset_s: float) -> float:
    return press.at + offset_s if press.epoch_s is None else press.epoch_s


def _hour(epoch_s: float, today_s: float) -> str:
    """Return the hour, and before it the day where that is not today's."""
    then, today = time.localtime(epoch_s), time.localtime(today_s)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)
