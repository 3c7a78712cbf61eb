# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon that cannot live does not hammer the PBX: the next ones wait, longer each time, before they register."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from loops import on_a_loop
from test_engine_keeper import SETTINGS, gone, keeping

from intercom.adapters.engine_process import PAUSES_S, EngineSupervisor
from intercom.adapters.storage import crash_counter
from intercom.adapters.storage.crash_counter import YOUNG_S, CrashCounter
from intercom.core.events import EngineHeartbeat, EngineLost, EngineStarted, Event

RESTS = (0.0, 1.0, 5.0)


class Clock:
    """CLOCK_MONOTONIC, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(crash_counter.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_each_early_death_is_counted_by_the_next_start(tmp_path: Path, clock: Clock) -> None:
    """The count survives because it lies beside the socket; a rest is no part of a life."""
    counts = []
    for _ in range(4):
        counts.append(CrashCounter(tmp_path / "starts").begin(RESTS))
        clock.now += RESTS[min(counts[-1], 2)] + YOUNG_S - 1

    assert counts == [0, 1, 2, 3]


def test_a_daemon_that_lived_is_not_counted(tmp_path: Path, clock: Clock) -> None:
    """Killed after a month: the next one rings at once."""
    CrashCounter(tmp_path / "starts").begin(RESTS)
    CrashCounter(tmp_path / "starts").begin(RESTS)
    clock.now += YOUNG_S + RESTS[1] + 1

    assert CrashCounter(tmp_path / "starts").begin(RESTS) == 0


def test_an_orderly_end_is_no_death(tmp_path: Path, clock: Clock) -> None:
    """Who changes the configuration and restarts, five times in a minute, waits for nothing."""
    for _ in range(5):
        note = CrashCounter(tmp_path / "starts")
        assert note.begin(RESTS) == 0
        note.end()


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"young": "x"}', '{"young": 1e999, "at": 0}', "\0" * 100])
def test_a_note_that_cannot_be_read_counts_for_nothing(tmp_path: Path, clock: Clock, text: str) -> None:
    """Power cuts leave such files."""
    (tmp_path / "starts").write_text(text)

    assert CrashCounter(tmp_path / "starts").begin(RESTS) == 0
    assert CrashCounter(tmp_path / "starts").begin(RESTS) == 1


def test_a_note_of_another_boot_counts_for_nothing(tmp_path: Path, clock: Clock) -> None:
    """The clock began anew: that start lies in the future."""
    CrashCounter(tmp_path / "starts").begin(RESTS)
    clock.now = 3.0

    assert CrashCounter(tmp_path / "starts").begin(RESTS) == 0


def test_a_place_that_cannot_be_written_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """A door that rings is worth more than a count."""
    note = CrashCounter(tmp_path / "no such folder" / "starts")

    assert note.begin(RESTS) == 0
    note.end()


@on_a_loop
async def test_engines_that_die_young_come_later_each_time() -> None:
    """Each registers anew, so each is a REGISTER at the PBX: at once, then later and later."""
    async with keeping() as keeper:
        born, died = [], []
        for _ in range(4):
            event = None
            while not isinstance(event, EngineStarted):
                event, at = await keeper.next()
            born.append(at)
            os.kill(keeper.engine.pid, signal.SIGKILL)
            while not isinstance(event, EngineLost):
                event, _ = await keeper.next()
            died.append(time.monotonic())

        waited = [birth - death for birth, death in zip(born[1:], died[:-1], strict=True)]
        assert all(took >= rest for took, rest in zip(waited, PAUSES_S[1:], strict=False)), waited


@on_a_loop
async def test_a_daemon_that_follows_dead_ones_rests_before_its_first_engine_and_is_not_taken_for_stuck() -> None:
    """The keeper beats in the engine's stead: the watchdog must not end a daemon that waits on purpose."""
    told: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()
    began = time.monotonic()
    engine = EngineSupervisor(SETTINGS, lambda event, _: told.put_nowait((time.monotonic() - began, event)), young=3)
    running = asyncio.create_task(engine.run())
    beats = 0
    event: Event = EngineHeartbeat()
    at = 0.0
    while not isinstance(event, EngineStarted):
        at, event = await told.get()
        beats += isinstance(event, EngineHeartbeat)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await gone(engine.pid)

    assert at >= PAUSES_S[3]
    assert beats >= 2
