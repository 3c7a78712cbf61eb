# SPDX-License-Identifier: GPL-2.0-or-later
"""Time profiles: what is active when, and when that is told. The clock is moved, never waited for."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import on_a_loop

from intercom.adapters.monitors.schedules import DAY, UNSET_S, Profile, ScheduleMonitor, active
from intercom.core.events import Event, ProfilesChanged
from intercom.local_time import first_at, shown

WEEK = frozenset(range(7))
NONE: frozenset[date] = frozenset()
OFFICE = Profile(frozenset({0, 1, 2, 3, 4}), 8 * 60, 18 * 60, on_holidays=False)
NIGHT = Profile(WEEK, 22 * 60, 6 * 60)
XMAS = date(2026, 12, 25)
"""A Friday."""

days = st.frozensets(st.integers(0, 6))
minutes = st.integers(0, DAY - 1)
profiles = st.builds(Profile, days, minutes, st.integers(0, DAY), st.sampled_from([None, True, False]))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001  (local time is what it is)


def is_active(profile: Profile, moment: datetime, holidays: frozenset[date] = NONE) -> bool:
    return bool(active({"it": profile}, holidays, moment.replace(tzinfo=UTC).timestamp(), UTC))


def at(day: int, clock: str) -> datetime:
    """A time in December 2026; the 21st is a Monday."""
    return datetime.fromisoformat(f"2026-12-{day:02} {clock}")


# ---------------------------------------------------------------------------- what is active


def test_office_hours_end_when_they_say() -> None:
    """The start belongs to them, the end does not."""
    told = [is_active(OFFICE, at(21, clock)) for clock in ("07:59:59", "08:00", "17:59:59", "18:00")]

    assert told == [False, True, True, False]
    assert not is_active(OFFICE, at(26, "12:00")), "a Saturday"


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    """Friday's night goes on into Saturday; Saturday's own is another one."""
    friday = Profile(frozenset({4}), 22 * 60, 6 * 60)
    told = [is_active(friday, at(day, clock)) for day, clock in ((24, "23:00"), (25, "05:00"), (25, "22:00"))]

    assert told == [False, False, True]
    assert is_active(friday, at(26, "05:59"))
    assert not is_active(friday, at(26, "06:00"))


def test_holidays_change_what_they_say() -> None:
    """Nobody is in the office on Christmas Day, and a profile for holidays begins on no other day."""
    holidays = frozenset({XMAS})
    noon = at(25, "12:00")

    assert not is_active(OFFICE, noon, holidays)
    assert is_active(OFFICE, noon)
    for on_holidays, there, elsewhere in ((None, True, True), (False, False, True), (True, True, False)):
        profile = Profile(WEEK, 0, DAY, on_holidays)
        assert is_active(profile, noon, holidays) is there
        assert is_active(profile, noon - timedelta(days=1), holidays) is elsewhere


def test_a_night_that_began_on_a_holiday_ends_in_the_morning_after() -> None:
    """Whether it is a holiday is asked of the day on which the night began."""
    night = Profile(WEEK, 22 * 60, 6 * 60, on_holidays=True)

    assert is_active(night, at(26, "05:00"), frozenset({XMAS}))
    assert not is_active(night, at(25, "05:00"), frozenset({XMAS}))


def test_names_keep_the_order_in_which_they_are_given() -> None:
    """So that the same profiles are the same answer."""
    assert active({"b": NIGHT, "a": Profile(WEEK, 0, DAY)}, NONE, utc("2026-12-21 23:00").timestamp(), UTC) == (
        "b",
        "a",
    )


@given(profiles, moments)
def test_a_profile_of_no_days_is_never_active(profile: Profile, moment: datetime) -> None:
    """Nothing begins, so nothing is on."""
    empty = Profile(frozenset(), profile.start_minute, profile.end_minute, profile.on_holidays)

    assert not is_active(empty, moment, frozenset({moment.date()}))


@given(minutes, moments)
def test_from_a_time_to_the_same_time_is_round_the_clock(minute: int, moment: datetime) -> None:
    """24 hours, not none."""
    assert is_active(Profile(WEEK, minute, minute), moment)


@given(minutes, minutes, moments)
def test_a_span_and_the_rest_of_the_day_never_overlap_and_leave_no_gap(start: int, end: int, moment: datetime) -> None:
    """At every minute of every day exactly one of them is active, over midnight too."""
    if start == end:
        return
    assert is_active(Profile(WEEK, start, end), moment) != is_active(Profile(WEEK, end, start), moment)


@given(profiles, moments, st.frozensets(st.dates(date(2020, 1, 1), date(2020, 2, 1))))
def test_a_profile_is_as_long_as_it_says(profile: Profile, moment: datetime, holidays: frozenset[date]) -> None:
    """Minute by minute of the two days that it may touch, counted another way."""
    begun = moment.date()
    begins = begun.weekday() in profile.days and profile.on_holidays in {None, begun in holidays}
    only = Profile(frozenset({begun.weekday()}) & profile.days, profile.start_minute, profile.end_minute, None)
    midnight = datetime.combine(begun, datetime.min.time())
    span = range(profile.start_minute, 2 * DAY)
    count = sum(is_active(only, midnight + timedelta(minutes=minute)) for minute in span)
    length = (profile.end_minute - profile.start_minute - 1) % DAY + 1

    assert count == (length if begun.weekday() in profile.days else 0)
    first = midnight + timedelta(minutes=profile.start_minute)
    yesterdays = is_active(Profile(WEEK, profile.start_minute, profile.end_minute), first - timedelta(minutes=1))
    if begins:
        assert is_active(profile, first, holidays)
    elif not yesterdays:
        assert not is_active(profile, first, holidays)


# ---------------------------------------------------------------------------- when it is told


class Clock:
    """A clock that goes on only when somebody waits for it."""

    def __init__(self, moment: datetime) -> None:
        self.now = moment.timestamp()
        self.known = True
        self.waits: list[float] = []
        self.events: list[tuple[str, Event]] = []
        self.over = asyncio.Event()
        self._happens: list[tuple[float, Callable[[], None]]] = []
        self._lasts_s = 0.0

    def happens(self, after_s: float, what: Callable[[], None]) -> None:
        """Have something happen in the first wait that reaches that far, by a clock that nobody sets."""
        self._happens.append((after_s, what))

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        for due, what in list(self._happens):
            if due <= sum(self.waits):
                self._happens.remove((due, what))
                what()
        if sum(self.waits) >= self._lasts_s:
            self.over.set()
            await asyncio.Event().wait()

    def post(self, event: Event) -> None:
        self.events.append((self.shown(), event))

    def shown(self) -> str:
        return datetime.fromtimestamp(self.now, UTC).strftime("%d %H:%M:%S")

    async def pass_by(self, hours: float, spans: dict[str, Profile], zone: tzinfo = UTC) -> None:
        self._lasts_s = hours * 3600
        watcher = ScheduleMonitor(
            spans, NONE, self.post, clock_known=lambda: self.known, clock=lambda: self.now, wait=self.wait, zone=zone
        )
        running = asyncio.create_task(watcher.run())
        await self.over.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@on_a_loop
async def test_each_boundary_is_told_at_its_minute() -> None:
    """And once at the start; nothing in between."""
    clock = Clock(utc("2026-12-21 07:30:17"))
    await clock.pass_by(24, {"office": OFFICE, "night": NIGHT})

    assert clock.events == [
        ("21 07:30:17", ProfilesChanged((), known=True)),
        ("21 08:00:00", ProfilesChanged(("office",), known=True)),
        ("21 18:00:00", ProfilesChanged((), known=True)),
        ("21 22:00:00", ProfilesChanged(("night",), known=True)),
        ("22 06:00:00", ProfilesChanged((), known=True)),
    ]
    assert max(clock.waits) <= 60.0


@on_a_loop
async def test_a_clock_that_is_set_is_noticed_within_seconds() -> None:
    """A Pi starts in the past; until a time server has answered nobody knows the hour, and that is said."""
    clock = Clock(utc("2020-01-01 00:00:00"))
    clock.known = False

    def set_it() -> None:
        clock.now, clock.known = utc("2026-12-21 12:00:03").timestamp(), True

    clock.happens(20, set_it)
    await clock.pass_by(0.5, {"office": OFFICE})

    assert clock.events == [
        ("01 00:00:00", ProfilesChanged((), known=False)),
        ("21 12:00:03", ProfilesChanged(("office",), known=True)),
    ]
    assert clock.waits[:4] == [UNSET_S] * 4


@on_a_loop
async def test_a_clock_that_jumps_is_noticed_within_a_minute() -> None:
    """Back into the office hours: the wait that was under way knew nothing of it."""
    clock = Clock(utc("2026-12-21 18:10:00"))

    def jump() -> None:
        clock.now -= 3600

    clock.happens(30, jump)
    await clock.pass_by(1.2, {"office": OFFICE})

    assert [event for _, event in clock.events] == [
        ProfilesChanged((), known=True),
        ProfilesChanged(("office",), known=True),
        ProfilesChanged((), known=True),
    ]


@on_a_loop
async def test_summer_time_moves_the_boundary_with_the_clock_on_the_wall() -> None:
    """Eight o'clock is eight o'clock: seven in winter's UTC, six in summer's."""
    berlin = ZoneInfo("Europe/Berlin")
    week = {"office": Profile(WEEK, 8 * 60, 18 * 60)}
    clock = Clock(utc("2026-03-28 00:00:00"))
    await clock.pass_by(48, week, berlin)

    begins = [when for when, event in clock.events if event == ProfilesChanged(("office",), known=True)]
    assert begins == ["28 07:00:00", "29 06:00:00"]


AROUND_THE_CHANGE = {
    "ends": Profile(WEEK, 22 * 60, 2 * 60 + 30),
    "begins": Profile(WEEK, 2 * 60 + 30, 6 * 60),
    "within": Profile(WEEK, 2 * 60 + 15, 2 * 60 + 45),
}
"""Profiles with an end in the hour that comes twice in autumn, and never in spring."""


@on_a_loop
async def test_an_hour_that_comes_twice_is_one_long_hour() -> None:
    """What has ended in it does not come back, what has begun goes on. In Berlin 02:00 to 03:00 comes twice."""
    clock = Clock(utc("2026-10-24 23:59:00"))
    await clock.pass_by(6, AROUND_THE_CHANGE, ZoneInfo("Europe/Berlin"))

    assert clock.events == [
        ("24 23:59:00", ProfilesChanged(("ends",), known=True)),
        ("25 00:15:00", ProfilesChanged(("ends", "within"), known=True)),
        ("25 00:30:00", ProfilesChanged(("begins", "within"), known=True)),
        ("25 00:45:00", ProfilesChanged(("begins",), known=True)),
        ("25 05:00:00", ProfilesChanged((), known=True)),
    ]


@on_a_loop
async def test_an_hour_that_never_comes_is_none() -> None:
    """In Berlin the clock goes from 02:00 to 03:00: what begins or ends in between does so then."""
    clock = Clock(utc("2026-03-29 00:30:00"))
    await clock.pass_by(6, AROUND_THE_CHANGE, ZoneInfo("Europe/Berlin"))

    assert clock.events == [
        ("29 00:30:00", ProfilesChanged(("ends",), known=True)),
        ("29 01:00:00", ProfilesChanged(("begins",), known=True)),
        ("29 04:00:00", ProfilesChanged((), known=True)),
    ]


@given(st.sampled_from(["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]), moments)
def test_a_time_is_the_first_instant_at_which_the_wall_shows_it(zone: str, moment: datetime) -> None:
    """Or a later one, where the wall skips it: at that instant, and not a second before."""
    moment = moment.replace(microsecond=0)
    at = first_at(moment, ZoneInfo(zone))

    assert shown(at, ZoneInfo(zone)) >= moment
    assert shown(at - 1, ZoneInfo(zone)) < moment


def test_the_wall_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the zone that is set now; what is beyond the calendar never comes."""
    for zone, shows in (("UTC", 0), ("Asia/Tokyo", 9)):
        monkeypatch.setenv("TZ", zone)
        assert shown(0.0) == datetime(1970, 1, 1, shows)  # noqa: DTZ001
        assert first_at(shown(0.0)) == 0.0
    assert first_at(datetime.max) > 2e11  # noqa: DTZ901
    assert first_at(datetime.max, ZoneInfo("America/Los_Angeles")) > 2e11  # noqa: DTZ901
