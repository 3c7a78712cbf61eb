# SPDX-License-Identifier: GPL-2.0-or-later
"""Moments as people write them."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.adapters.systemd.time_spec import moment

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 15, 14, 2, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", datetime(2026, 3, 15, tzinfo=ZONE)),
        ("Yesterday", datetime(2026, 3, 14, tzinfo=ZONE)),
        ("90s", NOW - timedelta(seconds=90)),
        ("-5min", NOW - timedelta(minutes=5)),
        ("2h", NOW - timedelta(hours=2)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("1 week", NOW - timedelta(weeks=1)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=ZONE)),
        ("2026-03-01 14:02", datetime(2026, 3, 1, 14, 2, tzinfo=ZONE)),
        ("2026-03-01T14:02:03Z", datetime(2026, 3, 1, 14, 2, 3, tzinfo=UTC)),
    ],
)
def test_a_moment_is_what_people_mean(text: str, expected: datetime) -> None:
    """Days begin at midnight where the door is; spans end now."""
    assert expected == moment(text, NOW)


@pytest.mark.parametrize("text", ["", "soon", "2x", "2 dogs", "2026-13-01", "999999w", "1"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    """A wrong guess would hide visits."""
    with pytest.raises(ValueError, match='give "today", "yesterday"'):
        moment(text, NOW)


@given(st.text() | st.from_regex(r"-?[0-9]{1,9} ?[smhdw][a-z ]*"))
def test_any_text_is_a_moment_or_a_complaint(text: str) -> None:
    """What is typed at a prompt may be anything."""
    try:
        assert moment(text, NOW).tzinfo is not None
    except ValueError as error:
        assert "no such moment" in str(error)  # noqa: PT017  (there is not always an error)


def test_a_day_of_the_other_half_of_the_year_begins_at_its_own_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Summer time is no part of a January, and the day of the change begins before it."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        july = datetime(2026, 7, 1, 12).astimezone()
        change = datetime(2026, 3, 29, 12).astimezone()

        assert moment("2026-01-15", july).astimezone(UTC) == datetime(2026, 1, 14, 23, tzinfo=UTC)
        assert moment("2026-07-15", change).astimezone(UTC) == datetime(2026, 7, 14, 22, tzinfo=UTC)
        assert moment("today", change).astimezone(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
