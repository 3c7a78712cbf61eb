# SPDX-License-Identifier: GPL-2.0-or-later
"""When the sound is tested by itself: in the day, once a day, and not while nobody knows the hour."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

from intercom.adapters.monitors.self_test_timer import SelfTestTimer
from intercom.core.events import Event, SoundCheckRequested

HOUR_S = 3600.0


class Days:
    """A clock that goes on only when somebody waits, and is set at some time."""

    def __init__(self, begins: str, *, is_set: str = "2000-01-01 00:00") -> None:
        self.now, self.is_set = (at(text) for text in (begins, is_set))
        self.told: list[tuple[str, str]] = []

    def post(self, event: Event) -> None:
        assert isinstance(event, SoundCheckRequested)
        self.told.append((datetime.fromtimestamp(self.now, UTC).strftime("%d %H:%M"), event.by))

    def pass_by(self, hours: float, stamp: Path, *, at_start: bool = True) -> list[tuple[str, str]]:
        """Let so much time pass; return when which test was asked for."""
        ends = self.now + hours * HOUR_S

        async def wait(seconds: float) -> None:
            self.now += seconds
            if self.now > ends:
                raise asyncio.CancelledError

        tests = SelfTestTimer(self.post, stamp, at_start=at_start, daily_minute=3 * 60, clock=lambda: self.now,
                              wait=wait, local=lambda now: datetime.fromtimestamp(now, UTC),
                          clock_known=lambda: self.now >= self.is_set)  # fmt: skip
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(tests.run())
        return self.told


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_it_is_tested_soon_after_the_start_and_once_a_day(tmp_path: Path) -> None:
    """A daemon that crashed does not do so again at its start."""
    assert Days("2026-12-21 12:00").pass_by(40, tmp_path / "a") == [
        ("21 12:00", "start"), ("22 03:00", "daily"), ("23 03:00", "daily")
    ]  # fmt: skip
    assert Days("2026-12-21 12:00").pass_by(1, tmp_path / "a") == []


def test_at_night_there_is_none_at_the_start(tmp_path: Path) -> None:
    """A power cut at three is no reason to wake a house."""
    assert Days("2026-12-21 04:00").pass_by(10, tmp_path / "a") == []


def test_while_nobody_knows_the_hour_there_is_none(tmp_path: Path) -> None:
    """The clock goes on from an hour of the past: it says noon, or three, and it may be any hour."""
    assert Days("2026-12-21 12:00", is_set="2027-01-01 00:00").pass_by(40, tmp_path / "a") == []
    assert Days("2026-12-21 02:00", is_set="2026-12-21 09:30").pass_by(10, tmp_path / "b") == [("21 09:30", "start")]
