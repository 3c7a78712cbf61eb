# SPDX-License-Identifier: GPL-2.0-or-later
"""What the door writes to people."""

import time

from intercom.core.commands import TellOutage

LISTED = 8
"""Presses named one by one; a text message is short."""


def outage_text(outage: TellOutage, offset_s: float) -> str:
    """Return the text that tells which presses reached nobody.

    `offset_s` is what has to be added to CLOCK_MONOTONIC for the hour of the day, in seconds since the epoch.
    """

    def hour(instant: float) -> str:
        return time.strftime("%H:%M", time.localtime(instant + offset_s))

    named = [f"{button} {hour(at)}" for button, at in outage.presses[-LISTED:]]
    more = len(outage.presses) - len(named)
    rings = "1 ring" if len(outage.presses) == 1 else f"{len(outage.presses)} rings"
    earlier = f"{more} earlier, " if more else ""
    return f"unreachable {hour(outage.began_at)}-{hour(outage.ended_at)}, {rings}: {earlier}{', '.join(named)}"
