# SPDX-License-Identifier: GPL-2.0-or-later
"""Moments as people write them: "today", "yesterday", "90min", "2 days ago", "2026-03-01", "2026-03-01 14:02"."""

import re
from datetime import datetime, timedelta

ALLOWED = '"today", "yesterday", a span such as "2h" or "3 days", or a date such as "2026-03-01 14:02"'

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
"""Unit -> seconds. Longer words count by how they begin: "hours", "days"."""
_SPAN = re.compile(r"-?(?P<number>[0-9]{1,6})\s*(?P<unit>s|min|m|h|d|w)(?P<rest>[a-z]*)(\s+ago)?")
_REST = re.compile(r"|s|ec(ond)?s?|ins?|ute?s?|our?s?|ays?|eeks?")


def moment(text: str, now: datetime) -> datetime:
    """Return when `text` is, seen from `now`, in the time zone of `now`.

    Raises ValueError, with what is allowed, for anything else.
    """
    text = text.strip().lower()
    if text in ("today", "yesterday"):
        return _local(datetime.combine(now.date() - timedelta(days=text == "yesterday"), datetime.min.time()), now)
    span = _SPAN.fullmatch(text)
    try:
        if span is not None and _REST.fullmatch(span["rest"]):
            return now - timedelta(seconds=int(span["number"]) * _UNITS[span["unit"]])
        instant = datetime.fromisoformat(text.upper())
        return instant if instant.tzinfo else _local(instant, now)
    except (ValueError, OverflowError):
        raise ValueError(f"no such moment: {text!r}; give {ALLOWED}") from None


def _local(instant: datetime, now: datetime) -> datetime:
    """Return a moment of this machine's local time; in January it is another one than in July."""
    here = now.astimezone()
    return instant.astimezone() if here.utcoffset() == now.utcoffset() else instant.replace(tzinfo=now.tzinfo)
