# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock on the wall: local times as instants, also in the hours that summer time skips or brings twice."""

import math
import time
from datetime import datetime, tzinfo


def shown(at: float, zone: tzinfo | None = None) -> datetime:
    """Return what the clock on the wall shows at an instant (seconds of the epoch), without a zone.

    `zone` None is the machine's, as it is set now.
    """
    if zone is None:
        time.tzset()  # else /etc/localtime is read once in a process's life (tzset(3))
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def first_at(wall: datetime, zone: tzinfo | None = None) -> float:
    """Return the first instant at which the clock on the wall shows `wall` or a later time that day.

    So an hour that comes twice counts when it comes first, and one that is skipped begins and ends when it is skipped.
    Beyond the calendar it is infinity. PEP 495 has the two meanings of a time (`fold`).
    """
    if zone is None:
        time.tzset()
    try:
        one, other = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    except (OverflowError, ValueError, OSError):
        return math.inf
    if one <= other:
        return one
    # Skipped: `other` is before the clock was put forward, `one` behind it. Clocks are put forward at full seconds.
    before, behind = math.floor(other), math.ceil(one)
    while behind - before > 1:
        middle = (before + behind) // 2
        before, behind = (before, middle) if shown(middle, zone) >= wall else (middle, behind)
    return float(behind)
