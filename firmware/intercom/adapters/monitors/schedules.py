# SPDX-License-Identifier: GPL-2.0-or-later
"""Which time profiles are active: weekdays, minutes and holidays in local time, and whether the clock can be believed.

A glance at each full minute replaces every alarm: it meets each boundary, and whatever was done to the clock, to the
time zone or by summer time is noticed at most a minute later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo

from intercom.core.events import ProfilesChanged
from intercom.core.fast_dataclass import dataclass
from intercom.daemon.ports import Post
from intercom.local_time import first_at, shown

MINUTE_S = 60.0
UNSET_S = 5.0
"""How often to look whether an unset clock has been set, in seconds."""
DAY = 24 * 60
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A span of time that comes again. One that goes past midnight belongs to the day on which it began."""

    days: frozenset[int]
    """On which it begins; 0 is Monday."""
    start_minute: int
    """Of the day, 0 to 1439, in local time."""
    end_minute: int
    """0 to 1440, no longer in the profile. Not after the start: on the next day; at the start: 24 hours long."""
    on_holidays: bool | None = None
    """True: it begins only on holidays; False: never on one; None: holidays are days like any other."""


def active(
    profiles: Mapping[str, Profile], holidays: frozenset[date], at: float, zone: tzinfo | None = None
) -> tuple[str, ...]:
    """Return the names of the profiles that are active at an instant, in the order in which they are given.

    An hour that comes twice counts as one long hour: what has ended in it does not come back, what has begun goes on.
    """
    today = shown(at, zone).date()
    days = (today, today - timedelta(days=1)) if today > date.min else (today,)

    def is_on(profile: Profile, day: date) -> bool:
        begins, ends = (_at(day, minute, zone) for minute in (profile.start_minute, _end(profile)))
        return _counts(profile, day, holidays) and begins <= at < ends

    return tuple(name for name, profile in profiles.items() if any(is_on(profile, day) for day in days))


def _at(day: date, minute: int, zone: tzinfo | None) -> float:
    """Return the instant that is so many minutes on the clock behind the beginning of a day."""
    return first_at(datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute), zone)


def _end(profile: Profile) -> int:
    """Return the end in minutes since the day's beginning: more than a day where it is past midnight."""
    return profile.end_minute + (DAY if profile.end_minute <= profile.start_minute else 0)


def _counts(profile: Profile, day: date, holidays: frozenset[date]) -> bool:
    """Whether a profile begins on this day."""
    return day.weekday() in profile.days and profile.on_holidays in {None, day in holidays}


class ScheduleMonitor:
    """Tells when other profiles become active."""

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        holidays: frozenset[date],
        post: Post,
        *,
        clock_known: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
        zone: tzinfo | None = None,
    ) -> None:
        """Tell by `post`; while `clock_known` denies it, no profile is active and nobody knows.

        `clock` is in seconds of the epoch; `wait` waits some seconds, not necessarily all of them.
        `zone` None is the machine's.
        """
        self._profiles, self._holidays, self._post = profiles, holidays, post
        self._clock_known, self._clock, self._wait, self._zone = clock_known, clock, wait, zone

    async def run(self) -> None:
        """Tell which profiles are active, then each change, for ever."""
        told = None
        while True:
            now, known = self._clock(), self._clock_known()
            is_so = ProfilesChanged(active(self._profiles, self._holidays, now, self._zone) if known else (), known)
            if is_so != told:
                self._post(is_so)
                told = is_so
            # Every time zone of today is off by whole minutes, so a full minute is one everywhere.
            await self._wait(MINUTE_S - now % MINUTE_S if known else UNSET_S)
