# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles and the calendar: hours of the week as people write them."""

import json
from datetime import date
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems

from intercom.config import validators
from intercom.config.model import Calendar, Profile


def profile(tmp_path: Path, lines: str) -> Profile:
    (got,) = loaded(tmp_path, f"{BASE}[profiles.office]\n{lines}").profiles
    return got


def test_a_profile_without_keys_is_always(tmp_path: Path) -> None:
    """Each key only takes hours away."""
    assert profile(tmp_path, "") == Profile("office", frozenset({0, 1, 2, 3, 4, 5, 6}), 0, 1440, "also")
    assert profile(tmp_path, "") == Profile("office")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat,sun", {5, 6}),
        ("mon,wed,fri-sun", {0, 2, 4, 5, 6}),
        ("sun", {6}),
        ("tue-tue", {1}),
        ("sat-mon", {5, 6, 0}),
        ("sun-sat", {0, 1, 2, 3, 4, 5, 6}),
        (" Mon , WED - fri", {0, 2, 3, 4}),
        ("mon-wed,tue-thu", {0, 1, 2, 3}),
    ],
)
def test_days_are_names_and_spans(tmp_path: Path, days: str, expected: set[int]) -> None:
    """Also over the end of the week, for that is where weekends are."""
    assert profile(tmp_path, f'days = "{days}"').days == expected


@pytest.mark.parametrize(
    "days", ["", ",", "mon,", "monday", "mo-fr", "mon-", "-fri", "mon-wed-fri", "0-4", "mon fri", "mon\u2013fri", "*"]
)
def test_what_is_no_days_is_refused(tmp_path: Path, days: str) -> None:
    """A day that is not understood would be one on which nobody is called."""
    assert problems(tmp_path, f'{BASE}[profiles.office]\ndays = "{days}"') == [
        f'[profiles.office] days = "{days}": must be {validators.DAYS}'
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('from = "08:00"\nto = "18:00"', (480, 1080)),
        ('from = "8:05"', (485, 1440)),
        ('to = "00:01"', (0, 1)),
        ('from = "23:59"\nto = "24:00"', (1439, 1440)),
        ('from = "22:00"\nto = "06:30"', (1320, 390)),
        ('from = "22:00"\nto = "00:00"', (1320, 0)),
        ('from = "07:00"\nto = "07:00"', (420, 420)),
    ],
)
def test_times_are_minutes_of_the_day(tmp_path: Path, lines: str, expected: tuple[int, int]) -> None:
    """Nights go over midnight."""
    got = profile(tmp_path, lines)

    assert (got.start_minute, got.end_minute) == expected


@pytest.mark.parametrize(
    "time",
    ["", "8", "8.00", "08:60", "25:00", "24:01", "8:0", "08:00:00", "-1:00", "\u0660\u0668:\u0660\u0660", "8 am"],
)
@pytest.mark.parametrize(("key", "allowed"), [("from", validators.FROM), ("to", validators.TO)])
def test_what_is_no_time_is_refused(tmp_path: Path, key: str, allowed: str, time: str) -> None:
    """Half a time is none."""
    assert problems(tmp_path, f'{BASE}[profiles.office]\n{key} = "{time}"') == [
        f'[profiles.office] {key} = "{time}": must be {allowed}'
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('from = "24:00"', f'from = "24:00": must be {validators.FROM}'),
        ("from = 08:00:00", f"from = a date or time: must be {validators.FROM}, in quotes"),
        ("to = 18", f"to = 18: must be {validators.TO}, in quotes"),
        ('days = ["mon"]', f'days = ["mon"]: must be {validators.DAYS}, in quotes'),
        (
            'holidays = "nevr"',
            'holidays = "nevr": must be "also" or "never" or "only"; did you mean "never"?',
        ),
        ("holidays = []", 'holidays = []: must be "also" or "never" or "only"'),
        ('day = "mon"', 'day: no such key; did you mean "days"?'),
    ],
)
def test_what_else_can_be_wrong_with_a_profile_is_told(tmp_path: Path, line: str, complaint: str) -> None:
    """Each with what to write instead."""
    assert problems(tmp_path, f"{BASE}[profiles.office]\n{line}") == [f"[profiles.office] {complaint}"]


def test_a_profile_s_name_is_a_word(tmp_path: Path) -> None:
    """It is told in the journal, like a button's."""
    assert problems(tmp_path, BASE + '[profiles."a b"]') == [f'[profiles."a b"]: the name must be {validators.KEY}']


@pytest.mark.parametrize(
    "written", ['"2026-12-25", "2027-01-01"', "2027-01-01, 2026-12-25", '2026-12-25, "2027-01-01"']
)
def test_holidays_are_dates_with_or_without_quotes(tmp_path: Path, written: str) -> None:
    """TOML has dates; most people do not know."""
    got = loaded(tmp_path, f"{BASE}[calendar]\nholidays = [{written}]")

    assert got.calendar == Calendar(frozenset({date(2026, 12, 25), date(2027, 1, 1)}))


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ('"2026-02-29"', '"2026-02-29"'),
        ('"20261225"', '"20261225"'),
        ('"2026-W52-5"', '"2026-W52-5"'),
        ('"25.12.2026"', '"25.12.2026"'),
        ("2026-12-25T00:00:00", "a date or time"),
        ("12:00:00", "a date or time"),
        ("[2026-12-25]", "[a date or time]"),
        ("2026", "2026"),
        ('"2026-01-01"', '"2026-01-01"'),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_what_is_no_date_or_is_there_twice_is_told_by_itself(tmp_path: Path, item: str, shown: str) -> None:
    """A year's holidays are too many to look through."""
    assert problems(tmp_path, f'{BASE}[calendar]\nholidays = ["2026-01-01", {item}, 2026-12-26]') == [
        f"[calendar] holidays: {shown}: must be a list of {validators.DATES}, none of them twice"
    ]


@pytest.mark.parametrize("value", ["2026-12-25", {}, 1])
def test_holidays_are_a_list(tmp_path: Path, value: object) -> None:
    """Of one, too."""
    (told,) = problems(tmp_path, f"{BASE}[calendar]\nholidays = {json.dumps(value)}")

    assert told.endswith(f"must be a list of {validators.DATES}, none of them twice")


def test_hours_on_holidays_only_need_some(tmp_path: Path) -> None:
    """Else they never come."""
    only = '[profiles.feast]\nholidays = "only"\n'
    (told,) = loaded(tmp_path, BASE + only).warnings

    assert told.endswith('[profiles.feast] holidays: is "only", but [calendar] has none: it never counts')
    assert loaded(tmp_path, f"{BASE}{only}[calendar]\nholidays = [2026-12-25]").warnings == ()
